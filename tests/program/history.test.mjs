// What sessions came to, which alerts there were, and what the server counts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, importAndWatch, keysOf, nessusCsv, startProgram, UNKNOWN_ID, until, watcher } from "./support.mjs";
import { bearer, startWithTokens, TOKENS } from "./tokens.mjs";

const ids = ({ body }) => body.sessions.map(({ id }) => id);

async function made(program, body = {}, headers = {}) {
  return (await program.call("POST", "/api/sessions", body, headers)).body.sessionId;
}

test("sessions that have ended are in the history, over a kill and a restart", async (t) => {
  const program = await startProgram(t);
  const call = (method, target, body) => program.call(method, target, body);
  const [completed, failed, cancelled, deleted, working] = [await made(program), await made(program), await made(program), await made(program), await made(program)];
  await call("POST", `/api/sessions/${completed}/complete`, { result: { rows: 7 } });
  await call("POST", `/api/sessions/${failed}/error`, { error: "it broke" });
  await call("POST", `/api/sessions/${cancelled}/cancel`, { reason: "too slow" });
  await call("POST", `/api/sessions/${deleted}/complete`, {});
  await call("DELETE", `/api/sessions/${deleted}`);
  const newestFirst = [deleted, cancelled, failed, completed];
  const look = async ({ call: ask }) => {
    assert.deepEqual(ids(await ask("GET", "/api/history")), newestFirst);
    assert.deepEqual(ids(await ask("GET", "/api/history?status=cancelled")), [cancelled]);
    const first = await ask("GET", "/api/history?limit=3");
    assert.deepEqual(ids(first), newestFirst.slice(0, 3));
    const second = await ask("GET", `/api/history?limit=3&cursor=${first.body.next}`);
    assert.deepEqual([ids(second), second.body.next], [[completed], null]);
    assert.equal(second.body.sessions[0].result, null);
    const since = first.body.sessions[0].endedAt + 1;
    assert.deepEqual(ids(await ask("GET", `/api/history?since=${since}`)), []);
    const one = (await ask("GET", `/api/history/${completed}`)).body;
    assert.deepEqual(keysOf(one), ["changes", "session"]);
    assert.deepEqual([one.session.status, one.session.result], ["completed", { rows: 7 }]);
    assert.deepEqual([one.changes[0].status, one.changes.at(-1).status, one.changes.at(-1).progress], ["processing", "completed", 1]);
    const gone = (await ask("GET", `/api/history/${cancelled}`)).body.session;
    assert.deepEqual([gone.status, gone.reason], ["cancelled", "too slow"]);
    assert.equal((await ask("GET", `/api/history/${working}`)).body.session.status, "processing");
    assertError(await ask("GET", `/api/history/${UNKNOWN_ID}`), 404, "SESSION_NOT_FOUND");
    assertError(await ask("GET", "/api/history?status=processing"), 400, "INVALID_ARGUMENT");
    assertError(await ask("DELETE", "/api/history"), 405, "METHOD_NOT_ALLOWED");
  };
  await look(program);
  await program.end("SIGKILL");
  await look(await startProgram(t, { dataDir: program.folder }));
});

test("the changes of a session are there while it runs", async (t) => {
  const program = await startProgram(t);
  const id = await made(program);
  for (const progress of [0.1, 0.2, 0.3]) await program.call("POST", `/api/sessions/${id}/progress`, { progress });
  const changes = await until(async () => {
    const { changes } = (await program.call("GET", `/api/history/${id}`)).body;
    return changes.at(-1)?.progress === 0.3 && changes;
  }, "the last progress");
  assert.deepEqual(keysOf(changes[0]), ["at", "progress", "seq", "status"]);
  changes.slice(1).forEach(({ seq, progress }, at) => assert.ok(seq > changes[at].seq && progress >= changes[at].progress));
  const socket = await watcher(t, program);
  const { answer } = await importAndWatch(socket, program, nessusCsv([{}]));
  // The event of its end comes a moment before it is written down.
  await until(async () => {
    const { session, changes } = (await program.call("GET", `/api/history/${answer.sessionId}`)).body;
    return session.status === "completed" && changes.at(-1)?.status === "completed";
  }, "the end of the import");
});

