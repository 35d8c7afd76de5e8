// Ends of connections, and the end of the server, that somebody else tries to put off.
import net from "node:net";
import { RawConnection } from "../../interop/support/http.mjs";
import { sleep, until } from "../../interop/support/wait.mjs";
import { startTarget } from "../support/beside.mjs";
import { Crew } from "../support/crew.mjs";
import { text } from "../support/frames.mjs";
import { stateOf } from "../support/proc.mjs";

const MIB = 1024 ** 2;
/** What the kernel holds on its way, on both sides together, and what the server reads in order not to destroy its answer. */
const TAKEN_MIB = 12;
const OFFERED_MIB = 64;
/** More than the server hears of in one turn. */
const CLIENTS = 120;
const UNACCEPTED = 32;
const ROUNDS = 4;

/** Sends on and on after its request has been refused. */
const linger = {
  name: "a sender that goes on after an error answer",
  title: "a sender that goes on after an error answer",
  server: "echo",
  bounds: { takenMib: { max: TAKEN_MIB } },

  async measure(t, target) {
    const connection = await RawConnection.open(target.port);
    t.after(() => connection.destroy());
    const { socket } = connection;
    connection.write("GET / HTTP/1.1\r\nHost: a\r\nno field\r\n\r\n");
    const { status } = await connection.response();
    if (status !== 400) throw new Error(`answered ${status}`);
    const piece = Buffer.alloc(64 * 1024, "x");
    while (!connection.ended && !socket.destroyed && socket.bytesWritten < OFFERED_MIB * MIB) {
      await new Promise((resolve) => {
        // Called with an error where the connection has gone.
        socket.write(piece, resolve);
      });
    }
    // The kernel has taken what is not in Node's own queue any more.
    return { takenMib: (socket.bytesWritten - socket.writableLength) / MIB };
  },
};

/** Connections that the server has accepted, but has not heard of as writable, when it is told to end. */
const shutdown = {
  name: "connections accepted just before the end",
  title: "connections accepted just before the end",
  bounds: { endedLate: { max: 0 } },

  async measure(t) {
    let endedLate = 0;
    for (let round = 0; round < ROUNDS; round++) endedLate += await endsLate(t, round);
    return { endedLate };
  },
};

/** Whether the server takes its time to end when it is told so `delay` fifths of a millisecond after new connections. */
async function endsLate(t, delay) {
  const target = await startTarget(t, "echo");
  const clients = await new Crew(target).joined(CLIENTS);
  process.kill(target.pid, "SIGSTOP");
  await until(() => stateOf(target.pid) === "T", "stop of the server");
  // The first turn takes a part of these and accepts the others, whose readiness comes behind all the rest.
  for (const socket of clients) socket.write(text(`421["message-with-ack",1]`));
  const fresh = Array.from({ length: UNACCEPTED }, () => net.connect({ port: target.port, host: "127.0.0.1" }).on("error", () => {}));
  t.after(() => [...clients, ...fresh].forEach((socket) => socket.destroy()));
  await until(() => fresh.every((socket) => !socket.connecting), "connections");
  process.kill(target.pid, "SIGCONT");
  for (const end = performance.now() + delay / 5; performance.now() < end; );
  process.kill(target.pid, "SIGTERM");
  // The server gives up on what cannot be sent after five seconds. Here is nothing to be sent.
  for (let waited = 0; isRunning(target.pid) && waited < 3_500; waited += 20) await sleep(20);
  return isRunning(target.pid);
}

function isRunning(pid) {
  try {
    return stateOf(pid) !== "Z";
  } catch {
    return false;
  }
}

export const attacks = [linger, shutdown];
