// The program as a process: command line, first line, signals, exit status.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { RawConnection } from "../interop/support/http.mjs";
import { findings, manyRows, nessusCsv, programFile, runProgram, slowUpload, startProgram, temporaryFolder, until, watcher, within } from "./support.mjs";

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

test("a memory budget that is too small ends with status 2 and names the least", async () => {
  const { status, stdout, stderr } = await runProgram(["serve", "--memory-budget", "23MiB", "--data-dir", temporaryFolder()]);
  assert.deepEqual([status, stdout.length], [2, 0]);
  assert.match(stderr, /^pulsewheel: --memory-budget has to be 24 MiB at least, not 23\.0 MiB\n$/);
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

test("a bare port is one of this machine, and the place is told once", async (t) => {
  const child = spawn(programFile(), ["serve", "--listen", "0", "--data-dir", temporaryFolder()], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const ended = new Promise((resolve) => child.once("close", resolve));
  await until(() => /listening on .+\n/.test(output) && /memory: .+\n/.test(output), "first lines");
  assert.match(output, /^listening on http:\/\/127\.0\.0\.1:\d+$/m);
  child.kill("SIGTERM");
  assert.equal(await within(ended, "end of the program"), 0);
  assert.equal(output.match(/listening on/g).length, 1, output);
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

/** One request over a Unix socket: the status, or the code of the error. */
const unixStatus = (socketPath, path) =>
  new Promise((resolve) => {
    const request = http.get({ socketPath, path, headers: { Host: "localhost" } }, (response) => resolve(response.resume().statusCode));
    request.on("error", (error) => resolve(error.code));
  });

test("a Unix socket is listened on beside an address, and its file goes at the end", async (t) => {
  const file = path.join(temporaryFolder(), "socket");
  const program = await startProgram(t, { flags: ["--listen", `unix:${file}`] });
  assert.equal(await unixStatus(file, "/healthz"), 200);
  assert.equal(await unixStatus(file, "/socket.io/?EIO=4&transport=polling"), 200);
  assert.equal((await program.call("GET", "/healthz")).status, 200);
  assert.deepEqual(await program.end("SIGTERM"), { status: 0, signal: null });
  await assert.rejects(fs.stat(file), { code: "ENOENT" });
});

test("a socket that a killed program has left is replaced, and one that is in use is not", async (t) => {
  const file = path.join(temporaryFolder(), "socket");
  const flags = ["--listen", `unix:${file}`];
  const first = await startProgram(t, { flags });
  await first.end("SIGKILL");
  assert.equal(await unixStatus(file, "/healthz"), "ECONNREFUSED");
  await startProgram(t, { flags });
  assert.equal(await unixStatus(file, "/healthz"), 200);
  const { status, stderr } = await runProgram(["serve", ...flags, "--data-dir", temporaryFolder()]);
  assert.equal(status, 1);
  assert.equal(stderr, `pulsewheel: cannot listen on unix:${file}: Address already in use (os error 98)\n`);
  assert.equal(await unixStatus(file, "/healthz"), 200);
});

/** A program whose stdout goes to `stdout`; `line` waits for a match in its log. */
function startLogged(t, stdout) {
  const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", temporaryFolder()];
  const child = spawn(programFile(), args, { stdio: ["ignore", stdout, "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const ended = new Promise((resolve) => child.once("exit", (status, signal) => resolve({ status, signal })));
  const line = (pattern) => until(() => pattern.exec(log), `${pattern} in the log`);
  return { child, line, ended: () => within(ended, "end of the program") };
}

test("a second signal ends the program at once with 128 and its number", async (t) => {
  const { child, line, ended } = startLogged(t, "ignore");
  const [, origin, port] = await line(/ at (http:\S+:(\d+)) /);
  // Answers of more megabytes than the kernel holds, which nobody reads: the program would wait for that for a while.
  const body = JSON.stringify({ metadata: { filler: "x".repeat(16_000) } });
  for (let i = 0; i < 20; i++) {
    await fetch(`${origin}/api/sessions`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  }
  const deaf = await RawConnection.open(Number(port));
  t.after(() => deaf.destroy());
  deaf.socket.pause();
  deaf.write("GET /api/sessions HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100));
  // Requests behind each other are answered over several turns, so as many turns have to pass until the kernel is full.
  for (let turn = 0; turn < 200; turn++) await fetch(`${origin}/healthz`);
  child.kill("SIGTERM");
  await line(/asked to end/);
  assert.equal(child.exitCode, null);
  child.kill("SIGINT");
  assert.deepEqual(await ended(), { status: 130, signal: null });
});

test("a stdout that takes nothing is no reason to fail", async (t) => {
  const full = await fs.open("/dev/full", "w").catch(() => null);
  if (!full) return t.skip("no /dev/full on this machine");
  t.after(() => full.close());
  const { child, line, ended } = startLogged(t, full.fd);
  const [, origin] = await line(/ at (http:\S+) /);
  assert.equal((await fetch(`${origin}/healthz`)).status, 200);
  child.kill("SIGTERM");
  assert.deepEqual(await ended(), { status: 0, signal: null });
});

test("those who watch an import hear that the program ends, and nothing of it is kept", async (t) => {
  const dataDir = temporaryFolder();
  const program = await startProgram(t, { dataDir });
  const socket = await watcher(t, program, { transports: ["websocket"], reconnection: false });
  const csv = nessusCsv(manyRows("shutdown-host", 500));
  const slow = slowUpload(program, { csvBytes: csv.length, filename: "shutdown.csv" });
  slow.request.on("error", () => {});
  await slow.write(csv.slice(0, csv.length / 2));
  await until(() => socket.log.some(([name]) => name === "session_created"), "session_created");
  assert.deepEqual(await program.end("SIGTERM"), { status: 0, signal: null });
  const [, payload] = socket.log.find(([name]) => name === "import_cancelled");
  assert.deepEqual([payload.reason, payload.cleanup_performed], ["server_shutdown", true]);
  const again = await startProgram(t, { dataDir });
  assert.equal((await findings(again, "shutdown-host")).total, 0);
  assert.equal((await again.call("GET", "/api/imports")).body.items[0].status, "cancelled");
});

test("--licenses names what the program is made of", async () => {
  const { status, stdout } = await runProgram(["--licenses"]);
  const text = stdout.toString();
  assert.equal(status, 0);
  for (const name of ["mio", "serde_json", "rusqlite", "tungstenite"]) assert.match(text, new RegExp(`^${name} \\d`, "m"));
  assert.match(text, /Permission is hereby granted, free of charge/);
});

test("numbers of changes rise over restarts, orderly and killed, also where the clock was ahead before", async (t) => {
  const dataDir = temporaryFolder();
  const sessionId = "6f0c2a52-0c0e-4c51-8a5e-2b9a3f7d1c14";
  const seqs = [];
  for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL", "SIGTERM"]) {
    const program = await startProgram(t, { dataDir });
    const made = await program.call("POST", "/api/sessions", { sessionId });
    const updated = await program.call("POST", `/api/sessions/${sessionId}/progress`, { progress: 0.5 });
    const ended = await program.call("POST", `/api/sessions/${sessionId}/complete`);
    seqs.push(made.body.session.seq, updated.body.session.seq, ended.body.session.seq);
    // The id is free again.
    assert.equal((await program.call("DELETE", `/api/sessions/${sessionId}`)).status, 204);
    await program.end(signal);
  }
  // As if the clock had shown tomorrow.
  const tomorrow = Date.now() + 86_400_000;
  await fs.writeFile(path.join(dataDir, "seq"), `${tomorrow}\n`);
  const program = await startProgram(t, { dataDir });
  const made = await program.call("POST", "/api/sessions", { sessionId });
  seqs.push(made.body.session.seq);
  assert.ok(made.body.session.seq > tomorrow);
  seqs.forEach((seq, index) => assert.ok(Number.isInteger(seq) && (index === 0 || seq > seqs[index - 1]), `${seqs}`));
});
