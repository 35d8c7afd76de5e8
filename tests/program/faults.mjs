// What the tests of faults around the program share.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { findings, manyRows, nessusCsv, programFile, temporaryFolder, until, upload, within } from "./support.mjs";

/** Imports 20 findings of a host, and gives the answer when that has ended. */
export const importAndWait = (program, host) => upload(program, nessusCsv(manyRows(host, 20)), { query: "?wait=true" });

/** An import goes well, and all findings are there. */
export async function serves(program, host) {
  const { status, body } = await importAndWait(program, host);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal((await findings(program, host)).total, 20);
  assert.equal((await program.call("GET", `/api/imports/${body.importId}`)).body.import.status, "completed");
}

/** Starts a command that is not on every machine. Gives the reason to skip where it is not, or may not do it. */
export function missing(command, ...args) {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return null;
  } catch {
    return `${command} is not on this machine, or may not do this`;
  }
}

/** As `startProgram`, with a shell's words before the program, and files of the test's own for its output. */
export async function startWith(t, before, { stdio = ["ignore", "pipe", "inherit"], flags = [], env = {}, dataDir = temporaryFolder() } = {}) {
  const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", dataDir, ...flags];
  const child = spawn("bash", ["-c", `${before} exec "$0" "$@"`, programFile(), ...args], { stdio, env: { ...process.env, ...env } });
  const exit = new Promise((resolve) => child.once("exit", (status, signal) => resolve({ status, signal })));
  t.after(async () => {
    child.kill("SIGTERM");
    assert.deepEqual(await within(exit, "end of the program").finally(() => child.kill("SIGKILL")), { status: 0, signal: null });
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  const [, origin, port] = await until(() => /^listening on (http:\S+:(\d+))\n/.exec(stdout), "first line");
  const call = async (method, target) => {
    const answer = await fetch(origin + target, { method });
    return { status: answer.status, body: await answer.json() };
  };
  return { child, origin, port: Number(port), path: "/socket.io/", pid: child.pid, call };
}

/**
 * Has the kernel fail or delay system calls of a running program, by `strace`: `fault` is what its option `inject` takes, such as
 * `fdatasync:error=EIO`. Gives a function that ends it. Only where `cannotInject` gives no reason to skip.
 */
export async function inject(t, program, fault) {
  const calls = fault.slice(0, fault.indexOf(":"));
  const args = ["-f", "-q", "-o", "/dev/null", "-e", `trace=${calls}`, "-e", `inject=${fault}`, "-p", String(program.pid)];
  const child = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (complaint += text));
  const exit = new Promise((resolve) => child.once("exit", resolve));
  const end = async (signal = "SIGTERM") => {
    child.kill(signal);
    await within(exit, "end of strace");
  };
  t.after(() => end());
  const threads = () => fs.readdirSync(`/proc/${program.pid}/task`);
  const isTraced = (thread) => !/^TracerPid:\t0$/m.test(fs.readFileSync(`/proc/${program.pid}/task/${thread}/status`, "utf8"));
  const isAttached = () => {
    try {
      return threads().every(isTraced);
    } catch {
      // A thread has ended meanwhile.
      return false;
    }
  };
  await until(() => isAttached() || child.exitCode !== null, "strace at work");
  assert.equal(child.exitCode, null, complaint);
  return end;
}

/** The reason to skip a test with `inject`, if there is one. */
export const cannotInject = () => missing("strace", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO", "true");
