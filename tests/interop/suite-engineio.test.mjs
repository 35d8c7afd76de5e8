// What test suites of Engine.IO clients ask of the server beside them, asked of the host that answers such suites.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Socket } from "engine.io-client";
import { BASE64_TRANSPORTS, TRANSPORTS } from "./support/clients.mjs";
import { sharedServer } from "./support/server.mjs";
import { once, until, within } from "./support/wait.mjs";

const host = sharedServer("engine_suite_host");
/** Bytes of a message that the host takes. */
const MAX_PAYLOAD = 100;

function open(t, options) {
  const socket = new Socket(host.origin, { path: "/engine.io/", ...options });
  socket.log = [];
  socket.on("message", (message) => socket.log.push(message));
  t.after(() => socket.close());
  return socket;
}

/** A client that has been greeted, its upgrade done where it wanted one. */
async function greeted(t, options) {
  const socket = open(t, options);
  await until(() => socket.log.length === 1, "greeting");
  assert.deepEqual(socket.log, ["hi"]);
  if (options.transports.length === 2) await until(() => socket.transport.name === "websocket", "upgrade");
  socket.log.length = 0;
  return socket;
}

async function echoes(socket, ...messages) {
  for (const message of messages) socket.send(message);
  await until(() => socket.log.length === messages.length, "echoes");
  return socket.log.splice(0);
}

for (const [way, options] of Object.entries({ ...TRANSPORTS, ...BASE64_TRANSPORTS })) {
  describe(`a suite's engine over ${way}`, () => {
    test("it is greeted, and what it says comes back", async (t) => {
      const socket = await greeted(t, options);
      const messages = ["Grüße, мир", "👩‍🚀", "\ue000\uf8ff\uffff", "0", " "];
      assert.deepEqual(await echoes(socket, ...messages), messages);
    });

    test("bytes come as bytes, on their own and between texts", async (t) => {
      const socket = await greeted(t, options);
      const bytes = Buffer.from([0, 1, 2, 253, 254, 255]);
      assert.deepEqual(await echoes(socket, bytes), [bytes]);
      assert.deepEqual(await echoes(socket, "ünd", bytes, "€"), ["ünd", bytes, "€"]);
      socket.send("give binary");
      await until(() => socket.log.length === 1, "bytes");
      assert.deepEqual(socket.log.splice(0), [Buffer.of(0, 1, 2, 3, 4)]);
      socket.send("give utf8");
      await until(() => socket.log.length === 1, "text");
      assert.equal(socket.log[0], "пойду спать всем спокойной ночи");
    });

    test("messages that fit together into the limit arrive all, in order", async (t) => {
      const socket = await greeted(t, options);
      const sizes = options.forceBase64 ? [50, 10, 10, 50] : [72, 20, 20, 72];
      const messages = sizes.map((size, index) => (index % 2 ? "a".repeat(size) : Buffer.alloc(size, index)));
      assert.deepEqual(await echoes(socket, ...messages), messages);
    });

    test("what is buffered when a client closes still arrives", async (t) => {
      const socket = open(t, options);
      await once(socket, "open");
      const flushed = [];
      socket.on("flush", () => flushed.push(socket.writeBuffer.length));
      socket.send("last words");
      const closed = once(socket, "close");
      socket.close();
      assert.equal((await closed)[0], "forced close");
      assert.ok(flushed.length > 0, "the message was handed over");
    });
  });
}

test("an admission that is denied is an error of the transport", async (t) => {
  for (const transport of ["polling", "websocket"]) {
    const socket = open(t, { transports: [transport], query: { deny: 1 } });
    const [error] = await once(socket, "error");
    assert.equal(error.type, "TransportError");
    if (transport === "polling") assert.equal(error.description, 403);
  }
});

test("the next transport is tried where that is wanted", async (t) => {
  const options = { transports: ["polling", "websocket"], transportOptions: { polling: { path: "/nowhere/" } } };
  const patient = open(t, { ...options, tryAllTransports: true });
  await once(patient, "open");
  assert.equal(patient.transport.name, "websocket");
  const [error] = await once(open(t, options), "error");
  assert.equal(error.description, 404);
});

test("a message over the limit ends the session with what its transport has for that", async (t) => {
  const large = "x".repeat(MAX_PAYLOAD + 1);
  const polling = open(t, { transports: ["polling"] });
  polling.on("open", () => polling.send(large));
  const [reason, details] = await once(polling, "close");
  assert.equal(reason, "transport error");
  assert.equal(details.description, 413);
  const websocket = await greeted(t, { transports: ["websocket"] });
  const closed = once(websocket, "close");
  websocket.send(large);
  const [end, { context }] = await closed;
  assert.equal(end, "transport close");
  assert.equal(context.code, 1009);
});

test("a session that is unknown is named as such", async (t) => {
  const polling = open(t, { transports: ["polling"], query: { sid: "nobody" } });
  const answer = new Promise((resolve) => {
    // The client forgets the answer when it has told of it.
    polling.on("close", (reason, { description, context }) => resolve([reason, description, context.responseText]));
  });
  const body = JSON.stringify({ code: 1, message: "Session ID unknown" });
  assert.deepEqual(await within(answer, "end"), ["transport error", 400, body]);
});

test("cookies of the first answer come back where they are wanted, as long as they are fresh", async (t) => {
  for (const withCredentials of [true, false]) {
    const socket = await greeted(t, { transports: ["polling"], withCredentials, extraHeaders: { "X-Own": "yes" } });
    socket.send("sendHeaders");
    await until(() => socket.log.length === 1, "header fields");
    const headers = JSON.parse(socket.log[0]);
    assert.equal(headers["x-own"], "yes");
    assert.equal(headers.cookie, withCredentials ? "1=1; 2=2" : undefined);
  }
});

test("the heartbeat of half a second keeps connections", async (t) => {
  for (const transports of [["polling"], ["websocket"]]) {
    const socket = await greeted(t, { transports });
    let pings = 0;
    socket.on("ping", () => pings++);
    socket.on("close", (reason) => assert.fail(reason));
    await until(() => pings >= 2, "pings");
    assert.deepEqual(await echoes(socket, "alive"), ["alive"]);
    socket.off("close");
  }
});
