// A request that is sent again with its Idempotency-Key is done once and answered twice.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { assertError, manyRows, multipart, nessusCsv, runProgram, startProgram, temporaryFolder, until, upload as uploadForm, watcher } from "./support.mjs";
import { bearer, startWithTokens, TOKENS } from "./tokens.mjs";
import { WebSocketClient } from "../../web/client/dist/index.js";

const keyed = (key, more = {}) => ({ "Idempotency-Key": key, ...more });

/** Sends an upload with a key; each form has a boundary of its own. */
const upload = (program, csv, key, options = {}) => uploadForm(program, csv, { ...options, headers: keyed(key) });

/** An upload with a key of which the rest is still to come. */
function beginUpload(program, csv, key) {
  const { head, tail, type } = multipart();
  const headers = keyed(key, { "Content-Type": type });
  const request = http.request(`${program.origin}/api/vulnerabilities/import`, { method: "POST", headers, agent: false });
  const answer = new Promise((resolve, reject) => request.once("error", reject).once("response", (response) => resolve(response.resume().statusCode)));
  answer.catch(() => {});
  request.write(head + csv);
  return { finish: () => request.end(tail), abort: () => request.destroy(), answer };
}

const imports = async (program) => (await program.call("GET", "/api/imports")).body.items;

/** That an answer is the one that was given before. */
function assertRepeated(answer, first, but = {}) {
  assert.equal(answer.headers.get("idempotent-replayed"), "true");
  assert.equal(first.headers.get("idempotent-replayed"), null);
  assert.deepEqual([answer.status, answer.body], [first.status, { ...first.body, ...but }]);
}

/** Starts the program anew with the data of one that is killed. */
async function killed(t, program, start = startProgram) {
  await program.end("SIGKILL");
  return start(t, { dataDir: program.folder });
}

test("a session is created once, and whoever asks again gets a new token for it", async (t) => {
  const program = await startWithTokens(t);
  const admin = await watcher(t, program, { transports: ["websocket"], auth: { token: TOKENS.admin } });
  const key = randomUUID();
  const body = { metadata: { operation: "backup" }, audience: "owner" };
  const create = (to = program, headers = {}) => to.call("POST", "/api/sessions", body, { ...bearer(TOKENS.producer), ...keyed(key, headers) });
  const first = await create();
  assert.equal(first.status, 201);
  const { sessionId } = first.body;
  const second = await create();
  assertRepeated(second, first, { ownerToken: second.body.ownerToken });
  assert.equal(second.headers.get("location"), `/api/sessions/${sessionId}`);
  // The same key in quotes.
  const third = await program.call("POST", "/api/sessions", body, { ...bearer(TOKENS.producer), "Idempotency-Key": `"${key}"` });
  assert.equal(third.body.sessionId, sessionId);

  const next = await killed(t, program, startWithTokens);
  const fourth = await create(next);
  assertRepeated(fourth, first, { ownerToken: fourth.body.ownerToken });
  const told = [first, second, third, fourth].map(({ body: { ownerToken } }) => ownerToken);
  assert.equal(new Set(told).size, 4);
  const at = `/api/sessions/${sessionId}/progress`;
  for (const token of told.slice(0, 3)) {
    assertError(await next.call("POST", at, { progress: 0.5 }, bearer(token)), 401, "AUTH_REQUIRED");
  }
  assert.equal((await next.call("POST", at, { progress: 0.5 }, bearer(told[3]))).status, 202);
  const list = await next.as(TOKENS.admin, "GET", "/api/sessions");
  assert.deepEqual(list.body.sessions.map(({ id }) => id), [sessionId]);
  assert.equal(admin.log.filter(([name]) => name === "session_created").length, 1);
});

