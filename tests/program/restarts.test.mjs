// What was acknowledged is still there after the program was killed and started again.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertError, command, nessusCsv, manyRows, programFile, startProgram, temporaryFolder, until, upload, watcher } from "./support.mjs";
import { bearer, startWithTokens, TOKENS } from "./tokens.mjs";

/** How often the program is killed; more by `make acceptance`. */
const ROUNDS = Number(process.env.KILL_ROUNDS ?? 200);
const SESSIONS = 50;
const WORKERS = 8;
/** Sessions that are created with a key in each round; so many are kept of one caller, and the upload has one too. */
const KEYED = 60;
/** Progress that was acknowledged this long before the end may be missing. */
const LOSABLE_MS = 200;
/** What has ended is remembered for five minutes. A slow machine may come back to it later than that. */
const REMEMBERED_MS = 240_000;

/** Numbers from 0 to 1 that are the same for the same seed. */
function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const idOf = (number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

/** One request; `null` where the program was killed before it had answered. */
function request(program, agent, method, target, body, more = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = { ...(text !== undefined && { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) }), ...more };
  return new Promise((resolve) => {
    const gone = () => resolve(null);
    const sent = http.request({ port: program.port, host: "127.0.0.1", method, path: target, headers, agent }, (answer) => {
      let received = "";
      answer.setEncoding("utf8").on("data", (data) => (received += data));
      answer.once("end", () => (answer.complete ? resolve({ status: answer.statusCode, body: received && JSON.parse(received), at: performance.now() }) : gone()));
      answer.once("error", gone).once("close", gone);
    });
    sent.once("error", gone).once("close", gone);
    sent.end(text);
  });
}

/** What is known of the session in a place: what was acknowledged, and what was asked for and not answered. */
class Known {
  constructor(id) {
    this.id = id;
    this.seq = 0;
    this.clear();
  }

  clear() {
    this.state = "none";
    /** States that the session may be in because a request was not answered. */
    this.maybe = new Set();
    /** Progress that was acknowledged, and when. */
    this.told = [];
    this.result = null;
    this.isImport = false;
    /** Since when its state is what it is, at the latest. */
    this.since = performance.now();
  }

  saw(session) {
    assert.ok(session.seq >= this.seq, `${this.id}: seq ${session.seq} after ${this.seq}`);
    this.seq = session.seq;
  }

  /** Does one thing to the session. */
  async step(program, agent, random, mayCancel) {
    const at = `/api/sessions/${this.id}`;
    const call = async (method, target, body) => {
      const answer = await request(program, agent, method, target, body);
      return answer?.status === 429 ? "later" : answer;
    };
    if (this.state === "none") {
      const answer = await call("POST", "/api/sessions", { sessionId: this.id, metadata: { made: this.seq } });
      if (answer === "later") return;
      if (answer === null) return void this.maybe.add("processing");
      assert.equal(answer.status, 201, JSON.stringify(answer.body));
      this.state = "processing";
      this.saw(answer.body.session);
      return;
    }
    if (this.state !== "processing") {
      if (this.state === "cancelled") return;
      const answer = await call("DELETE", at);
      if (answer === null) return void this.maybe.add("none");
      assert.equal(answer.status, 204);
      return this.clear();
    }
    const choice = random();
    if (choice < 0.7) {
      const progress = Math.min(1, (this.told.at(-1)?.progress ?? 0) + random() / 50);
      const answer = await call("POST", `${at}/progress`, { progress });
      if (answer === null || answer === "later") return;
      assert.equal(answer.status, 202, JSON.stringify(answer.body));
      this.told.push({ progress: answer.body.session.progress, at: answer.at });
      this.saw(answer.body.session);
      return;
    }
    const [verb, body, state] =
      choice < 0.85
        ? ["complete", { result: { round: this.seq } }, "completed"]
        : choice < 0.95 || !mayCancel()
          ? ["error", { error: { code: "BROKEN", message: `after ${this.seq}` } }, "error"]
          : ["cancel", {}, "cancelled"];
    const answer = await call("POST", `${at}/${verb}`, body);
    if (answer === "later") return;
    if (answer === null) return void this.maybe.add(state);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    this.state = state;
    this.since = performance.now();
    this.result = answer.body.session.result ?? answer.body.session.error ?? null;
    this.saw(answer.body.session);
  }

