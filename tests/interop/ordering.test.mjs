// The order of messages across the change of transport, with the WebSocket path slower than polling.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, eventsOf, TRANSPORTS } from "./support/clients.mjs";
import { exchangeAcrossUpgrade } from "./support/ordering.mjs";
import { slowWebSocketProxy } from "./support/proxy.mjs";
import { sharedServer } from "./support/server.mjs";
import { once, sleep, until } from "./support/wait.mjs";

// On a busy machine hundreds of clients in one process take long for their upgrades.
const server = sharedServer("echo", ["--upgrade-timeout", "120000"]);

test("B67 5,000 messages each way on the direct path", async (t) => {
  await exchangeAcrossUpgrade(t, server, { count: 5000 });
});

test("B67 5,000 messages each way with the WebSocket path 60 ms slower", async (t) => {
  const { origin } = await slowWebSocketProxy(t, server, 60);
  const atUpgrade = await exchangeAcrossUpgrade(t, server, { count: 5000, origin });
  assert.ok(atUpgrade.sent > 0, "messages were on their way when the transport changed");
  assert.ok(atUpgrade.received > 0 && atUpgrade.received < 10_000, `${atUpgrade.received} had arrived by then`);
});

test("B67 200 clients at once, 200 messages each way, with the WebSocket path 60 ms slower", async (t) => {
  const { origin } = await slowWebSocketProxy(t, server, 60);
  const clients = Array.from({ length: 200 }, () => exchangeAcrossUpgrade(t, server, { count: 200, before: 50, portion: 10, origin }));
  const upgrades = await Promise.all(clients);
  const busy = upgrades.filter(({ sent, received }) => received < 2 * sent);
  assert.ok(busy.length > 0, "messages were on their way when transports changed");
});

test("B67 binary too, 500 each way", async (t) => {
  const { origin } = await slowWebSocketProxy(t, server, 30);
  const socket = client(t, server, { ...TRANSPORTS["polling, then upgrade"], origin });
  await once(socket, "connect");
  for (let i = 0; i < 500; i++) {
    socket.emit("echo", i, { bytes: Buffer.of(i & 255, i >> 8) }, Buffer.from("x"));
    if (i % 10 === 0) await sleep(1);
  }
  await until(() => eventsOf(socket, "echo").length === 500, "all messages", 30_000);
  const expected = Array.from({ length: 500 }, (_, i) => [i, { bytes: Buffer.of(i & 255, i >> 8) }, Buffer.from("x")]);
  assert.deepEqual(eventsOf(socket, "echo"), expected);
  assert.equal(socket.io.engine.transport.name, "websocket");
});
