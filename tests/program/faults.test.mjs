// Faults around the program. After each it serves, its history is right, and nothing acknowledged is lost.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { RawConnection } from "../interop/support/http.mjs";
import { importAndWait, missing, serves, startWith } from "./faults.mjs";
import { findings, runProgram, startProgram, temporaryFolder, until, wallClock, watcher, within } from "./support.mjs";

test("a database that another process has locked is waited for, and the loop goes on", async (t) => {
  const skip = missing("python3", "-c", "import sqlite3");
  if (skip) return t.skip(skip);
  const program = await startProgram(t);
  const script = `import sqlite3, sys
lock = sqlite3.connect(sys.argv[1], isolation_level=None)
lock.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()`;
  const locker = spawn("python3", ["-c", script, path.join(program.folder, "pulsewheel.sqlite")], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => locker.kill("SIGKILL"));
  await within(new Promise((resolve) => locker.stdout.once("data", resolve)), "the lock");
  const imported = importAndWait(program, "locked");
  const made = await program.call("POST", "/api/sessions", {});
  assert.equal(made.status, 201);
  await until(async () => {
    const { sessions } = (await program.call("GET", "/api/sessions")).body;
    return sessions.some(({ metadata }) => metadata.filename === "scan.csv");
  }, "the import");
  assert.equal((await findings(program, "locked")).total, 0);
  locker.stdin.end();
  assert.equal((await imported).status, 200);
  assert.equal((await findings(program, "locked")).total, 20);
});

test("a data directory that can only be read fails imports, and lets what is there be read", async (t) => {
  const disk = temporaryFolder();
  const skip = missing("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk);
  if (skip) return t.skip(skip);
  t.after(() => execFileSync("umount", ["--lazy", disk]));
  const dataDir = path.join(disk, "data");
  const program = await startProgram(t, { dataDir });
  await serves(program, "before");
  const limit = (bytes) => execFileSync("prlimit", ["--pid", String(program.pid), `--fsize=${bytes}:unlimited`]);
  // A disk with a file that is open for writing cannot be made read-only; that no file may grow comes to the same.
  limit(0);
  const { status, body } = await importAndWait(program, "meanwhile");
  // Refused where it is known by now that nothing can be written.
  assert.ok(["422 STORAGE_ERROR", "503 SERVER_OVERLOAD"].includes(`${status} ${body.error.code}`), JSON.stringify(body));
  assert.equal((await findings(program, "before")).total, 20);
  const { items } = (await program.call("GET", "/api/imports")).body;
  assert.deepEqual(items.filter(({ status }) => !["completed", "error"].includes(status)), []);
  limit("unlimited");
  await until(async () => (await program.call("POST", "/api/sessions", {})).status === 201, "sessions to be kept again");
  await serves(program, "afterwards");
  await program.end("SIGTERM");
  execFileSync("mount", ["-o", "remount,ro", disk]);
  const refused = await runProgram(["serve", "--listen", "127.0.0.1:0", "--data-dir", dataDir]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /^pulsewheel: .*ead-only.*\n$/);
  execFileSync("mount", ["-o", "remount,rw", disk]);
  const again = await startProgram(t, { dataDir });
  assert.equal((await findings(again, "afterwards")).total, 20);
});

test("stacks of 256 KiB are enough, also for input that is nested as deep as it may be", async (t) => {
  const program = await startWith(t, "ulimit -s 256 &&");
  await serves(program, "small-stack");
  for (const depth of [8, 70, 5_000]) {
    const metadata = `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
    const answer = await fetch(`${program.origin}/api/sessions`, { method: "POST", headers: { "Content-Type": "application/json" }, body: `{"metadata":${metadata}}` });
    assert.ok([201, 400].includes(answer.status), String(answer.status));
  }
  assert.equal((await program.call("GET", "/healthz")).status, 200);
});

test("signals that interrupt the program's system calls change nothing", async (t) => {
  const tokens = path.join(temporaryFolder(), "tokens");
  const token = "0123456789abcdef0123456789abcdef";
  fs.writeFileSync(tokens, `admin ${token} ada\n`);
  const program = await startProgram(t, { flags: ["--token-file", tokens] });
  let goesOn = true;
  const storm = (async () => {
    while (goesOn) {
      process.kill(program.pid, "SIGHUP");
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (let i = 0; i < 200; i++) {
    const made = await program.call("POST", "/api/sessions", {}, { Authorization: `Bearer ${token}` });
    assert.equal(made.status, 201);
  }
  goesOn = false;
  await storm;
});

test("connections that are reset in all states harm nobody", async (t) => {
  const program = await startProgram(t);
  const socket = await watcher(t, program, { transports: ["websocket"] });
  const beginnings = [
    "",
    "GET /api/sessions HTTP/1.1\r\n",
    "GET /api/sessions HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20),
    "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  ];
  for (let i = 0; i < 500; i++) {
    const peer = net.connect({ port: program.port, host: "127.0.0.1" });
    peer.on("error", () => {});
    await new Promise((resolve) => peer.once("connect", resolve).once("close", resolve));
    peer.write(beginnings[i % beginnings.length]);
    peer.resetAndDestroy();
  }
  await serves(program, "after-resets");
  assert.ok(socket.connected);
  const connections = () => fs.readdirSync(`/proc/${program.pid}/fd`).length;
  await until(() => connections() < 60, "the descriptors to be back");
});

test("peers that have stopped, with much waiting for them, hold up nobody", async (t) => {
  const program = await startProgram(t);
  const deaf = [];
  for (let i = 0; i < 20; i++) {
    const connection = await RawConnection.open(program.port);
    connection.socket.pause();
    connection.write("GET /api/vulnerabilities?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50));
    deaf.push(connection);
  }
  t.after(() => deaf.forEach((connection) => connection.destroy()));
  await serves(program, "beside-the-deaf");
});

test("a clock that jumps ends no session and lets no number fall", async (t) => {
  const clock = wallClock();
  if (!clock) return t.skip("libfaketime is not on this machine");
  const { set, env } = clock;
  const program = await startWith(t, "", { env });
  const post = async (target, body = {}) => {
    const answer = await fetch(program.origin + target, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
  };
  const { sessionId, session } = (await post("/api/sessions")).body;
  let last = session.seq;
  for (const [index, offset] of ["+1d", "-1d", "-3y", "+0"].entries()) {
    set(offset);
    const { status, body } = await post(`/api/sessions/${sessionId}/progress`, { progress: (index + 1) / 10 });
    assert.equal(status, 202, JSON.stringify(body));
    assert.ok(body.session.seq > last, `${body.session.seq} after ${last} at ${offset}`);
    last = body.session.seq;
  }
  assert.equal((await post(`/api/sessions/${sessionId}/complete`)).status, 200);
});
