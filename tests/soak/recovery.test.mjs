// Connection state recovery while the network flaps: every event reaches every client once and in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ack, client, connected, eventsOf, settled, TRANSPORTS } from "../interop/support/clients.mjs";
import { slowWebSocketProxy } from "../interop/support/proxy.mjs";
import { ownServer } from "../interop/support/server.mjs";
import { sleep, until } from "../interop/support/wait.mjs";
import { chance, HEARTBEAT, SECONDS } from "./support.mjs";

const CLIENTS = 30;

test(`${CLIENTS} clients on a flapping network miss nothing`, async (t) => {
  const random = chance(t);
  const server = await ownServer(t, "echo", ["--recovery", ...HEARTBEAT]);
  const proxies = await Promise.all(Array.from({ length: 6 }, () => slowWebSocketProxy(t, server, 3)));
  const ways = Object.values(TRANSPORTS);
  const sockets = Array.from({ length: CLIENTS }, (_, i) =>
    client(t, server, { ...ways[i % ways.length], origin: proxies[i % proxies.length].origin }),
  );
  await until(() => sockets.every((socket) => socket.connected), "all clients", 30_000);
  const ids = sockets.map((socket) => socket.id);
  await Promise.all(sockets.map((socket, i) => ack(socket, "join", `group ${i % 3}`)));
  let returns = 0;
  const anew = [];
  sockets.forEach((socket, i) => {
    socket.on("connect", () => {
      returns++;
      if (!socket.recovered) anew.push(i);
    });
    // What came before a CONNECT that never came is still in this client's buffer, and comes again with the next one.
    socket.io.on("close", () => (socket.receiveBuffer.length = 0));
  });

  const sender = await connected(t, server, { transports: ["websocket"] });
  const end = performance.now() + SECONDS * 1000;
  let sent = 0;
  // What a client may have missed is bounded, so nobody is left too far behind.
  const isNear = (socket) => socket.log.length > sent - 1500;
  while (performance.now() < end) {
    await until(() => sockets.every(isNear), "clients that keep up", 60_000);
    for (let i = 0; i < random() * 8; i++) {
      sender.emit("broadcast", sent);
      sender.emit("to-room", `group ${sent % 3}`, sent);
      sent++;
    }
    for (const proxy of proxies) if (random() < 0.02) proxy.cut();
    await sleep(random() * 40);
  }

  await settled(sender);
  const isDone = (socket) => eventsOf(socket, "broadcast").at(-1)?.[0] === sent - 1;
  await until(() => sockets.every((socket) => socket.connected && isDone(socket)), "the last event everywhere", 60_000);
  assert.ok(returns > 0, "connections broke");
  assert.deepEqual(anew, [], "every return was a recovery");
  assert.deepEqual(sockets.map((socket) => socket.id), ids);
  const numbers = Array.from({ length: sent }, (_, number) => number);
  sockets.forEach((socket, i) => {
    const [all, group] = ["broadcast", "room-message"].map((name) => eventsOf(socket, name).map(([number]) => number));
    assert.deepEqual(all, numbers);
    assert.deepEqual(group, numbers.filter((number) => number % 3 === i % 3));
  });
  t.diagnostic(`${sent} events, ${returns} returns`);
});
