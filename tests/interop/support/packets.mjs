// Socket.IO packets by hand, over a raw WebSocket.
import assert from "node:assert/strict";
import { RawWebSocket } from "./websocket.mjs";

/** A WebSocket that has joined `namespace` and taken in the CONNECT answer and the `auth` event. */
export async function joined(server, namespace = "/") {
  const socket = await RawWebSocket.session(server);
  await join(socket, namespace);
  return socket;
}

export async function join(socket, namespace = "/", payload = "") {
  const prefix = namespace === "/" ? "" : `${namespace},`;
  socket.send(`40${prefix}${payload}`);
  const answer = await socket.text();
  assert.ok(answer.startsWith(`40${prefix}{"sid":"`), answer);
  assert.equal(await socket.text(), `42${prefix}["auth",${payload || "{}"}]`);
  return JSON.parse(answer.slice(2 + prefix.length)).sid;
}

/** Sends an event and takes in the same event coming back. */
export async function assertAlive(socket, prefix = "") {
  socket.send(`42${prefix}["echo","alive"]`);
  assert.equal(await socket.text(), `42${prefix}["echo","alive"]`);
}
