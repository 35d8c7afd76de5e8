// A server that the operating system holds for a while, as a laptop's lid or a busy host does: pongs that lie in the kernel
// by then have come in time.
import { Helper } from "../support/beside.mjs";
import { stateOf } from "../support/proc.mjs";
import { sleep, until } from "../../interop/support/wait.mjs";

const module = import.meta.url;
const CLIENTS = 1_000;
const PING_INTERVAL_MS = 2_000;
const PING_TIMEOUT_MS = 1_000;
const HELD_MS = 1_300;
/** The text frame "2" of a server. */
const PING = Buffer.from([0x81, 1, 0x32]);
const TITLE = `${CLIENTS} pongs that lie in the kernel while the server is held for ${HELD_MS} ms`;

const hold = async (target) => {
  process.kill(target.pid, "SIGSTOP");
  await until(() => stateOf(target.pid) === "T", "stop of the server");
};

export const attacks = [
  {
    name: TITLE,
    title: TITLE,
    server: "echo",
    flags: ["--ping-interval", `${PING_INTERVAL_MS}`, "--ping-timeout", `${PING_TIMEOUT_MS}`],
    bounds: { inKernel: { min: CLIENTS / 2 }, dropped: { max: 0 } },

    async measure(t, target) {
      const clients = new Helper(t, "./attacker.mjs");
      await clients.ask("prepare", "ready", { module, name: TITLE, server: { port: target.port, path: target.path } });
      clients.send("go");
      try {
        // Held for a whole interval, the server owes everybody a ping afterwards and sends them all together.
        await hold(target);
        await sleep(PING_INTERVAL_MS + 100);
        await clients.ask("withhold", "withholding");
        process.kill(target.pid, "SIGCONT");
        // Not longer than half of the timeout, since those who were pinged first wait for their pong to be seen.
        const pinged = async () => (await clients.ask("count", "counted")).held === CLIENTS;
        await until(pinged, "all pings", PING_TIMEOUT_MS / 2).catch(() => {});
        await hold(target);
        const { held } = await clients.ask("release", "released");
        await sleep(HELD_MS);
        process.kill(target.pid, "SIGCONT");
        // Every client is pinged twice more, and has to be there still.
        await clients.ask("watch", "watched");
        const { closed } = await clients.ask("count", "counted");
        return { inKernel: held, dropped: closed };
      } finally {
        process.kill(target.pid, "SIGCONT");
        clients.child.kill("SIGKILL");
      }
    },

    async prepare(crew) {
      this.sockets = await crew.joined(CLIENTS);
    },

    /** Answers pings by itself, but for a while when it is told to keep its pongs back. */
    async run(crew) {
      const { text } = await import("../support/frames.mjs");
      const pong = text("3");
      let isWithholding = false;
      const held = new Set();
      const pings = new Map();
      for (const socket of this.sockets) {
        socket.on("data", (bytes) => {
          if (!bytes.includes(PING)) return;
          pings.set(socket, (pings.get(socket) ?? 0) + 1);
          if (isWithholding) held.add(socket);
          else socket.write(pong);
        });
      }
      const answer = (event) => process.send({ event, held: held.size, closed: crew.figures().closed });
      process.on("message", async ({ command }) => {
        if (command === "count") return answer("counted");
        if (command === "withhold") {
          isWithholding = true;
          return answer("withholding");
        }
        if (command === "release") {
          isWithholding = false;
          for (const socket of held) socket.write(pong);
          return answer("released");
        }
        if (command === "watch") {
          pings.clear();
          const isServed = (socket) => socket.destroyed || pings.get(socket) >= 2;
          await until(() => this.sockets.every(isServed), "two more pings for every client", 30_000);
          return answer("watched");
        }
      });
      await crew.untilStopped();
    },
  },
];
