// Clients of the years before 2020: socket.io-client 2 and engine.io-client 3, which speak Engine.IO 3.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { BASE64_TRANSPORTS, connected as connectedNow, eventsOf, TRANSPORTS } from "./support/clients.mjs";
import { sharedServer } from "./support/server.mjs";
import { once, until, within } from "./support/wait.mjs";

const require = createRequire(import.meta.url);
const io = require("socket.io-client-2");
const engine = require("engine.io-client-3");

const server = sharedServer("echo", ["--allow-eio3"]);
const hasty = sharedServer("echo", ["--allow-eio3", "--ping-interval", "300", "--ping-timeout", "200"]);
const engineServer = sharedServer("engine_echo", ["--allow-eio3"]);

/** A connected client, its upgrade done where it wanted one, and what it got noted in `log`. */
async function connected(t, at, options, namespace = "/") {
  const socket = io(at.origin + namespace, { forceNew: true, reconnectionDelay: 20, ...options });
  t.after(() => socket.disconnect());
  socket.log = [];
  const { onevent } = socket;
  socket.onevent = function (packet) {
    socket.log.push(packet.data);
    onevent.call(this, packet);
  };
  await within(new Promise((resolve, reject) => socket.on("connect", resolve).on("error", reject)), "connection");
  if (options.transports.length === 2) await until(() => socket.io.engine.transport.name === "websocket", "upgrade");
  await until(() => eventsOf(socket, "auth").length > 0, "auth event");
  return socket;
}

const ack = (socket, ...event) => within(new Promise((resolve) => socket.emit(...event, (...args) => resolve(args))), "ack");

for (const [way, options] of Object.entries({ ...TRANSPORTS, ...BASE64_TRANSPORTS })) {
  describe(`socket.io-client 2 over ${way}`, () => {
    test("events, texts beyond the basic plane and binary come back unchanged", async (t) => {
      const socket = await connected(t, server, options);
      assert.deepEqual(eventsOf(socket, "auth"), [[{}]]);
      const args = ["ä世🚀", { a: [1, null] }, Buffer.from([0, 4, 255]), [{ deep: Buffer.of(9) }]];
      const answer = once(socket, "message-back");
      socket.emit("message", ...args);
      assert.deepEqual(await answer, args);
    });

    test("acknowledgements go both ways", async (t) => {
      const socket = await connected(t, server, options);
      assert.deepEqual(await ack(socket, "message-with-ack", 1, "zwei", Buffer.of(3)), [1, "zwei", Buffer.of(3)]);
      socket.on("question", (...args) => args.pop()(...args));
      const answer = once(socket, "answer");
      socket.emit("ask", "why", { b: Buffer.of(1) });
      assert.deepEqual(await answer, ["why", { b: Buffer.of(1) }]);
    });

    test("B144 the query of a namespace is its auth payload", async (t) => {
      const socket = await connected(t, server, options, "/custom?token=abc&x=1");
      const [[auth]] = eventsOf(socket, "auth");
      assert.equal(auth.token, "abc");
      assert.equal(auth.x, "1");
    });

    test("B146 an unknown namespace is refused with a text", async (t) => {
      const socket = io(`${server.origin}/nope`, { forceNew: true, reconnection: false, ...options });
      t.after(() => socket.disconnect());
      assert.deepEqual(await once(socket, "error"), ["Invalid namespace"]);
    });

    test("a client is in the room of the id that it knows itself by", async (t) => {
      const [one, other] = [await connected(t, server, options), await connected(t, server, options)];
      const heard = once(one, "room-message");
      other.emit("to-room", one.id, "hello");
      assert.deepEqual(await heard, ["hello"]);
    });

    test("B148 old and new clients share rooms and broadcasts", async (t) => {
      const old = await connected(t, server, options);
      const young = await connectedNow(t, server, options);
      const heard = [once(old, "broadcast"), once(young, "broadcast")];
      young.emit("broadcast", "all", Buffer.of(7));
      assert.deepEqual(await Promise.all(heard), Array(2).fill(["all", Buffer.of(7)]));
    });

    test("B143 it stays connected for many heartbeats", async (t) => {
      const socket = await connected(t, hasty, options);
      let pongs = 0;
      socket.on("pong", () => pongs++);
      socket.on("disconnect", (reason) => assert.fail(reason));
      await until(() => pongs >= 4, "pongs");
      socket.off("disconnect");
    });

    test("a kick disconnects it for good", async (t) => {
      const socket = await connected(t, server, options);
      const [reason] = await Promise.all([once(socket, "disconnect"), socket.emit("kick", true)]);
      assert.deepEqual(reason, ["io server disconnect"]);
    });

    test("500 messages each way arrive once and in order", async (t) => {
      const socket = await connected(t, server, options);
      const numbers = Array.from({ length: 500 }, (_, number) => number);
      for (const number of numbers) socket.emit("echo", number);
      socket.emit("flood", numbers.length, 0);
      await until(() => eventsOf(socket, "flood-message").length === numbers.length, "flood");
      await until(() => eventsOf(socket, "echo").length === numbers.length, "echoes");
      assert.deepEqual(eventsOf(socket, "echo").flat(), numbers);
      assert.deepEqual(eventsOf(socket, "flood-message").flat(), numbers);
    });
  });

  describe(`engine.io-client 3 over ${way}`, () => {
    test("text and binary come back in order", async (t) => {
      const socket = engine(engineServer.origin, { path: "/engine.io/", ...options });
      t.after(() => socket.close());
      const got = [];
      socket.on("message", (message) => got.push(typeof message === "string" ? message : Buffer.from(message)));
      await once(socket, "open");
      const sent = ["one", Buffer.of(1, 2), "€🚀", Buffer.alloc(300, 5)];
      for (const message of sent) socket.send(message);
      await until(() => got.length === sent.length, "echoes");
      assert.deepEqual(got, sent);
    });
  });
}
