// The program as a process: command line, first line, signals, exit status.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { programFile, runProgram, startProgram, temporaryFolder, watcher } from "./support.mjs";

for (const signal of ["SIGTERM", "SIGINT"]) {
  test(`${signal} ends the program with status 0, clients or not`, async (t) => {
    const program = await startProgram(t);
    await watcher(t, program, { transports: ["websocket"], reconnection: false });
    await watcher(t, program, { transports: ["polling"], reconnection: false });
    assert.deepEqual(await program.end(signal), { status: 0, signal: null });
  });
}

test("a command line that makes no sense ends with status 2 and says why", async () => {
  for (const args of [["serve", "--no-such-flag"], ["no-such-command"], ["serve", "--listen"], ["serve", "--listen", "not an address"]]) {
    const { status, stderr } = await runProgram(args);
    assert.equal(status, 2, `${args}: ${stderr}`);
    assert.notEqual(stderr.trim(), "");
  }
});

test("a taken port ends the program with status 1 and one clear line", async (t) => {
  const program = await startProgram(t);
  const folder = temporaryFolder();
  const { status, stderr } = await runProgram(["serve", "--listen", `127.0.0.1:${program.port}`, "--data-dir", folder]);
  assert.equal(status, 1);
  assert.equal(stderr.trim().split("\n").length, 1, stderr);
  assert.match(stderr, new RegExp(String(program.port)));
});

test("a data folder that cannot be one ends the program with status 1 and one clear line", async (t) => {
  const file = path.join(temporaryFolder(), "file");
  await fs.writeFile(file, "in the way");
  const { status, stderr } = await runProgram(["serve", "--listen", "127.0.0.1:0", "--data-dir", file]);
  assert.equal(status, 1);
  assert.equal(stderr.trim().split("\n").length, 1, stderr);
});

test("several addresses may be listened on, named or numbered", async (t) => {
  const program = await startProgram(t, { flags: ["--listen", "localhost:0"] });
  assert.equal((await program.call("GET", "/healthz")).status, 200);
});

test("the environment stands in for a flag, and the flag wins", async (t) => {
  const folder = temporaryFolder();
  const child = spawn(programFile(), ["serve", "--data-dir", folder], {
    env: { ...process.env, PULSEWHEEL_LISTEN: "127.0.0.1:0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const line = await new Promise((resolve) => child.stdout.setEncoding("utf8").once("data", resolve));
  assert.match(line, /^listening on http:\/\/127\.0\.0\.1:\d+\n/);
  assert.doesNotMatch(line, /:8988\b/);
});

test("after SIGKILL a new one listens on the same port at once and knows the same findings", async (t) => {
  const folder = temporaryFolder();
  const first = await startProgram(t, { dataDir: folder });
  await watcher(t, first, { transports: ["websocket"], reconnection: false });
  await first.end("SIGKILL");
  const second = await startProgram(t, { dataDir: folder, listen: `127.0.0.1:${first.port}` });
  assert.equal(second.port, first.port);
  assert.equal((await second.call("GET", "/api/vulnerabilities")).status, 200);
});
