// Official JavaScript clients against the server under test.
import { io } from "socket.io-client";
import { once, until, within } from "./wait.mjs";

/** The three ways in which a browser gets to the server. */
export const TRANSPORTS = {
  "polling only": { transports: ["polling"] },
  "WebSocket only": { transports: ["websocket"] },
  "polling, then upgrade": { transports: ["polling", "websocket"] },
};

/** The same for clients that send and want binary values as text. */
export const BASE64_TRANSPORTS = Object.fromEntries(
  Object.entries(TRANSPORTS).map(([way, options]) => [`${way}, in base64`, { ...options, forceBase64: true }]),
);

/**
 * A client of the JavaScript library that is disconnected when the test ends.
 * It notes every event it gets in `socket.log` as [name, ...args].
 */
export function client(t, server, options = {}, namespace = "/") {
  const origin = options.origin ?? server.origin;
  const socket = io(origin + (namespace === "/" ? "" : namespace), {
    forceNew: true,
    reconnectionDelay: 20,
    reconnectionDelayMax: 100,
    ...options,
  });
  socket.log = [];
  socket.onAny((...event) => socket.log.push(event));
  t.after(() => socket.disconnect());
  return socket;
}

/** A client that has joined its namespace and finished its upgrade, if it wanted one. */
export async function connected(t, server, options = {}, namespace = "/") {
  const socket = client(t, server, options, namespace);
  await within(
    new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject)),
    "connection",
  );
  if (options.transports?.length === 2) {
    await until(() => socket.io.engine?.transport.name === "websocket", "upgrade");
  }
  await until(() => eventsOf(socket, "auth").length > 0, "auth event");
  return socket;
}

/** The arguments of every event of this name so far. */
export const eventsOf = (socket, name) => socket.log.filter(([event]) => event === name).map(([, ...args]) => args);

/** Emits an event and gives the arguments of its echo. */
export async function echo(socket, ...args) {
  const answer = once(socket, "message-back");
  socket.emit("message", ...args);
  return answer;
}

/** Emits an event and gives all acknowledged arguments. */
export function ack(socket, event, ...args) {
  return within(new Promise((resolve) => socket.emit(event, ...args, (...back) => resolve(back))), `ack of "${event}"`);
}

/** Resolves when the server has handled everything that the client has sent before. */
export const settled = (socket) => ack(socket, "message-with-ack");
