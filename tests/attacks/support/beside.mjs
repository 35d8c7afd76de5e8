// Runs an attack beside a healthy client, each in a process of its own, and counts what the server makes of it.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startServer } from "../../interop/support/server.mjs";
import { sleep, until, within } from "../../interop/support/wait.mjs";
import { startProgram } from "../../program/support.mjs";
import { cpuSeconds, forgetPeak, peakMib, residentMib } from "./proc.mjs";

/** A small event with an acknowledgement, which costs the server nothing to speak of. */
const EVENTS = {
  echo: `["message-with-ack",1]`,
  program: `["untrack_session","00000000-0000-4000-8000-000000000000"]`,
};
const LIMIT_MS = 60_000;

/** A server for one attack, or for several; ends with the test. */
export async function startTarget(t, kind, flags = []) {
  if (kind === "program") return { ...(await startProgram(t, { flags: ["--log", "error", ...flags] })), kind };
  const server = await startServer(kind, flags);
  t.after(() => server.stop());
  return { ...server, kind };
}

/** A helper process, and a way to wait for what it says. */
export class Helper {
  #heard = [];
  #wake = () => {};

  constructor(t, file, { priority = false } = {}) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const options = priority ? { execPath: "chrt", execArgv: ["--fifo", "10", process.execPath] } : {};
    this.child = fork(path, [], options);
    this.child.on("message", (message) => {
      this.#heard.push(message);
      this.#wake();
    });
    this.child.once("exit", () => this.#wake());
    t.after(() => this.child.kill("SIGKILL"));
  }

  send(command, details = {}) {
    this.child.send({ command, ...details });
  }

  has(event) {
    return this.#heard.some((message) => message.event === event);
  }

  /** The oldest message of this name, which is then forgotten. */
  async hears(event, limitMs = LIMIT_MS) {
    const wait = async () => {
      for (;;) {
        const index = this.#heard.findIndex((message) => message.event === event);
        if (index >= 0) return this.#heard.splice(index, 1)[0];
        if (this.child.exitCode !== null) throw new Error(`the helper ended before it said "${event}"`);
        await new Promise((resolve) => (this.#wake = resolve));
      }
    };
    return within(wait(), `"${event}" of a helper`, limitMs);
  }

  async ask(command, answer, details) {
    this.send(command, details);
    return this.hears(answer);
  }
}

/**
 * Runs the attack `name` of a module beside a healthy client. It goes on until that client has got `answers` answers and
 * `seconds` have passed, and to the attack's own end if it `ends`; `limitSeconds` at the most.
 */
export async function beside(t, target, { module, name, ends }, { answers = 0, seconds = 1, limitSeconds = 20, priority = false }) {
  const plain = { port: target.port, path: target.path, pid: target.pid, sessions: target.sessions };
  const attacker = new Helper(t, "./attacker.mjs");
  const healthy = new Helper(t, "./healthy.mjs", { priority });
  await attacker.ask("prepare", "ready", { module, name, server: plain });
  await healthy.ask("begin", "settled", { server: plain, event: EVENTS[target.kind] });
  await healthy.ask("forget", "forgotten");
  forgetPeak(target.pid);
  const before = { memory: residentMib(target.pid), cpu: cpuSeconds(target.pid), at: performance.now() };
  attacker.send("go");
  const elapsed = () => (performance.now() - before.at) / 1000;
  const isOver = ({ answers: got, isDropped }) =>
    isDropped || elapsed() > limitSeconds || (got >= answers && elapsed() >= seconds && (!ends || attacker.has("done")));
  do await sleep(50);
  while (!isOver(await healthy.ask("progress", "progress")));
  const { figures: seen } = await healthy.ask("figures", "figures");
  const figures = {
    ...seen,
    seconds: elapsed(),
    cpuSeconds: cpuSeconds(target.pid) - before.cpu,
    growthMib: peakMib(target.pid) - before.memory,
  };
  attacker.send("stop");
  const { figures: sent } = await attacker.hears("done");
  attacker.child.kill("SIGKILL");
  healthy.child.kill("SIGKILL");
  await until(() => attacker.child.signalCode && healthy.child.signalCode, "end of the helpers");
  return { ...figures, ...sent };
}
