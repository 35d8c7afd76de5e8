// The official Engine.IO client against the Engine.IO server that stands on its own.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Socket } from "engine.io-client";
import { BASE64_TRANSPORTS, TRANSPORTS } from "./support/clients.mjs";
import { sharedServer } from "./support/server.mjs";
import { once, sleep, until } from "./support/wait.mjs";

const server = sharedServer("engine_echo");
const lively = sharedServer("engine_echo", ["--ping-interval", "200", "--ping-timeout", "200"]);

async function opened(t, on, options) {
  const socket = new Socket(on.origin, { ...options, path: "/engine.io/" });
  socket.log = [];
  socket.on("message", (message) => socket.log.push(message));
  t.after(() => socket.close());
  await once(socket, "open");
  if (options.transports.length === 2) await until(() => socket.transport.name === "websocket", "upgrade");
  return socket;
}

for (const [way, options] of Object.entries({ ...TRANSPORTS, ...BASE64_TRANSPORTS })) {
  describe(`engine.io-client over ${way}`, () => {
    test("text and binary come back in order, and nothing comes unasked", async (t) => {
      const socket = await opened(t, server, options);
      await sleep(50);
      assert.deepEqual(socket.log, []);
      const sent = [];
      for (let i = 0; i < 200; i++) sent.push(i % 4 === 0 ? Buffer.from([i, 0, 255]) : `text ${i} ü 🚀`);
      for (const message of sent) socket.send(message);
      await until(() => socket.log.length === sent.length, "all messages");
      assert.deepEqual(socket.log, sent);
    });

    test("B74 the heartbeat keeps the connection for many intervals", async (t) => {
      const socket = await opened(t, lively, options);
      let pings = 0;
      socket.on("ping", () => pings++);
      let closed = null;
      socket.on("close", (reason) => (closed = reason));
      await until(() => pings >= 5 || closed, "five pings");
      assert.equal(closed, null);
      socket.send("alive");
      await until(() => socket.log.includes("alive"), "echo");
    });

    test("a client that closes is gone for good", async (t) => {
      const socket = await opened(t, server, options);
      const { id } = socket;
      socket.send("last");
      await until(() => socket.log.length === 1, "echo");
      const closed = once(socket, "close");
      socket.close();
      assert.equal((await closed)[0], "forced close");
      await until(async () => {
        const answer = await fetch(`${server.origin}/engine.io/?EIO=4&transport=polling&sid=${id}`, { method: "POST", body: "6" });
        return answer.status === 400;
      }, "end of the session");
    });
  });
}
