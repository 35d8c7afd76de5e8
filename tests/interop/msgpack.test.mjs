// The parser socket.io-msgpack-parser, on both sides.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { ack, client, connected, echo, eventsOf, BASE64_TRANSPORTS, TRANSPORTS } from "./support/clients.mjs";
import { runToExit, sharedServer } from "./support/server.mjs";
import { once, until } from "./support/wait.mjs";

const parser = createRequire(import.meta.url)("socket.io-msgpack-parser");
const server = sharedServer("echo", ["--parser", "msgpack"]);

for (const [way, transports] of Object.entries({ ...TRANSPORTS, ...BASE64_TRANSPORTS })) {
  const options = { ...transports, parser };
  describe(`over ${way}`, () => {
    test("B139 values of every type come back unchanged", async (t) => {
      const socket = await connected(t, server, { ...options, auth: { token: "abc" } });
      assert.deepEqual(eventsOf(socket, "auth"), [[{ token: "abc" }]]);
      const args = [null, true, 0, -1, 1.5, 2 ** 52, -(2 ** 40), "ä🚀", [], {}, [[{ a: [1, null] }]], { "": "x".repeat(70_000) }];
      assert.deepEqual(await echo(socket, ...args), args);
    });

    test("B139 binary values stay where they are, fifty of them too", async (t) => {
      const socket = await connected(t, server, options);
      const args = [Buffer.of(1, 2), { deep: [Buffer.alloc(300, 7)] }, ...Array.from({ length: 48 }, (_, n) => Buffer.of(n))];
      assert.deepEqual(await echo(socket, ...args), args);
    });

    test("B156 B158 typed arrays are binary, dates are texts, and undefined members are left out", async (t) => {
      const socket = await connected(t, server, options);
      const floats = new Float32Array([1, -2.5]);
      const args = [new Uint8Array([1, 2, 3]), new Uint8Array(8).fill(9), new ArrayBuffer(300), floats, { deep: [new Uint8Array(1)] }];
      const bytes = [Buffer.of(1, 2, 3), Buffer.alloc(8, 9), Buffer.alloc(300), Buffer.from(floats.buffer), { deep: [Buffer.alloc(1)] }];
      assert.deepEqual(await echo(socket, ...args), bytes);
      const dates = ["1969-07-20T20:17:40.000Z", "2025-01-12T10:30:00.123Z"];
      assert.deepEqual(await echo(socket, ...dates.map((date) => new Date(date))), dates);
      assert.deepEqual(await echo(socket, { a: undefined, b: 1 }, [undefined, NaN]), [{ b: 1 }, [null, null]]);
    });

    test("B153 an event named by a number is handled and acknowledged", async (t) => {
      const socket = await connected(t, server, options);
      assert.deepEqual(await ack(socket, 7, Buffer.of(1)), [Buffer.of(1)]);
    });

    test("acknowledgements go both ways", async (t) => {
      const socket = await connected(t, server, options);
      assert.deepEqual(await ack(socket, "message-with-ack", 1, Buffer.of(2)), [1, Buffer.of(2)]);
      socket.on("question", (...args) => args.pop()(...args));
      const answer = once(socket, "answer");
      socket.emit("ask", { why: Buffer.of(3) });
      assert.deepEqual(await answer, [{ why: Buffer.of(3) }]);
    });

    test("an unknown namespace is refused, and a kick is understood", async (t) => {
      const [error] = await once(client(t, server, options, "/nope"), "connect_error");
      assert.equal(error.message, "Invalid namespace");
      const socket = await connected(t, server, options);
      const [reason] = await Promise.all([once(socket, "disconnect"), socket.emit("kick", true)]);
      assert.equal(reason[0], "io server disconnect");
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
}

test("B140 a client with the other parser is disconnected", async (t) => {
  const socket = client(t, server, { transports: ["websocket"], reconnection: false });
  await once(socket.io, "close");
  assert.equal(socket.connected, false);
});

test("another parser than msgpack is not known", async () => {
  const { status, stderr } = await runToExit("echo", ["--listen", "127.0.0.1:0", "--parser", "cbor"]);
  assert.notEqual(status, 0);
  assert.match(stderr, /cbor/);
});
