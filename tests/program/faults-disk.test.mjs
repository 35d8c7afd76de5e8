// A disk that takes its time: only those wait who have to know that something is written.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cannotInject, inject } from "./faults.mjs";
import { startProgram, temporaryFolder, until, watcher, within } from "./support.mjs";

const SYNCS = "fdatasync,fsync";

const alertsOf = (socket) => socket.log.filter(([name]) => name === "system_alert").map(([, { message }]) => message);

test("while a sync of the disk hangs the loop goes on, what has to last is answered afterwards, and people are told", async (t) => {
  const skip = cannotInject();
  if (skip) return t.skip(skip);
  const program = await startProgram(t);
  const socket = await watcher(t, program);
  const { sessionId: atWork } = (await program.call("POST", "/api/sessions", {})).body;
  const recover = await inject(t, program, `${SYNCS}:delay_enter=5000000`);
  let answered = null;
  const created = program.call("POST", "/api/sessions", {}).then((answer) => (answered = answer));
  await until(() => socket.log.filter(([name]) => name === "session_created").length === 2, "the session to be there");
  for (let i = 1; i <= 50; i++) {
    assert.equal((await program.call("POST", `/api/sessions/${atWork}/progress`, { progress: i / 100 })).status, 202);
    assert.equal((await program.call("GET", "/healthz")).status, 200);
  }
  await until(() => socket.session(atWork).some(([name, { progress }]) => name === "import_progress" && progress === 0.5), "the newest progress");
  assert.equal(answered, null, "it is not on the disk yet");
  await until(() => alertsOf(socket).some((message) => /disk is slow/.test(message)), "the alert", 30_000);
  assert.equal((await within(created, "the answer", 60_000)).status, 201);
  await recover();
  await program.logged(/alert: .*disk is slow/);
  assert.equal((await program.call("POST", "/api/sessions", {})).status, 201);
  await program.logged(/well again: storage/);
  assert.equal(alertsOf(socket).filter((message) => /disk is slow/.test(message)).length, 1);
});

test("a disk that hangs does not keep the program from ending, and what was acknowledged is there", async (t) => {
  const skip = cannotInject();
  if (skip) return t.skip(skip);
  const dataDir = temporaryFolder();
  const program = await startProgram(t, { dataDir, flags: ["--grace", "1s"] });
  const { sessionId } = (await program.call("POST", "/api/sessions", {})).body;
  // Ten minutes: nobody waits that long here.
  const recover = await inject(t, program, `${SYNCS}:delay_enter=600000000`);
  const cut = program.call("POST", `/api/sessions/${sessionId}/complete`, {}).catch(() => "cut");
  await until(async () => (await program.call("GET", `/api/sessions/${sessionId}`)).body.session.status === "completed", "the end of the session");
  const ended = program.end("SIGTERM");
  await program.logged(/the disk does not take what is left/);
  // The tracer holds on to the thread that hangs, as a kernel would, and does not let go when it is asked to.
  await recover("SIGKILL");
  assert.deepEqual(await ended, { status: 1, signal: null });
  assert.equal(await cut, "cut");
  const next = await startProgram(t, { dataDir });
  assert.equal((await next.call("GET", `/api/sessions/${sessionId}`)).status, 200);
});