test("a key belongs to its caller and its path, and to one body", async (t) => {
  const program = await startWithTokens(t);
  const key = "the same for all";
  const send = (token, body, target = "/api/sessions") => program.as(token, "POST", target, body, keyed(key.replaceAll(" ", "-")));
  const first = await send(TOKENS.producer, { metadata: { a: 1 } });
  const other = await send(TOKENS.producer, { metadata: { a: 2 } });
  assertError(other, 409, "IDEMPOTENCY_CONFLICT");
  assert.equal(other.headers.get("retry-after"), null);
  // Another line of the same name is the same caller.
  assert.equal((await send(TOKENS.colleague, { metadata: { a: 1 } })).body.sessionId, first.body.sessionId);
  const foreign = await send(TOKENS.other, { metadata: { a: 1 } });
  assert.equal(foreign.status, 201);
  assert.notEqual(foreign.body.sessionId, first.body.sessionId);
  const { sessionId } = first.body;
  assert.equal((await send(TOKENS.producer, { metadata: { a: 1 } }, `/api/sessions/${sessionId}/share`)).status, 201);
  // The token of a session is a caller of its own, and one that only reads gets nothing that its owner was told.
  const { token } = (await program.as(TOKENS.producer, "POST", `/api/sessions/${sessionId}/share`, {})).body;
  assertError(await send(token, { metadata: { a: 1 } }, `/api/sessions/${sessionId}/share`), 403, "FORBIDDEN");
});

test("what was done is not done again, before and after a kill", async (t) => {
  const program = await startProgram(t);
  const socket = await watcher(t, program);
  const made = async () => (await program.call("POST", "/api/sessions", {})).body.sessionId;
  const [completed, failed, cancelled, shared, working] = [await made(), await made(), await made(), await made(), await made()];
  const alert = { level: "info", category: "system", message: "once" };
  const requests = [
    [`/api/sessions/${completed}/complete`, { result: { summary: { files: 3 } } }],
    [`/api/sessions/${failed}/error`, { error: "disk full" }],
    [`/api/sessions/${cancelled}/cancel`, { reason: "enough" }],
    [`/api/sessions/${working}/progress`, { progress: 0.2, metadata: { step: "first" } }],
    ["/api/events/system_alert", alert],
    ["/api/events/data_updated", { type: "tapes", action: "created" }],
    [`/api/sessions/${shared}/share`, { expiresIn: 600 }],
  ].map(([target, body]) => ({ target, body, key: randomUUID() }));
  const send = (to, { target, body, key }) => to.call("POST", target, body, keyed(key));
  for (const request of requests) {
    request.first = await send(program, request);
    assert.ok([200, 201, 202].includes(request.first.status), JSON.stringify(request.first.body));
  }
  await program.call("POST", `/api/sessions/${working}/progress`, { progress: 0.7, metadata: { step: "second" } });
  const repeatAll = async (to) => {
    for (const request of requests) {
      const answer = await send(to, request);
      const isShare = request.target.endsWith("/share");
      assertRepeated(answer, request.first, isShare ? { token: answer.body.token } : {});
      if (isShare) request.tokens = [...(request.tokens ?? [request.first.body.token]), answer.body.token];
    }
  };
  await repeatAll(program);
  const { session } = (await program.call("GET", `/api/sessions/${working}`)).body;
  assert.deepEqual([session.progress, session.metadata.step], [0.7, "second"]);
  const next = await killed(t, program);
  await repeatAll(next);
  const alerts = await next.call("GET", "/api/alerts");
  assert.equal(alerts.body.alerts.filter(({ message }) => message === "once").length, 1);
  for (const name of ["system_alert", "data_updated", "import_complete", "import_error", "import_cancelled"]) {
    const told = socket.log.filter(([event, { message }]) => event === name && (name !== "system_alert" || message === "once"));
    assert.equal(told.length, 1, name);
  }
  const tokens = requests.at(-1).tokens;
  assert.equal(new Set(tokens).size, 3);
});

test("a new token of a share takes the place of the one before", async (t) => {
  const program = await startWithTokens(t);
  const { sessionId, ownerToken } = (await program.as(TOKENS.producer, "POST", "/api/sessions", { audience: "owner" })).body;
  const at = `/api/sessions/${sessionId}`;
  const share = () => program.call("POST", `${at}/share`, {}, { ...bearer(ownerToken), ...keyed("share") });
  const [first, second] = [await share(), await share()];
  assert.equal(second.body.shareId, first.body.shareId);
  assertError(await program.as(first.body.token, "GET", at), 401, "AUTH_REQUIRED");
  assert.equal((await program.as(second.body.token, "GET", at)).status, 200);
  assert.equal((await program.call("DELETE", `${at}/share/${first.body.shareId}`, undefined, bearer(ownerToken))).status, 204);
  const third = await share();
  assertRepeated(third, first, { token: null });
});

