// The order of messages across the change of transport, again and again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { exchangeAcrossUpgrade } from "../interop/support/ordering.mjs";
import { slowWebSocketProxy } from "../interop/support/proxy.mjs";
import { sharedServer } from "../interop/support/server.mjs";

// On a busy machine hundreds of clients in one process take long for their upgrades.
const server = sharedServer("echo", ["--upgrade-timeout", "120000"]);

for (const delayMs of [0, 5, 10, 20, 40, 60, 80, 100, 150, 250]) {
  test(`5,000 messages each way with the WebSocket path ${delayMs} ms slower`, async (t) => {
    const { origin } = await slowWebSocketProxy(t, server, delayMs);
    await exchangeAcrossUpgrade(t, server, { count: 5000, origin });
  });

  test(`200 clients at once, 200 messages each way, with the WebSocket path ${delayMs} ms slower`, async (t) => {
    const { origin } = await slowWebSocketProxy(t, server, delayMs);
    const exchange = () => exchangeAcrossUpgrade(t, server, { count: 200, before: 50, portion: 10, origin });
    const upgrades = await Promise.all(Array.from({ length: 200 }, exchange));
    const busy = upgrades.filter(({ sent, received }) => received < 2 * sent);
    t.diagnostic(`${busy.length} of 200 had messages on their way when the transport changed`);
    assert.ok(busy.length > 0);
  });
}
