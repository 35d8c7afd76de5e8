// Many messages and many clients.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ack, client, connected, eventsOf, TRANSPORTS } from "./support/clients.mjs";
import { sharedServer } from "./support/server.mjs";
import { until, within } from "./support/wait.mjs";

const server = sharedServer("echo");
const COUNT = 5000;

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
