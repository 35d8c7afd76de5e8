// Connections that break at any moment: clients come back, and the server keeps nothing of those that went.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, TRANSPORTS } from "../interop/support/clients.mjs";
import { slowWebSocketProxy } from "../interop/support/proxy.mjs";
import { ownServer } from "../interop/support/server.mjs";
import { sleep, until } from "../interop/support/wait.mjs";
import { chance, HEARTBEAT, memoryMiB, SECONDS } from "./support.mjs";

const CLIENTS = 100;

test(`${CLIENTS} clients talk while their connections break`, async (t) => {
  const random = chance(t);
  const server = await ownServer(t, "echo", HEARTBEAT);
  const proxies = await Promise.all(Array.from({ length: 10 }, () => slowWebSocketProxy(t, server, 5)));
  const ways = Object.values(TRANSPORTS);
  const sockets = Array.from({ length: CLIENTS }, (_, i) =>
    client(t, server, { ...ways[i % ways.length], origin: proxies[i % proxies.length].origin }),
  );
  const isUp = () => sockets.every((socket) => socket.connected);
  await until(isUp, "all clients", 60_000);
  let losses = 0;
  for (const socket of sockets) socket.on("disconnect", () => losses++);

  const end = performance.now() + SECONDS * 1000;
  let before = null;
  for (let round = 0; performance.now() < end; round++) {
    for (const socket of sockets) {
      if (random() < 0.5) socket.emit("message", round, "x".repeat(random() * 2000));
      if (random() < 0.1) socket.emit("join", `room ${Math.floor(random() * 50)}`);
      if (random() < 0.1) socket.emit("to-room", `room ${Math.floor(random() * 50)}`, round);
      socket.log.length = 0;
    }
    for (const proxy of proxies) if (random() < 0.05) proxy.cut();
    await sleep(random() * 50);
    if (round === 50) before = memoryMiB(server.pid);
  }

  assert.ok(losses > 0, "connections broke");
  await until(isUp, "all clients again", 60_000);
  // Some may have yet to notice that their connection broke.
  const answer = (socket) => socket.timeout(2000).emitWithAck("message-with-ack", socket.id).catch(() => null);
  const isServed = async (socket) => socket.connected && (await answer(socket)) === socket.id;
  await Promise.all(sockets.map((socket) => until(() => isServed(socket), "answer", 60_000)));
  const after = memoryMiB(server.pid);
  t.diagnostic(`${losses} connections were lost; memory ${before} MiB, then ${after} MiB`);
  if (before !== null) assert.ok(after - before < 64, `memory went from ${before} to ${after} MiB`);
});