test("the answer outlives its session, and names no token of another one with its id", async (t) => {
  const program = await startWithTokens(t);
  const sessionId = randomUUID();
  const create = () => program.as(TOKENS.producer, "POST", "/api/sessions", { sessionId, audience: "owner" }, keyed("create"));
  const first = await create();
  const at = `/api/sessions/${sessionId}`;
  assert.equal((await program.as(TOKENS.producer, "POST", `${at}/complete`, {}, keyed("complete"))).status, 200);
  assert.equal((await program.as(TOKENS.admin, "DELETE", at)).status, 204);
  assertRepeated(await create(), first, { ownerToken: null });
  const foreign = await program.as(TOKENS.other, "POST", "/api/sessions", { sessionId, audience: "owner" });
  assert.equal(foreign.status, 201);
  assertRepeated(await create(), first, { ownerToken: null });
  assert.equal((await program.call("POST", `${at}/progress`, { progress: 0.1 }, bearer(foreign.body.ownerToken))).status, 202);
  const again = await program.as(TOKENS.producer, "POST", `${at}/complete`, {}, keyed("complete"));
  assert.equal(again.headers.get("idempotent-replayed"), "true");
});

test("what was refused is judged anew", async (t) => {
  const program = await startProgram(t);
  const sessionId = randomUUID();
  const progress = (body) => program.call("POST", `/api/sessions/${sessionId}/progress`, body, keyed("report"));
  assertError(await progress({ progress: 0.5 }), 404, "SESSION_NOT_FOUND");
  await program.call("POST", "/api/sessions", { sessionId });
  assertError(await progress({ progress: "half" }), 400, "INVALID_ARGUMENT");
  assertError(await progress("{broken"), 400, "INVALID_ARGUMENT");
  const done = await progress({ progress: 0.25 });
  assert.equal(done.status, 202);
  assertError(await progress({ progress: 0.5 }), 409, "IDEMPOTENCY_CONFLICT");
  assertRepeated(await progress({ progress: 0.25 }), done);
});

test("a key that is none is refused and named, and logins take no notice of one", async (t) => {
  const program = await startProgram(t);
  const { sessionId } = (await program.call("POST", "/api/sessions", {})).body;
  const targets = ["/api/sessions", `/api/sessions/${sessionId}/progress`, "/api/events/data_updated", "/api/vulnerabilities/import"];
  for (const key of ["two words", "k".repeat(256), '""', '"open', "caf\u00e9", ""]) {
    for (const target of targets) {
      const answer = await program.call("POST", target, {}, { "Idempotency-Key": key });
      assertError(answer, 400, "INVALID_ARGUMENT");
      assert.match(answer.body.error.message, /Idempotency-Key/);
    }
  }
  const twice = await new Promise((resolve, reject) => {
    const headers = ["Host", "localhost", "Content-Length", "0", "Idempotency-Key", "a", "Idempotency-Key", "a"];
    http.request({ port: program.port, method: "POST", path: "/api/sessions", headers }, resolve).once("error", reject).end();
  });
  assert.equal(twice.resume().statusCode, 400);
  for (const target of ["/api/login", "/api/logout"]) {
    for (let count = 0; count < 2; count += 1) {
      const answer = await program.call("POST", target, { token: "any" }, keyed("k"));
      assert.deepEqual([answer.status, answer.headers.get("idempotent-replayed")], [204, null]);
    }
  }
  assert.equal((await program.call("GET", "/api/sessions", undefined, { "Idempotency-Key": "two words" })).status, 200);
});

