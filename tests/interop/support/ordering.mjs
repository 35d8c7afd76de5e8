// Messages in both directions while a client changes its transport: none may be lost, doubled or swapped.
import assert from "node:assert/strict";
import { client, eventsOf, TRANSPORTS } from "./clients.mjs";
import { sleep, until } from "./wait.mjs";

/**
 * Has a new client send `count` echoes and ask for `count` flood messages in portions, so that both run while it changes
 * from polling to WebSocket, and asserts that everything comes exactly once and in order. At most `before` of it is sent until
 * the upgrade is through. Gives how much had been sent and received at that moment.
 */
export async function exchangeAcrossUpgrade(t, server, { count, before = count / 2, portion = 50, limitMs = 120_000, ...options }) {
  const socket = client(t, server, { ...TRANSPORTS["polling, then upgrade"], timeout: limitMs, ...options });
  // Counted as they come: with many clients, looking through all logs again and again would take all the time.
  let received = 0;
  for (const event of ["echo", "flood-message"]) socket.on(event, () => received++);
  let sent = 0;
  let atUpgrade = null;
  let failure = null;
  socket.io.once("open", () => {
    socket.io.engine.once("upgrade", () => (atUpgrade = { sent, received }));
    socket.io.engine.once("upgradeError", (error) => (failure = error));
  });
  await until(() => socket.connected, "connection", limitMs);
  socket.on("disconnect", (reason) => (failure = reason));
  while (sent < count) {
    for (let i = 0; i < portion; i++) socket.emit("echo", sent++);
    socket.emit("flood", portion, sent - portion);
    if (sent >= before) await until(() => atUpgrade || failure, "upgrade", limitMs);
    else await sleep(1);
    assert.equal(failure, null);
  }
  await until(() => received >= 2 * count || failure, `all ${2 * count} messages`, limitMs);
  assert.equal(failure, null);
  const numbers = Array.from({ length: count }, (_, number) => [number]);
  assert.deepEqual(eventsOf(socket, "echo"), numbers);
  assert.deepEqual(eventsOf(socket, "flood-message"), numbers);
  assert.equal(socket.io.engine.transport.name, "websocket");
  return atUpgrade;
}
