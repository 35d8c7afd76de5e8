// Many messages, many clients, and the change of transport in the middle of it.
import assert from "node:assert/strict";
import net from "node:net";
import { describe, test } from "node:test";
import { ack, client, connected, eventsOf, TRANSPORTS } from "./support/clients.mjs";
import { sharedServer } from "./support/server.mjs";
import { once, sleep, until, within } from "./support/wait.mjs";

const server = sharedServer("echo");
const COUNT = 5000;

/** A TCP proxy in front of the server that holds back every byte of WebSocket connections for `delayMs`. */
async function slowWebSocketProxy(t, delayMs) {
  const sockets = new Set();
  const proxy = net.createServer((near) => {
    const far = net.connect({ port: server.port, host: "127.0.0.1", noDelay: true });
    near.setNoDelay(true);
    let delay = null;
    const pass = (from, to) => {
      from.on("data", (chunk) => {
        delay ??= /^upgrade: websocket/im.test(chunk.toString("latin1")) ? delayMs : 0;
        // Timers of the same length fire in the order they were set.
        if (delay === 0) to.write(chunk);
        else setTimeout(() => to.writable && to.write(chunk), delay);
      });
      from.on("error", () => {});
      from.on("close", () => setTimeout(() => to.destroy(), delay ?? 0));
    };
    pass(near, far);
    pass(far, near);
    for (const socket of [near, far]) sockets.add(socket);
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    proxy.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${proxy.address().port}`;
}

/**
 * Sends `COUNT` echoes and asks for `COUNT` flood messages in portions, so that both run while the client changes
 * its transport, and asserts that everything comes exactly once and in order.
 */
async function exchangeAcrossUpgrade(t, options) {
  const socket = client(t, server, { ...TRANSPORTS["polling, then upgrade"], ...options });
  let sent = 0;
  let atUpgrade = null;
  const received = () => eventsOf(socket, "echo").length + eventsOf(socket, "flood-message").length;
  socket.io.once("open", () => socket.io.engine.once("upgrade", () => (atUpgrade = { sent, received: received() })));
  await once(socket, "connect");
  while (sent < COUNT) {
    for (let i = 0; i < 50; i++) socket.emit("echo", sent++);
    socket.emit("flood", 50, sent - 50);
    // What is left over is sent once the upgrade is through.
    if (sent >= COUNT / 2) await until(() => atUpgrade, "upgrade", 30_000);
    else await sleep(1);
  }
  await until(() => received() >= 2 * COUNT, "all messages", 40_000);
  const numbers = Array.from({ length: COUNT }, (_, i) => [i]);
  assert.deepEqual(eventsOf(socket, "echo"), numbers);
  assert.deepEqual(eventsOf(socket, "flood-message"), numbers);
  assert.equal(socket.io.engine.transport.name, "websocket");
  return atUpgrade;
}

describe("5,000 messages in each direction across an upgrade: none lost, none swapped, none doubled", () => {
  test("on the direct way", async (t) => {
    await exchangeAcrossUpgrade(t, {});
  });

  test("with the WebSocket path 60 ms slower than polling", async (t) => {
    const atUpgrade = await exchangeAcrossUpgrade(t, { origin: await slowWebSocketProxy(t, 60) });
    assert.ok(atUpgrade.sent > 0, "messages were on their way when the transport changed");
    assert.ok(atUpgrade.received > 0 && atUpgrade.received < 2 * COUNT, `${atUpgrade.received} had arrived by then`);
  });

  test("binary too, 500 each way", async (t) => {
    const origin = await slowWebSocketProxy(t, 30);
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
});

for (const [way, options] of Object.entries(TRANSPORTS)) {
  test(`5,000 echoes and 5,000 flood messages at once, over ${way}`, async (t) => {
    const socket = await connected(t, server, options);
    socket.emit("flood", COUNT);
    for (let i = 0; i < COUNT; i++) socket.emit("echo", i);
    await until(() => socket.log.length >= 2 * COUNT, "all messages", 40_000);
    const numbers = Array.from({ length: COUNT }, (_, i) => [i]);
    assert.deepEqual(eventsOf(socket, "echo"), numbers);
    assert.deepEqual(eventsOf(socket, "flood-message"), numbers);
  });
}

test("two hundred clients at once: all connect, all are served, all may go", async (t) => {
  const ways = ["WebSocket only", "WebSocket only", "polling only", "polling, then upgrade"];
  const sockets = Array.from({ length: 200 }, (_, i) => client(t, server, { ...TRANSPORTS[ways[i % 4]], auth: { i } }, "/custom"));
  await Promise.all(sockets.map((socket) => within(new Promise((resolve) => socket.once("connect", resolve)), "connection", 30_000)));
  assert.equal(new Set(sockets.map((socket) => socket.id)).size, 200);
  const answers = await Promise.all(sockets.map((socket, i) => ack(socket, "message-with-ack", i, Buffer.of(i))));
  answers.forEach((answer, i) => assert.deepEqual(answer, [i, Buffer.of(i)]));
  sockets.forEach((socket, i) => assert.deepEqual(eventsOf(socket, "auth"), [[{ i }]]));
  await Promise.all(sockets.map((socket, i) => ack(socket, "join", `group ${i % 10}`)));
  sockets[0].emit("tick-all", 3, 10);
  sockets[1].emit("to-room", "group 5", "hello five");
  await until(
    () => sockets.every((socket, i) => eventsOf(socket, "tick").length === 3 && eventsOf(socket, "room-message").length === (i % 10 === 5 ? 1 : 0)),
    "ticks and room messages everywhere",
    30_000,
  );
  sockets.forEach((socket) => socket.disconnect());
  const late = await connected(t, server, {}, "/custom");
  assert.deepEqual(await ack(late, "message-with-ack", "still there"), ["still there"]);
});