test("an upload is imported once, whatever its boundary, and another file is a conflict", async (t) => {
  const program = await startProgram(t);
  const csv = nessusCsv(manyRows("10.0.0.1", 300));
  const first = await upload(program, csv, "scan-1");
  assert.equal(first.status, 202);
  await until(async () => (await imports(program))[0]?.status === "completed", "the import");
  assertRepeated(await upload(program, csv, "scan-1"), first);
  assertError(await upload(program, csv.replace("Finding 7", "Finding x"), "scan-1"), 409, "IDEMPOTENCY_CONFLICT");
  assertError(await upload(program, csv, "scan-1", { filename: "other.csv" }), 409, "IDEMPOTENCY_CONFLICT");
  assertError(await upload(program, csv, "scan-1", { query: "?resolve=none" }), 409, "IDEMPOTENCY_CONFLICT");
  const next = await killed(t, program);
  assertRepeated(await upload(next, csv, "scan-1"), first);
  assert.equal((await next.call("DELETE", `/api/imports/${first.body.importId}`)).status, 200);
  assertRepeated(await upload(next, csv, "scan-1"), first);
  assert.equal((await imports(next)).length, 1);
});

test("an upload that is waited for gives its outcome again, whether it was good or not", async (t) => {
  const program = await startProgram(t);
  const good = nessusCsv(manyRows("10.0.0.2", 20));
  for (const [key, csv, status] of [["good", good, 200], ["bad", "no,scanner,at,all\n1,2,3,4\n", 422]]) {
    const first = await upload(program, csv, key, { query: "?wait=true" });
    assert.equal(first.status, status, JSON.stringify(first.body));
    assertRepeated(await upload(program, csv, key, { query: "?wait=true" }), first);
  }
  assert.equal((await imports(program)).length, 2);
});

test("an upload that is sent again is judged by its head as the first was", async (t) => {
  const program = await startProgram(t);
  const csv = nessusCsv(manyRows("10.0.0.3", 2));
  const first = await upload(program, csv, "judged");
  assert.equal(first.status, 202);
  for (const key of ["judged", "new"]) {
    const send = (headers, query = "") => program.call("POST", `/api/vulnerabilities/import${query}`, "x", { ...keyed(key), ...headers });
    const form = { "Content-Type": "multipart/form-data; boundary=x" };
    assertError(await send({ ...form, "Content-Encoding": "gzip" }), 415, "UNSUPPORTED_MEDIA_TYPE");
    assertError(await send({ "Content-Type": "text/csv" }), 415, "UNSUPPORTED_MEDIA_TYPE");
    assertError(await send(form, "?colour=red"), 400, "INVALID_ARGUMENT");
  }
  assertRepeated(await upload(program, csv, "judged"), first);
});

test("while an upload comes in its key is taken, and free again when that breaks off", async (t) => {
  const program = await startProgram(t);
  const csv = nessusCsv(manyRows("10.0.0.3", 50));
  const begun = beginUpload(program, csv, "slow");
  const refused = await until(async () => {
    const { body } = await program.call("GET", "/api/sessions?status=processing");
    return body.sessions.length === 1 && upload(program, csv, "slow");
  }, "the upload to begin");
  assertError(refused, 409, "IDEMPOTENCY_CONFLICT");
  assert.equal(refused.headers.get("retry-after"), "1");
  begun.abort();
  const answer = await until(async () => {
    const again = await upload(program, csv, "slow");
    return again.status !== 409 && again;
  }, "the key to be free");
  assert.deepEqual([answer.status, answer.headers.get("idempotent-replayed")], [202, null]);
});

test("an upload that is sent again takes no place of an import", async (t) => {
  const program = await startProgram(t);
  const csv = nessusCsv(manyRows("10.0.0.4", 50));
  const first = await upload(program, csv, "done");
  await until(async () => (await imports(program))[0]?.status === "completed", "the import");
  const running = async () => (await program.call("GET", "/api/sessions?status=processing")).body.sessions.length;
  const busy = [];
  while (busy.length < 4) {
    const begun = beginUpload(program, csv, `busy-${busy.length}`);
    const isBegun = until(async () => (await running()) === busy.length + 1, "an upload to begin");
    // Refused where the import before still leaves its place.
    if (await Promise.race([isBegun.then(() => true), begun.answer.then(() => false)])) busy.push(begun);
    isBegun.catch(() => {});
  }
  assertError(await upload(program, csv, "fifth"), 503, "SERVER_OVERLOAD");
  assertRepeated(await upload(program, csv, "done"), first);
  for (const { finish, answer } of busy) {
    finish();
    assert.equal(await answer, 202);
  }
  // The refused one may come again.
  await until(async () => (await upload(program, csv, "fifth")).status === 202, "a place");
});

