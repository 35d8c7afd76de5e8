// Two thousand clients that come and go together.
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "../interop/support/packets.mjs";
import { ownServer } from "../interop/support/server.mjs";
import { RawWebSocket } from "../interop/support/websocket.mjs";
import { chance, inBatches, memoryMiB } from "./support.mjs";

const CLIENTS = 2000;
const WAVES = 8;

test(`${WAVES} waves of ${CLIENTS} clients connect, hear one another and go`, async (t) => {
  const random = chance(t);
  const server = await ownServer(t, "echo");
  const indices = Array.from({ length: CLIENTS }, (_, i) => i);
  const memory = [];
  for (let wave = 0; wave < WAVES; wave++) {
    const sockets = [];
    await inBatches(indices, 200, async (i) => {
      sockets[i] = await RawWebSocket.session(server);
      await join(sockets[i]);
    });
    sockets[0].send(`42["broadcast","wave",${wave}]`);
    await inBatches(sockets, 500, async (socket) => assert.equal(await socket.text(), `42["broadcast","wave",${wave}]`));
    memory.push(memoryMiB(server.pid));
    // Some say goodbye by a packet, some by a frame, some break off, some reset the connection.
    await inBatches(sockets, 500, async (socket) => {
      const way = random();
      if (way < 0.25) socket.send("41");
      if (way < 0.5) {
        socket.sendFrame({ opcode: 8 });
        await socket.closed();
      } else if (way < 0.75) socket.destroy();
      else socket.connection.socket.resetAndDestroy();
    });
  }
  t.diagnostic(`memory by wave, in MiB: ${memory.map((each) => each?.toFixed(1)).join(", ")}`);
  if (memory[0] !== null) assert.ok(memory.at(-1) - memory[1] < 16, `memory by wave: ${memory}`);
});
