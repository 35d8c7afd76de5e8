// Peers that want all there is of something: sessions, uploads, queries. Beside each of them somebody healthy is served, and
// when they have gone, what they took is back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { anonymousMib, descriptors } from "../attacks/support/proc.mjs";
import { RawConnection, requestBytes } from "../interop/support/http.mjs";
import { assertError, command, manyRows, nessusCsv, slowUpload, sleep, startProgram, until, watcher } from "./support.mjs";
import { TOKENS, bearer, enter, startWithTokens } from "./tokens.mjs";

/** What stays resident of an attack: pages that the allocator keeps for the next. */
const KEPT_MIB = 6;

/** What the program counts of what it holds at the time. */
const COUNTED = ["connections", "sessions", "sockets", "progress_sessions", "queued_bytes", "held_bytes", "memory_bytes"];

/** What a program holds; `isBack` waits until it holds no more than that, of what is counted `but` what lasts longer. */
async function holding(program) {
  const counts = async () => {
    const { status, body } = await asAdmin(program, "GET", "/api/stats");
    assert.equal(status, 200);
    return body.now;
  };
  const before = { descriptors: descriptors(program), mib: anonymousMib(program.pid), counts: await counts() };
  const more = async (but) => {
    const now = await counts();
    const grown = COUNTED.filter((name) => !but.includes(name) && now[name] > before.counts[name]);
    return grown.map((name) => `${name}: ${now[name]} of ${before.counts[name]}`);
  };
  const isBack = async ({ but = [] } = {}) => {
    await forgetSessions(program);
    await until(() => descriptors(program) <= before.descriptors, "descriptors", 60_000);
    let left;
    const isCounted = async () => (left = await more(but)).length === 0;
    await until(isCounted, "counts", 60_000).catch((error) => assert.fail(`${error.message}: ${left.join(", ")}`));
    const grown = anonymousMib(program.pid) - before.mib;
    assert.ok(grown < KEPT_MIB, `${grown} MiB more`);
  };
  return { isBack };
}

/** A request of somebody who may do everything, and waits where that is too much at a time. */
async function asAdmin(program, ...request) {
  for (;;) {
    const answer = await (program.as ? program.as(TOKENS.admin, ...request) : program.call(...request));
    if (answer.status !== 429) return answer;
    await sleep(20);
  }
}

/** Completes all progress sessions that there are, and has them forgotten. */
async function forgetSessions(program) {
  for (;;) {
    const { body } = await asAdmin(program, "GET", "/api/sessions?limit=200");
    if (body.sessions.length === 0) return;
    const forget = async ({ sessionId, status }) => {
      if (status === "processing") await asAdmin(program, "POST", `/api/sessions/${sessionId}/complete`, {});
      await asAdmin(program, "DELETE", `/api/sessions/${sessionId}`);
    };
    await Promise.all(body.sessions.map(forget));
  }
}

/** A client that asks something again and again, each time when it has the answer; `rest` gives how many it got. */
function asking(socket) {
  let answers = 0;
  let isOver = false;
  const ask = async () => {
    while (!isOver) {
      assert.equal((await command(socket, "list_sessions", { limit: 1 })).ok, true);
      answers += 1;
      // More than so many a second are refused.
      await sleep(5);
    }
  };
  const asked = ask();
  return async () => {
    isOver = true;
    await asked;
    assert.ok(socket.connected);
    return answers;
  };
}

test("handshakes without end keep nobody out, and those who have joined stay", async (t) => {
  const program = await startProgram(t, { flags: ["--memory-budget", "24MiB"] });
  const healthy = await watcher(t, program);
  const held = await holding(program);
  const rest = asking(healthy);
  const handshakes = Buffer.concat(Array(200).fill(requestBytes("GET", "/socket.io/?EIO=4&transport=polling")));
  const connections = await Promise.all(Array.from({ length: 20 }, () => RawConnection.open(program.port)));
  const counts = connections.map(({ socket }) => {
    const count = { answered: 0 };
    socket.removeAllListeners("data").on("data", (bytes) => (count.answered += bytes.toString("latin1").split("HTTP/1.1 200").length - 1));
    return count;
  });
  for (const connection of connections) connection.write(handshakes);
  // In the middle of it, and behind it: there are many more handshakes than sessions.
  for (const transports of [["polling"], ["websocket"]]) {
    const late = await watcher(t, program, { transports, forceNew: true });
    assert.equal((await command(late, "list_sessions")).ok, true);
    late.close();
  }
  const answered = () => counts.reduce((sum, count) => sum + count.answered, 0);
  await until(() => answered() === 4_000, "all handshakes", 60_000);
  for (const transports of [["polling"], ["websocket"]]) (await watcher(t, program, { transports, forceNew: true })).close();
  assert.ok((await rest()) > 0);
  for (const connection of connections) connection.destroy();
  // Sessions that join nothing, and what waits for them, last for more than a minute: tests/memory.rs has that pass.
  await held.isBack({ but: ["sessions", "queued_bytes", "memory_bytes"] });
});