test("an answer is kept although whoever asked has gone", async (t) => {
  const program = await startProgram(t);
  const text = JSON.stringify({ metadata: { operation: "alone" } });
  const headers = keyed("alone", { "Content-Type": "application/json", "Content-Length": text.length });
  const request = http.request({ port: program.port, method: "POST", path: "/api/sessions", headers, agent: false });
  request.once("error", () => {});
  const socket = await new Promise((resolve) => request.once("socket", resolve));
  request.end(text);
  // Gone as soon as the request is.
  await new Promise((resolve) => request.once("finish", resolve));
  socket.destroySoon();
  const found = async () => (await program.call("GET", "/api/sessions")).body.sessions[0];
  const session = await until(found, "the session");
  const answer = await until(async () => {
    const again = await program.call("POST", "/api/sessions", text, keyed("alone"));
    return again.status !== 409 && again;
  }, "the answer");
  assert.deepEqual([answer.status, answer.body.sessionId], [201, session.id]);
  assert.equal((await program.call("GET", "/api/sessions")).body.sessions.length, 1);
});

test("an import is cancelled once, also where whoever asked for it has not waited", async (t) => {
  const program = await startProgram(t);
  const begun = beginUpload(program, nessusCsv(manyRows("10.0.0.6", 50)), "scan");
  const running = async () => (await program.call("GET", "/api/sessions?status=processing")).body.sessions[0];
  const { id } = await until(running, "the upload to begin");
  const headers = keyed("stop", { "Content-Length": 0 });
  const request = http.request({ port: program.port, method: "POST", path: `/api/sessions/${id}/cancel`, headers, agent: false });
  request.once("error", () => {});
  request.once("finish", () => request.socket.destroySoon()).end();
  await until(async () => !(await running()), "the import to be cancelled");
  const answer = await until(async () => {
    const again = await program.call("POST", `/api/sessions/${id}/cancel`, undefined, keyed("stop"));
    return again.status !== 409 && again;
  }, "the answer");
  assert.deepEqual([answer.status, answer.body.session.status, answer.headers.get("idempotent-replayed")], [200, "cancelled", "true"]);
  begun.finish();
  assert.equal(await begun.answer, 202);
});

test("no token is on the disk", async (t) => {
  const program = await startProgram(t);
  const { sessionId, ownerToken } = (await program.call("POST", "/api/sessions", {}, keyed("create"))).body;
  const again = await program.call("POST", "/api/sessions", {}, keyed("create"));
  const share = await program.call("POST", `/api/sessions/${sessionId}/share`, {}, keyed("share"));
  await program.end("SIGKILL");
  const files = fs.readdirSync(program.folder).map((name) => fs.readFileSync(path.join(program.folder, name), "latin1"));
  assert.ok(files.some((text) => text.includes(sessionId)));
  const secrets = [ownerToken, again.body.ownerToken, share.body.token].map((token) => token.slice(-43));
  for (const secret of secrets) assert.ok(files.every((text) => !text.includes(secret)));
});

test("a page that was let in may send a key", async (t) => {
  const program = await startWithTokens(t, { flags: ["--allowed-origin", "https://app.example"] });
  const asks = { Origin: "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key" };
  const answer = await program.call("OPTIONS", "/api/sessions", undefined, asks);
  assert.equal(answer.status, 204);
  assert.match(answer.headers.get("access-control-allow-headers"), /idempotency-key/);
});

test("where nothing can be written no key is taken, and nothing is done", async (t) => {
  const program = await startProgram(t, { fileKib: 256 });
  const { sessionId } = (await program.call("POST", "/api/sessions", {})).body;
  const fill = () => program.call("POST", "/api/sessions", { metadata: { text: "x".repeat(8_000) } });
  await until(async () => (await fill()).status === 503, "a full disk");
  const report = (headers) => program.call("POST", `/api/sessions/${sessionId}/progress`, { progress: 0.5 }, headers);
  assertError(await report(keyed("report")), 503, "SERVER_OVERLOAD");
  assert.equal((await program.call("GET", `/api/sessions/${sessionId}`)).body.session.progress, 0);
  assert.equal((await report()).status, 202);
});