  /** Looks at the session after a restart, and takes over what it finds. */
  check(answer, killedAt) {
    const found = answer.status === 404 ? "none" : answer.status === 410 ? "cancelled" : answer.body.session.status;
    const allowed = [this.state, ...this.maybe];
    const hasEnded = this.state !== "none" && this.state !== "processing";
    const sinceMs = performance.now() - this.since;
    if (hasEnded && sinceMs > REMEMBERED_MS) allowed.push("none");
    assert.ok(allowed.includes(found), `${this.id} is ${found}, but ${allowed.join(" or ")} was acknowledged ${Math.round(sinceMs)} ms ago`);
    const session = answer.body?.session;
    if (session) {
      assert.ok(session.seq > this.seq, `${this.id}: seq ${session.seq} after ${this.seq}`);
      this.seq = session.seq;
    }
    if (found === "processing") {
      const safe = this.told.filter(({ at }) => at <= killedAt - LOSABLE_MS).map(({ progress }) => progress);
      const least = Math.max(0, ...safe);
      assert.ok(session.progress >= least, `${this.id}: ${session.progress} is less than ${least}`);
      this.told = [{ progress: session.progress, at: 0 }];
    } else if (session && found === this.state) {
      assert.deepEqual(session.result ?? session.error ?? null, this.result, this.id);
    } else if (session) {
      this.result = session.result ?? session.error ?? null;
    }
    if (found === "none") this.clear();
    if (found !== this.state) this.since = performance.now();
    this.state = found;
    this.maybe.clear();
  }
}

const importWithKey = (program, file) =>
  upload(program, file.csv, { filename: file.name, query: "?wait=true", headers: { "Idempotency-Key": file.key } });

/** Uploads a file, and notes what was answered; null where the program was killed before. */
async function importOnce(program, file, isKilled) {
  // Node's fetch may wait for ever for an answer whose connection has ended.
  const lost = isKilled.then(() => sleep(2_000, null));
  file.answer = await Promise.race([importWithKey(program, file).catch(() => null), lost]);
}

/** Creates sessions with keys until the program is killed; an answer that did not come is null. */
async function createWithKeys(program, agent, round, made, isOver) {
  while (!isOver() && made.length < KEYED) {
    const body = { metadata: { keyed: `${round}-${made.length}` } };
    const create = { key: randomUUID(), body };
    const answer = await request(program, agent, "POST", "/api/sessions", body, { "Idempotency-Key": create.key });
    if (answer?.status === 429) continue;
    create.answer = answer;
    made.push(create);
    if (answer) assert.equal(answer.status, 201, JSON.stringify(answer.body));
  }
}

/** Asks once more for all that was created with keys: it is there once, under the id that was told. */
async function checkKeys(program, made) {
  const check = async (create) => {
    const { key, body, answer } = create;
    const again = await until(async () => {
      const repeated = await program.call("POST", "/api/sessions", body, { "Idempotency-Key": key });
      return repeated.status !== 429 && repeated;
    }, "leave to create");
    assert.equal(again.status, 201, JSON.stringify(again.body));
    if (answer) {
      assert.equal(again.body.sessionId, answer.body.sessionId);
      assert.equal(again.headers.get("idempotent-replayed"), "true");
    }
    create.sessionId = again.body.sessionId;
  };
  await Promise.all(made.map(check));
  const { sessions } = (await program.call("GET", "/api/sessions?limit=1000")).body;
  const there = sessions.filter(({ metadata }) => metadata.keyed);
  assert.deepEqual(there.map(({ id }) => id).sort(), made.map(({ sessionId }) => sessionId).sort());
  const forget = async ({ sessionId }) => {
    await program.call("POST", `/api/sessions/${sessionId}/complete`);
    assert.equal((await program.call("DELETE", `/api/sessions/${sessionId}`)).status, 204);
  };
  await Promise.all(made.map(forget));
}

function assertWhole(folder) {
  const check = "import sqlite3, sys\nfor f in sys.argv[1:]:\n c = sqlite3.connect(f)\n print(c.execute('PRAGMA integrity_check').fetchone()[0])";
  const files = ["sessions.db", "pulsewheel.sqlite"].map((name) => path.join(folder, name));
  const said = execFileSync("python3", ["-c", check, ...files]).toString().trim().split("\n");
  assert.deepEqual(said, ["ok", "ok"]);
}

