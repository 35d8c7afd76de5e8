// A standard output and a log that are closed, full or stuck: the program serves, and ends when it is asked to.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { DEAF, deafOutput, portOf } from "../interop/support/output.mjs";
import { serves, startWith } from "./faults.mjs";
import { api, programFile, startProgram, temporaryFolder, watcher, within } from "./support.mjs";

test("a log that nobody reads does not hold up the loop", async (t) => {
  // The pipe is never read: it takes 64 KiB, and the log is more than that.
  const program = await startWith(t, "", { stdio: ["ignore", "pipe", "pipe"], flags: ["--log", "debug"] });
  for (let i = 0; i < 300; i++) await fetch(`${program.origin}/healthz/${"x".repeat(1_000)}`).then((answer) => answer.text());
  await serves(program, "unread-log");
});

test("a closed standard output and a closed log change nothing", async (t) => {
  const program = await startWith(t, "", { stdio: ["ignore", "pipe", "pipe"], flags: ["--log", "debug"] });
  program.child.stdout.destroy();
  program.child.stderr.destroy();
  await serves(program, "closed-log");
});

for (const kind of DEAF) {
  test(`the program serves and ends where standard output and the log are ${kind}`, async (t) => {
    const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", temporaryFolder(), "--log", "debug"];
    const child = spawn(...deafOutput(t, kind, programFile(), args));
    const exit = new Promise((resolve) => child.once("exit", (status, signal) => resolve({ status, signal })));
    t.after(() => child.kill("SIGKILL"));
    const port = await portOf(child.pid);
    const origin = `http://127.0.0.1:${port}`;
    const program = { origin, port, path: "/socket.io/", call: (...request) => api(origin, ...request) };
    const socket = await watcher(t, program);
    for (let i = 0; i < 100; i++) await fetch(`${origin}/healthz/${"x".repeat(1_000)}`).then((answer) => answer.text());
    await serves(program, "deaf");
    assert.ok(socket.connected);
    socket.disconnect();
    child.kill("SIGTERM");
    assert.deepEqual(await within(exit, "end of the program", 30_000), { status: 0, signal: null });
  });

  test(`a program that cannot start says so by its exit status where its output is ${kind}`, async (t) => {
    const dataDir = temporaryFolder();
    await startProgram(t, { dataDir });
    const child = spawn(...deafOutput(t, kind, programFile(), ["serve", "--listen", "127.0.0.1:0", "--data-dir", dataDir]));
    t.after(() => child.kill("SIGKILL"));
    assert.equal(await within(new Promise((resolve) => child.once("exit", resolve)), "end of the program", 30_000), 1);
  });
}