test("the oldest of a caller's answers goes, and its request would be done again", async (t) => {
  const program = await startProgram(t);
  const { sessionId } = (await program.call("POST", "/api/sessions", {})).body;
  const report = (number) => program.call("POST", `/api/sessions/${sessionId}/progress`, { progress: number / 1000 }, keyed(`report-${number}`));
  for (let number = 0; number <= 100; number += 1) assert.equal((await report(number)).status, 202);
  const isRepeated = async (to, number) => {
    const target = `/api/sessions/${sessionId}/progress`;
    const answer = await to.call("POST", target, { progress: number / 1000 }, keyed(`report-${number}`));
    return answer.headers.get("idempotent-replayed") === "true";
  };
  assert.equal(await isRepeated(program, 1), true);
  assert.equal(await isRepeated(program, 0), false);
  const next = await killed(t, program);
  assert.equal(await isRepeated(next, 100), true);
  // It has given way to the first one, which came again.
  assert.equal(await isRepeated(next, 1), false);
});

/** A proxy that hands requests on to a program. With `lose` set, the answer to the next `POST` is not handed on: that is done instead, and the connection is cut. */
async function proxy(t, program) {
  const seen = { target: program.origin, lose: null, answers: [] };
  const server = http.createServer((request, response) => {
    const { method, headers, url } = request;
    const asked = http.request(seen.target + url, { method, headers, agent: false }, async (answer) => {
      const lose = method === "POST" ? seen.lose : null;
      if (method === "POST") seen.answers.push([url.split("/").at(-1), answer.statusCode, answer.headers["idempotent-replayed"] ?? "first"]);
      if (!lose) return response.writeHead(answer.statusCode, answer.headers) && answer.pipe(response);
      seen.lose = null;
      answer.resume();
      await lose();
      request.socket.destroy();
    });
    asked.once("error", () => request.socket.destroy());
    request.pipe(asked);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close().closeAllConnections());
  seen.port = server.address().port;
  return seen;
}

test("the client class reports once what it has to send twice over a restart", async (t) => {
  let program = await startWithTokens(t);
  const seen = await proxy(t, program);
  const client = new WebSocketClient({ host: "127.0.0.1", port: String(seen.port), auth: TOKENS.producer });
  t.after(() => client.disconnect());
  const restart = async () => {
    program = await killed(t, program, startWithTokens);
    seen.target = program.origin;
  };
  seen.lose = restart;
  const { sessionId, ownerToken } = await client.createSession({ operation: "backup" });
  assert.ok(ownerToken);
  seen.lose = restart;
  const session = await client.complete(sessionId, { files: 3 });
  assert.deepEqual([session.id, session.status], [sessionId, "completed"]);
  assert.deepEqual(seen.answers, [
    ["sessions", 201, "first"],
    ["sessions", 201, "true"],
    ["complete", 200, "first"],
    ["complete", 200, "true"],
  ]);
  const { sessions } = (await program.as(TOKENS.admin, "GET", "/api/sessions")).body;
  assert.deepEqual(sessions.map(({ id }) => id), [sessionId]);
  assert.equal((await program.call("POST", `/api/sessions/${sessionId}/share`, {}, bearer(ownerToken))).status, 201);
});

test("I135 the command import sends its file again when the answer is lost, and imports it once", async (t) => {
  const program = await startProgram(t);
  const seen = await proxy(t, program);
  const file = path.join(temporaryFolder(), "scan.csv");
  fs.writeFileSync(file, nessusCsv(manyRows("10.0.0.5", 40)));
  seen.lose = async () => {};
  const { status, stderr } = await runProgram(["import", "--server", `http://127.0.0.1:${seen.port}`, file]);
  assert.equal(status, 0, stderr);
  assert.deepEqual(seen.answers, [["import", 202, "first"], ["import", 202, "true"]]);
  assert.deepEqual((await imports(program)).map((entry) => entry.status), ["completed"]);
});