test("pages of other sites open no sessions in the name of their visitors", async (t) => {
  const program = await startProgram(t, { flags: ["--insecure", "--allowed-origin", "https://app.example"] });
  const handshake = async (headers) => (await fetch(`${program.origin}/socket.io/?EIO=4&transport=polling`, { headers })).status;
  assert.equal(await handshake({ "Sec-Fetch-Site": "cross-site" }), 403);
  assert.equal(await handshake({ "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" }), 403);
  assert.equal(await handshake({ "Sec-Fetch-Site": "cross-site", Origin: "https://app.example" }), 200);
  assert.equal(await handshake({ "Sec-Fetch-Site": "same-origin" }), 200);
  assert.equal(await handshake({}), 200);
});

test("empty sessions without end leave places for others, and for imports", async (t) => {
  const program = await startWithTokens(t);
  const healthy = await enter(t, program, TOKENS.viewer);
  const kept = (await program.as(TOKENS.admin, "POST", "/api/sessions", {})).body.sessionId;
  assert.equal((await program.as(TOKENS.admin, "POST", `/api/sessions/${kept}/progress`, { progress: 0.1 })).status, 202);
  const held = await holding(program);
  const rest = asking(healthy);
  /** Creates so many, as fast as it may. */
  const flood = async (token, count) => {
    for (let created = 0; created < count; ) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => program.as(token, "POST", "/api/sessions", {})));
      for (const answer of answers.filter(({ status }) => status !== 201)) assertError(answer, 429, "RATE_LIMIT_EXCEEDED");
      created += answers.filter(({ status }) => status === 201).length;
    }
  };
  await Promise.all([flood(TOKENS.producer, 650), flood(TOKENS.other, 650)]);
  const form = new FormData();
  form.append("csvFile", new Blob([nessusCsv([{}])]), "scan.csv");
  const imported = await fetch(`${program.origin}/api/vulnerabilities/import?wait=true`, { method: "POST", body: form, headers: bearer(TOKENS.admin) });
  assert.equal(imported.status, 200, await imported.text());
  assert.equal((await program.as(TOKENS.admin, "POST", "/api/sessions", {})).status, 201);
  assert.equal((await program.as(TOKENS.viewer, "GET", `/api/sessions/${kept}`)).body.session.status, "processing");
  assert.ok((await rest()) > 0);
  await held.isBack();
});

test("uploads that drip take three places of one caller, others have the fourth, and are cut", async (t) => {
  const program = await startWithTokens(t);
  const healthy = await enter(t, program, TOKENS.viewer);
  const held = await holding(program);
  const rest = asking(healthy);
  const csv = nessusCsv(manyRows("host", 3));
  const send = async (token) => {
    const form = new FormData();
    form.append("csvFile", new Blob([csv]), "scan.csv");
    const answer = await fetch(`${program.origin}/api/vulnerabilities/import?wait=true`, { method: "POST", body: form, headers: bearer(token) });
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  };
  const drips = Array.from({ length: 3 }, () => slowUpload(program, { csvBytes: 100_000, headers: bearer(TOKENS.producer) }));
  const cut = drips.map(async (drip) => {
    const dripping = setInterval(() => drip.write("x").catch(() => {}), 2_000);
    const answer = await drip.answer().finally(() => clearInterval(dripping));
    return answer.status;
  });
  await until(async () => (await send(TOKENS.colleague)).status === 429, "a refusal");
  assert.equal((await send(TOKENS.other)).status, 200);
  assert.deepEqual(await Promise.all(cut), [408, 408, 408]);
  await until(async () => (await send(TOKENS.colleague)).status === 200, "a place");
  assert.ok((await rest()) > 0);
  await held.isBack();
});

test("pages far behind, asked for by many, hold up nobody else's queries", async (t) => {
  const program = await startWithTokens(t);
  const count = 12_000;
  const form = new FormData();
  form.append("csvFile", new Blob([nessusCsv(manyRows("host", count))]), "scan.csv");
  await fetch(`${program.origin}/api/vulnerabilities/import?wait=true`, { method: "POST", body: form, headers: bearer(TOKENS.producer) });
  const query = async (token, fields) => {
    const answer = await program.as(token, "GET", `/api/vulnerabilities?${fields}`);
    if (answer.status === 200) assert.equal(answer.body.total, count);
    else assertError(answer, 503, "SERVER_OVERLOAD");
    return answer.status;
  };
  assert.equal(await query(TOKENS.viewer, "limit=1"), 200);
  const held = await holding(program);
  let isOver = false;
  let refused = 0;
  const deep = Array.from({ length: 80 }, async () => {
    while (!isOver) refused += (await query(TOKENS.producer, `limit=1&offset=${count - 1}`)) === 503;
  });
  await until(() => refused > 0, "so many that some are refused", 60_000);
  for (let round = 0; round < 20; round += 1) {
    assert.equal(await query(TOKENS.viewer, "limit=1"), 200, "somebody else");
    assert.equal(await query(TOKENS.producer, "limit=1"), 200, "the same caller, for what is near");
    assert.equal(await query(TOKENS.other, `limit=1&offset=${count - 1}`), 200, "somebody else, as far behind");
  }
  isOver = true;
  await Promise.all(deep);
  await held.isBack();
});
