// How much of the server one caller may have, beside others.
import assert from "node:assert/strict";
import test from "node:test";
import { assertError, startProgram, until, watcher } from "./support.mjs";
import { TOKENS, startWithTokens } from "./tokens.mjs";

/** Sends so many requests at once; the answers that were refused. */
async function refusedOf(count, send) {
  const answers = await Promise.all(Array.from({ length: count }, (_, number) => send(number)));
  const refused = answers.filter(({ status }) => status === 429);
  for (const answer of refused) {
    assertError(answer, 429, "RATE_LIMIT_EXCEEDED");
    assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  }
  return { refused, done: answers.filter(({ status }) => status < 300) };
}

test("who creates sessions without end is held back, and others are not", async (t) => {
  const program = await startWithTokens(t);
  const create = (token) => program.as(token, "POST", "/api/sessions", {});
  const { refused, done } = await refusedOf(1_000, () => create(TOKENS.producer));
  assert.ok(done.length >= 100);
  assert.ok(refused.length > 0);
  assert.equal((await create(TOKENS.other)).status, 201);
  // Lines of one name are one caller, who may go on when a place is free again.
  await until(async () => (await create(TOKENS.colleague)).status === 201, "a place for one more");
});

test("beyond 900 sessions of a caller those give way that were never used", async (t) => {
  const program = await startProgram(t);
  const socket = await watcher(t, program);
  const create = async () => {
    for (;;) {
      const answer = await program.call("POST", "/api/sessions", {});
      if (answer.status !== 429) return answer;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const used = (await create()).body.sessionId;
  assert.equal((await program.call("POST", `/api/sessions/${used}/progress`, { progress: 0.1 })).status, 202);
  const first = (await create()).body.sessionId;
  const rest = await Promise.all(Array.from({ length: 898 }, create));
  assert.ok(rest.every(({ status }) => status === 201));
  // What is refused for itself costs nobody a session.
  for (const [body, status] of [[{ sessionId: used }, 409], [{ sessionId: "x" }, 400], [{ metadata: 7 }, 400], [{ audience: "x" }, 400], [{ metadata: { text: "x".repeat(20_000) } }, 413]]) {
    const refused = () => program.call("POST", "/api/sessions", body);
    await until(async () => (await refused()).status === status, `status ${status}`);
  }
  assert.equal((await program.call("GET", `/api/sessions/${first}`)).body.session.status, "processing");
  assert.equal((await create()).status, 201);
  const [name, payload] = await socket.ended(first);
  assert.deepEqual([name, payload.reason], ["import_cancelled", "evicted"]);
  assertError(await program.call("GET", `/api/sessions/${first}`), 410, "SESSION_CANCELLED");
  assert.equal((await program.call("GET", `/api/sessions/${used}`)).body.session.status, "processing");
});

test("whoever shares without end is held back, and others are not", async (t) => {
  const program = await startWithTokens(t);
  const create = async (token) => (await program.as(token, "POST", "/api/sessions", {})).body.sessionId;
  const share = (token, id) => program.as(token, "POST", `/api/sessions/${id}/share`, {});
  const ids = await Promise.all(Array.from({ length: 11 }, () => create(TOKENS.producer)));
  const most = await refusedOf(101, () => share(TOKENS.producer, ids[0]));
  assert.deepEqual([most.done.length, most.refused.length], [100, 1]);
  for (const id of ids.slice(1, 10)) assert.equal((await refusedOf(100, () => share(TOKENS.producer, id))).done.length, 100);
  // Lines of one name are one owner.
  assert.equal((await refusedOf(1, () => share(TOKENS.colleague, ids[10]))).refused.length, 1);
  assert.equal((await share(TOKENS.other, await create(TOKENS.other))).status, 201);
  const { shareId } = most.done[0].body;
  assert.equal((await program.as(TOKENS.producer, "DELETE", `/api/sessions/${ids[0]}/share/${shareId}`)).status, 204);
  assert.equal((await share(TOKENS.producer, ids[10])).status, 201);
});

test("ten alerts may be sent at once, and no more", async (t) => {
  const program = await startProgram(t);
  const alert = { level: "info", category: "system", message: "still here" };
  const { refused, done } = await refusedOf(12, () => program.call("POST", "/api/events/system_alert", alert));
  assert.deepEqual([done.length, refused.length], [10, 2]);
});