test(`killed ${ROUNDS} times: nothing that was acknowledged is missing`, { timeout: ROUNDS * 20_000 + 60_000 }, async (t) => {
  const seed = Number(process.env.KILL_SEED ?? Date.now() % 2 ** 32);
  t.diagnostic(`KILL_SEED=${seed}`);
  const random = randomOf(seed);
  const folder = temporaryFolder();
  const sessions = Array.from({ length: SESSIONS }, (_, number) => new Known(idOf(number + 1)));
  const files = [];
  let acknowledged = 0;
  let program = await startProgram(t, { dataDir: folder });
  for (let round = 0; round < ROUNDS; round += 1) {
    const agent = new http.Agent({ keepAlive: true });
    let isOver = false;
    let cancels = 0;
    // Cancelled sessions hold their places for five minutes.
    const mayCancel = () => (cancels += 1) === 1;
    const work = async (worker) => {
      while (!isOver) {
        const known = sessions[worker + WORKERS * Math.floor(random() * Math.ceil(SESSIONS / WORKERS))];
        // One whose last request was not answered is known again after the restart.
        if (known && known.maybe.size === 0) {
          await known.step(program, agent, random, mayCancel);
          acknowledged += 1;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const made = [];
    const file = { key: randomUUID(), name: `round-${round}.csv`, csv: nessusCsv(manyRows(`host-${round}`, 20 + Math.floor(random() * 400))) };
    files.push(file);
    const creating = createWithKeys(program, agent, round, made, () => isOver);
    let tellKilled;
    const isKilled = new Promise((resolve) => (tellKilled = resolve));
    const jobs = [importOnce(program, file, isKilled), creating, ...Array.from({ length: WORKERS }, (_, worker) => work(worker))];
    await new Promise((resolve) => setTimeout(resolve, 50 + random() * 400));
    const killedAt = performance.now();
    const killed = program.end("SIGKILL");
    isOver = true;
    assert.equal((await killed).signal, "SIGKILL");
    tellKilled();
    await Promise.all(jobs);
    agent.destroy();

    assertWhole(folder);
    const next = await startProgram(t, { dataDir: folder });
    for (const known of sessions) known.check(await next.call("GET", `/api/sessions/${known.id}`), killedAt);
    // The newest imports: of a thousand the page ends before the last, by their length.
    const { items: imports, total } = (await next.call("GET", "/api/imports?limit=1000")).body;
    const listed = (await next.call("GET", "/api/sessions?limit=1000")).body.sessions;
    for (const { filename, status, sessionId } of imports) {
      assert.notEqual(status, "running", filename);
      const session = listed.find(({ id }) => id === sessionId);
      if (status === "interrupted" && session) assert.deepEqual([session.status, session.error.code], ["error", "INTERRUPTED"], filename);
      if (status === "completed" && session) assert.equal(session.status, "completed", filename);
    }
    if (file.answer?.status === 200) {
      assert.equal(imports.find(({ filename }) => filename === file.name)?.status, "completed", file.name);
      assert.deepEqual((await importWithKey(next, file)).body, file.answer.body);
      assert.equal((await next.call("GET", "/api/imports?limit=1")).body.total, total);
    }
    const hosts = await next.call("GET", `/api/vulnerabilities?host=host-${round}&limit=1`);
    const isCompleted = imports.some(({ filename, status }) => filename === file.name && status === "completed");
    assert.equal(hosts.body.total > 0, isCompleted, "an import is there whole or not at all");
    assert.ok(listed.every(({ status, metadata }) => status !== "processing" || metadata.filename === undefined), "no import goes on");
    for (const { id, status, metadata } of listed) {
      if (metadata.filename !== undefined && status !== "processing") await next.call("DELETE", `/api/sessions/${id}`);
    }
    await checkKeys(next, made);
    // Cancelled ones are remembered under their ids; others take their places.
    sessions.forEach((known, place) => {
      if (known.state === "cancelled") sessions[place] = new Known(idOf(1000 + round * SESSIONS + place));
    });
    program = next;
  }
  t.diagnostic(`${acknowledged} requests were made`);
  assert.ok(acknowledged > ROUNDS, "the program was at work when it was killed");
});

test("tokens of sessions hold after a restart, and their clients come in again", async (t) => {
  const program = await startWithTokens(t);
  const made = await program.call("POST", "/api/sessions", { audience: "owner" }, bearer(TOKENS.producer));
  const { sessionId, ownerToken } = made.body;
  const at = `/api/sessions/${sessionId}`;
  const kept = (await program.call("POST", `${at}/share`, {}, bearer(ownerToken))).body;
  const back = (await program.call("POST", `${at}/share`, {}, bearer(ownerToken))).body;
  assert.equal((await program.call("DELETE", `${at}/share/${back.shareId}`, undefined, bearer(ownerToken))).status, 204);
  await program.end("SIGKILL");

  const next = await startWithTokens(t, { dataDir: program.folder });
  assert.equal((await next.call("GET", at, undefined, bearer(kept.token))).status, 200);
  assertError(await next.call("GET", at, undefined, bearer(back.token)), 401, "AUTH_REQUIRED");
  assertError(await next.call("GET", at, undefined, bearer(TOKENS.viewer)), 404, "SESSION_NOT_FOUND");
  assert.equal((await next.call("POST", `${at}/progress`, { progress: 0.5 }, bearer(ownerToken))).status, 202);
  assert.equal((await next.call("POST", `${at}/complete`, {}, bearer(ownerToken))).status, 200);
});

test("a cancellation by a client is there after a kill", async (t) => {
  const program = await startProgram(t);
  const socket = await watcher(t, program);
  const { sessionId } = (await program.call("POST", "/api/sessions", {})).body;
  const { ok } = await command(socket, "cancel_session", { sessionId });
  assert.equal(ok, true);
  socket.disconnect();
  await program.end("SIGKILL");
  const next = await startProgram(t, { dataDir: program.folder });
  assertError(await next.call("GET", `/api/sessions/${sessionId}`), 410, "SESSION_CANCELLED");
});

test("where the journal can't be written, nothing is begun and nobody is told that it was", async (t) => {
  // Each file may grow to so much; the journal reaches that first.
  const program = await startProgram(t, { fileKib: 256 });
  const made = [];
  const refused = await until(async () => {
    const answer = await program.call("POST", "/api/sessions", { metadata: { text: "x".repeat(8_000) } });
    if (answer.status === 201) made.push(answer.body.sessionId);
    return answer.status === 201 ? undefined : answer;
  }, "a refusal");
  assertError(refused, 503, "SERVER_OVERLOAD");
  assert.ok(refused.headers.get("retry-after"));
  assert.ok(made.length > 3);
  assert.equal((await program.call("GET", "/healthz")).status, 200);
  await program.end("SIGKILL");
  const next = await startProgram(t, { dataDir: program.folder });
  for (const id of made) assert.equal((await next.call("GET", `/api/sessions/${id}`)).status, 200);
  assert.equal((await next.call("POST", "/api/sessions", {})).status, 201);
});

test("an end is on the disk before it is acknowledged", async (t) => {
  const folder = temporaryFolder();
  const trace = path.join(folder, "trace");
  if (spawnSync("strace", ["-o", trace, "true"]).status !== 0) return t.skip("strace can't be used here");
  const syscalls = "trace=fsync,fdatasync,read,recvfrom,write,writev,sendto,sendmsg";
  const args = ["-f", "-s", "400", "-e", syscalls, "-o", trace, programFile(), "serve", "--listen", "127.0.0.1:0", "--data-dir", path.join(folder, "data")];
  const child = spawn("strace", args, { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  await until(() => stdout.includes("\n"), "first line");
  const origin = /^listening on (\S+)/.exec(stdout)[1];
  const call = (target, body) =>
    fetch(origin + target, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const ids = [];
  for (let count = 0; count < 5; count += 1) {
    const { sessionId } = await (await call("/api/sessions", {})).json();
    assert.equal((await call(`/api/sessions/${sessionId}/complete`, {})).status, 200);
    ids.push(sessionId);
  }
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  // The signal ends strace; the program goes with it or is ended by hand.
  const serving = Number(/^(\d+) /.exec(fs.readFileSync(trace, "utf8"))[1]);
  try {
    process.kill(serving, "SIGKILL");
  } catch {
    // It has gone.
  }
  await exit;
  const lines = fs.readFileSync(trace, "utf8").split("\n");
  for (const id of ids) {
    const asked = lines.findIndex((line) => line.includes(`POST /api/sessions/${id}/complete`));
    const answered = lines.findIndex((line, at) => at > asked && line.includes("HTTP/1.1 200 OK") && !line.includes("resumed"));
    assert.ok(asked >= 0 && answered > asked, id);
    const between = lines.slice(asked, answered);
    assert.ok(between.some((line) => /f(data)?sync\(.*\) += 0|f(data)?sync resumed.*\) += 0/.test(line)), between.join("\n"));
  }
});