test("audience and owner hold in the history", async (t) => {
  const program = await startWithTokens(t);
  const own = await made(program, { audience: "owner" }, bearer(TOKENS.producer));
  const open = await made(program, {}, bearer(TOKENS.producer));
  for (const id of [own, open]) await program.as(TOKENS.producer, "POST", `/api/sessions/${id}/complete`, {});
  for (const [token, seen] of [
    [TOKENS.producer, [open, own]],
    [TOKENS.admin, [open, own]],
    [TOKENS.viewer, [open]],
    [TOKENS.other, [open]],
  ]) {
    assert.deepEqual(ids(await program.as(token, "GET", "/api/history")), seen);
    const { status } = await program.as(token, "GET", `/api/history/${own}`);
    assert.equal(status, seen.includes(own) ? 200 : 404);
  }
});

test("the tokens of a session show none that had its id before", async (t) => {
  const program = await startWithTokens(t);
  const sessionId = await made(program, { audience: "owner" }, bearer(TOKENS.producer));
  await program.as(TOKENS.producer, "POST", `/api/sessions/${sessionId}/complete`, {});
  await program.as(TOKENS.admin, "DELETE", `/api/sessions/${sessionId}`);
  const { ownerToken } = (await program.as(TOKENS.other, "POST", "/api/sessions", { sessionId, audience: "owner" })).body;
  const { token } = (await program.as(ownerToken, "POST", `/api/sessions/${sessionId}/share`, {})).body;
  const list = async (headers) => ids(await program.call("GET", "/api/history", undefined, headers));
  const ways = [bearer(ownerToken), bearer(token), { ...bearer(TOKENS.viewer), "X-Session-Token": ownerToken }];
  for (const way of ways) assert.deepEqual(await list(way), []);
  await program.as(ownerToken, "POST", `/api/sessions/${sessionId}/complete`, {});
  for (const way of ways) assert.deepEqual(await list(way), [sessionId]);
  assert.deepEqual(await list(bearer(TOKENS.admin)), [sessionId, sessionId]);
});

test("alerts are kept, the newest first", async (t) => {
  const program = await startProgram(t);
  const send = (message) => program.call("POST", "/api/events/system_alert", { level: "info", category: "system", message });
  for (const message of ["one", "two", "three"]) assert.equal((await send(message)).status, 202);
  await program.end("SIGKILL");
  const next = await startProgram(t, { dataDir: program.folder });
  const read = async (query = "") => {
    const { body } = await next.call("GET", `/api/alerts${query}`);
    return { ...body, messages: body.alerts.map(({ message }) => message) };
  };
  const { alerts, messages, next: none } = await read();
  assert.deepEqual([messages, none], [["three", "two", "one"], null]);
  assert.deepEqual(keysOf(alerts[0]), ["category", "level", "message", "timestamp"]);
  const page = await read("?limit=2");
  assert.deepEqual(page.messages, ["three", "two"]);
  assert.deepEqual((await read(`?limit=2&cursor=${page.next}`)).messages, ["one"]);
  assert.deepEqual((await read(`?since=${Date.parse(alerts[0].timestamp) + 1}`)).messages, []);
});

test("the loop's figures are told", async (t) => {
  const program = await startProgram(t);
  await watcher(t, program);
  await made(program);
  const { status, body } = await program.call("GET", "/api/stats");
  assert.equal(status, 200);
  assert.deepEqual([body.now.sockets, body.now.progress_sessions, body.handshakes.websocket], [1, 1, 1]);
  assert.ok(body.loop.turn_us.count > 0 && body.loop.turn_us.max > 0);
  assert.equal(body.disconnects["ping timeout"], 0);
  assert.match(body.version, /^\d+\.\d+\.\d+$/);
  assert.ok(body.uptime_ms > 0 && body.memory.used_mb > 0);
});
