// The HTTP interface for progress sessions and events, with a Socket.IO client looking on.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  assertError,
  command,
  openWorld,
  sleep,
  TIMESTAMP,
  UNKNOWN_ID,
  until,
  UUID,
} from "./support.mjs";

let program, socket, close;
before(async () => ({ program, socket, close } = await openWorld()));
after(() => close());

const call = (...args) => program.call(...args);

async function newSession(metadata) {
  const answer = await call("POST", "/api/sessions", metadata === undefined ? {} : { metadata });
  assert.equal(answer.status, 201);
  return answer.body.sessionId;
}

const named = (id, name) => socket.session(id).filter(([event]) => event === name).map(([, payload]) => payload);
const event = (id, name) => until(() => named(id, name)[0], name);

describe("creating and reading sessions", () => {
  test("a session is created, announced and readable", async () => {
    const metadata = { operation: "backup", filename: "a.csv", extra: { deep: [1, null] } };
    const answer = await call("POST", "/api/sessions", { metadata });
    assert.equal(answer.status, 201);
    const { sessionId, session } = answer.body;
    assert.match(sessionId, UUID);
    assert.equal(sessionId[14], "4", "the program's own ids are version 4");
    assert.deepEqual(
      { id: session.id, sessionId: session.sessionId, progress: session.progress, status: session.status, result: session.result, stalled: session.stalled },
      { id: sessionId, sessionId, progress: 0, status: "processing", result: null, stalled: false },
    );
    assert.ok(Math.abs(session.lastUpdate - Date.now()) < 60_000);
    assert.ok(Number.isInteger(session.seq));
    assert.ok(Math.abs(session.createdAt - Date.now()) < 60_000);
    assert.equal(session.endedAt, null);
    assert.equal(session.operation, "backup");
    const created = await event(sessionId, "session_created");
    assert.deepEqual(Object.keys(created).sort(), ["metadata", "seq", "sessionId", "timestamp"]);
    assert.equal(created.metadata.filename, "a.csv");
    assert.match(created.timestamp, TIMESTAMP);
    const read = await call("GET", `/api/sessions/${sessionId.toUpperCase()}`);
    assert.equal(read.status, 200);
    assert.equal(read.body.session.id, sessionId);
    assert.deepEqual(read.body.session.metadata.extra, { deep: [1, null] });
  });

  test("an id may be given, in any letter case and version, and is taken only once", async () => {
    const id = "AAAAAAAA-BBBB-1CCC-8DDD-EEEEEEEEEEEE";
    const first = await call("POST", "/api/sessions", { sessionId: id });
    assert.deepEqual([first.status, first.body.sessionId], [201, id.toLowerCase()]);
    await event(id.toLowerCase(), "session_created");
    assertError(await call("POST", "/api/sessions", { sessionId: id.toLowerCase() }), 409, "SESSION_EXISTS");
  });

  test("lists can be narrowed to a status", async () => {
    const [running, done] = [await newSession(), await newSession()];
    await call("POST", `/api/sessions/${done}/complete`, {});
    const ids = async (query) => (await call("GET", `/api/sessions${query}`)).body.sessions.map(({ id }) => id);
    assert.ok((await ids("")).includes(running) && (await ids("")).includes(done));
    assert.ok((await ids("?status=processing")).includes(running) && !(await ids("?status=processing")).includes(done));
    assert.ok((await ids("?status=completed")).includes(done) && !(await ids("?status=completed")).includes(running));
    assertError(await call("GET", "/api/sessions?status=sleeping"), 400, "INVALID_ARGUMENT");
  });

  test("lists come in pages, the newest first, over HTTP and Socket.IO alike", async () => {
    const made = [];
    for (let n = 0; n < 7; n++) made.push(await newSession({ n }));
    const wanted = made.toReversed();
    const overHttp = async (cursor) => {
      const answer = await call("GET", `/api/sessions?limit=3${cursor ? `&cursor=${cursor}` : ""}`);
      assert.deepEqual([answer.status, Object.keys(answer.body)], [200, ["sessions", "next"]]);
      return answer.body;
    };
    const overSocket = async (cursor) => {
      const answer = await command(socket, "list_sessions", { limit: 3, cursor });
      assert.deepEqual([answer.ok, Object.keys(answer)], [true, ["ok", "sessions", "next"]]);
      return answer;
    };
    for (const read of [overHttp, overSocket]) {
      const ids = [];
      let cursor = null;
      do {
        const page = await read(cursor);
        assert.ok(page.sessions.length <= 3 && page.sessions.length > 0);
        ids.push(...page.sessions.map(({ id }) => id));
        cursor = page.next;
      } while (cursor !== null);
      assert.deepEqual(ids.slice(0, 7), wanted);
      assert.equal(new Set(ids).size, ids.length);
    }
  });

  test("lists show no results", async () => {
    const id = await newSession();
    await call("POST", `/api/sessions/${id}/complete`, { result: { import_id: 3, summary: { a: 1 }, label: "x" } });
    const [listed] = (await call("GET", "/api/sessions?limit=1")).body.sessions;
    const { session } = (await call("GET", `/api/sessions/${id}`)).body;
    assert.deepEqual(session.result, { import_id: 3, summary: { a: 1 }, label: "x" });
    assert.deepEqual(listed, { ...session, result: null });
    assert.ok(session.endedAt >= session.createdAt);
  });

  test("query fields that are unknown, empty or wrong are named", async () => {
    const id = await newSession();
    for (const [method, target, name] of [
      ["GET", "/api/sessions?limits=5", "limits"],
      ["GET", "/api/sessions?status=", "status"],
      ["GET", "/api/sessions?cursor", "cursor"],
      ["GET", "/api/sessions?cursor=!", "cursor"],
      ["GET", "/api/sessions?limit=3&limit=4", "limit"],
      ...["0", "1001", "-1", "1.5", "x", "1e2"].map((limit) => ["GET", `/api/sessions?limit=${limit}`, "limit"]),
      ["GET", `/api/sessions/${id}?full=1`, "full"],
      ["DELETE", `/api/sessions/${id}?force=true`, "force"],
      ["POST", `/api/sessions/${id}/progress?progress=0.5`, "progress"],
      ["POST", "/api/sessions?sessionId=x", "sessionId"],
    ]) {
      const answer = await call(method, target, method === "POST" ? {} : undefined);
      assertError(answer, 400, "INVALID_ARGUMENT");
      assert.ok(answer.body.error.message.includes(name), answer.body.error.message);
    }
    for (const wrong of [{ limit: 0 }, { limit: 1001 }, { limit: "5" }, { limit: 1.5 }, { cursor: 7 }, { cursor: "!" }]) {
      const answer = await command(socket, "list_sessions", wrong);
      assert.deepEqual([answer.ok, answer.error.code], [false, "INVALID_ARGUMENT"]);
    }
  });

  test("an id that is used again goes on with higher numbers", async () => {
    const id = "0d0f3c7e-5a91-4c1b-9a52-6f1d0f0e7b11";
    for (let round = 0; round < 3; round++) {
      assert.equal((await call("POST", "/api/sessions", { sessionId: id })).status, 201);
      await call("POST", `/api/sessions/${id}/progress`, { progress: 0.5 });
      await call("POST", `/api/sessions/${id}/complete`, {});
      assert.equal((await call("DELETE", `/api/sessions/${id}`)).status, 204);
    }
    await until(() => named(id, "import_complete").length === 3, "three ends");
    const seqs = socket.session(id).map(([, { seq }]) => seq);
    assert.ok(seqs.length >= 6);
    seqs.forEach((seq, index) => assert.ok(index === 0 || seq > seqs[index - 1], `${seqs}`));
  });

  test("metadata has 64 keys at most, all levels together", async () => {
    const keys = (count) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n]));
    const id = await newSession({ inner: keys(40) });
    const update = (metadata) => call("POST", `/api/sessions/${id}/progress`, { progress: 0, metadata });
    assert.equal((await update(keys(23))).status, 202);
    assertError(await update({ more: 1 }), 400, "INVALID_ARGUMENT");
    assert.equal((await update({ inner: null, more: 1 })).status, 202);
  });

  test("bad arguments are told apart", async () => {
    const deep = JSON.parse(`${'{"a":'.repeat(20)}1${"}".repeat(20)}`);
    const wrong = [
      { sessionId: "no uuid" },
      { sessionId: 5 },
      { metadata: "text" },
      { metadata: [] },
      { metadata: deep },
      '{"metadata":{"__proto__":{"x":1}}}',
      { metadata: { deep: { constructor: 1 } } },
      { metadata: { prototype: 1 } },
      "{broken",
      "[]",
      '"text"',
    ];
    for (const body of wrong) assertError(await call("POST", "/api/sessions", body), 400, "INVALID_ARGUMENT");
    // More than 16 KiB of metadata, more than 64 KiB of body.
    for (const length of [17_000, 70_000]) {
      assertError(await call("POST", "/api/sessions", { metadata: { big: "x".repeat(length) } }), 413, "PAYLOAD_TOO_LARGE");
    }
    assertError(await call("POST", "/api/sessions", "a=b", { "Content-Type": "application/x-www-form-urlencoded" }), 415, "UNSUPPORTED_MEDIA_TYPE");
    assertError(await call("POST", "/api/sessions", "{}", { "Content-Type": "text/plain" }), 415, "UNSUPPORTED_MEDIA_TYPE");
  });

  test("control characters are taken out of texts, and lines do not run together", async () => {
    const id = await newSession({ filename: "a\u0007b\u001b[31m\u202evsc.exe\u2066" });
    const { metadata } = await event(id, "session_created");
    assert.equal(metadata.filename, "ab[31mvsc.exe");
    const error = { code: "X", message: "a\u202eb\u0000\r\nc\td", details: { list: ["c\u2069"] } };
    const answer = await call("POST", `/api/sessions/${id}/error`, { error });
    assert.deepEqual(answer.body.session.error, { code: "X", message: "ab c d", details: { list: ["c"] } });
  });

  test("keys that reach into prototypes are refused in results, errors and events too", async () => {
    const id = await newSession();
    const evil = '{"a":[{"__proto__":1}]}';
    for (const [target, body] of [
      [`/api/sessions/${id}/complete`, `{"result":${evil}}`],
      [`/api/sessions/${id}/error`, `{"error":{"code":"X","message":"x","details":${evil}}}`],
      [`/api/sessions/${id}/error`, `{"error":"x","partial_results":${evil}}`],
      ["/api/events/system_alert", `{"level":"info","category":"system","message":"x","action_details":${evil}}`],
      ["/api/events/data_updated", `{"type":"tickets","action":"created","source":${evil}}`],
    ]) {
      assertError(await call("POST", target, body), 400, "INVALID_ARGUMENT");
    }
  });
});

describe("progress", () => {
  test("an update is answered 202 and reaches the clients with every field of the event", async () => {
    const id = await newSession({ operation: "vulnerability_import", filename: "s.csv" });
    const body = { progress: 0.25, metadata: { currentStep: "Reading", processedRows: 25, total_rows: 100, colour: "red" } };
    const answer = await call("POST", `/api/sessions/${id}/progress`, body);
    assert.deepEqual([answer.status, answer.body.session.progress], [202, 0.25]);
    const payload = await event(id, "import_progress");
    assert.deepEqual(
      Object.keys(payload).sort(),
      ["sessionId", "operation", "progress", "current_step", "processed_rows", "total_rows", "eta_seconds", "status", "metadata", "timestamp", "seq"].sort(),
    );
    assert.deepEqual(
      [payload.operation, payload.progress, payload.current_step, payload.processed_rows, payload.total_rows, payload.status],
      ["vulnerability_import", 0.25, "Reading", 25, 100, "processing"],
    );
    assert.equal(payload.eta_seconds, null, "no estimate in the first two seconds");
    assert.deepEqual([payload.metadata.filename, payload.metadata.colour], ["s.csv", "red"]);
    assert.match(payload.timestamp, TIMESTAMP);
    assert.ok(Number.isInteger(payload.seq));
  });

  test("it is clamped to 0 and 1 and never goes back; metadata is taken all the same", async () => {
    const id = await newSession();
    const progress = async (value, metadata) => (await call("POST", `/api/sessions/${id}/progress`, { progress: value, metadata })).body.session;
    assert.equal((await progress(-3)).progress, 0);
    assert.equal((await progress(0.5, { a: 1, b: 2 })).progress, 0.5);
    const later = await progress(0.2, { b: null, c: 3 });
    assert.equal(later.progress, 0.5);
    assert.deepEqual([later.metadata.a, "b" in later.metadata, later.metadata.c], [1, false, 3]);
    assert.equal((await progress(7)).progress, 1);
  });

  test("bad values are refused", async () => {
    const id = await newSession();
    for (const body of ["{}", '{"progress":null}', '{"progress":"0.5"}', '{"progress":1e999}', '{"progress":true}', '{"progress":0.1,"metadata":[]}']) {
      assertError(await call("POST", `/api/sessions/${id}/progress`, body), 400, "INVALID_ARGUMENT");
    }
  });

  test("a burst becomes a first and a last event, 100 ms apart, with rising seq", async () => {
    const id = await newSession();
    // Other tests' sessions are told at the same pulses, so the last one has to be over for the first value to go out at once.
    await sleep(250);
    for (let i = 1; i <= 40; i++) await call("POST", `/api/sessions/${id}/progress`, { progress: i / 50 });
    await until(() => named(id, "import_progress").some(({ progress }) => progress === 0.8), "the newest value");
    const events = named(id, "import_progress");
    assert.equal(events[0].progress, 1 / 50);
    assert.ok(events.length < 40);
    for (let i = 1; i < events.length; i++) {
      assert.ok(Date.parse(events[i].timestamp) - Date.parse(events[i - 1].timestamp) >= 100);
      assert.ok(events[i].seq > events[i - 1].seq && events[i].progress > events[i - 1].progress);
    }
  });

  test("nothing comes after the terminal event, a suppressed update least of all", async () => {
    const id = await newSession();
    await call("POST", `/api/sessions/${id}/progress`, { progress: 0.1 });
    await call("POST", `/api/sessions/${id}/progress`, { progress: 0.2 });
    await call("POST", `/api/sessions/${id}/complete`, {});
    await event(id, "import_complete");
    await sleep(250);
    const names = socket.session(id).map(([name]) => name);
    assert.deepEqual([names[0], names.at(-1)], ["session_created", "import_complete"]);
    assert.equal(names.filter((name) => name === "import_complete").length, 1);
  });
});

describe("ends", () => {
  test("complete: the known fields come to the top, the rest under result", async () => {
    const id = await newSession({ operation: "vulnerability_import" });
    const result = { import_id: 47, total_processed: 10, processing_time_ms: 5, summary: { new_vulnerabilities: 1 }, performance: { rows_per_second: 2 }, note: "x" };
    const answer = await call("POST", `/api/sessions/${id}/complete`, { result });
    assert.deepEqual([answer.status, answer.body.session.status], [200, "completed"]);
    const payload = await event(id, "import_complete");
    const { import_id, total_processed, processing_time_ms, summary, performance } = payload;
    assert.deepEqual({ import_id, total_processed, processing_time_ms, summary, performance, note: "x" }, result);
    assert.deepEqual([payload.success, payload.status, payload.result], [true, "completed", { note: "x" }]);
    assert.ok(Number.isInteger(payload.seq));
  });

  test("error: as a text and as an object", async () => {
    const [text, object] = [await newSession(), await newSession()];
    assert.equal((await call("POST", `/api/sessions/${text}/error`, { error: "it broke" })).status, 200);
    const error = { code: "DISK_FULL", message: "no space", details: { free: 0 }, recovery_suggestions: ["Delete something"] };
    const partial_results = { processed_rows: 3, successful_imports: 2, failed_rows: 1 };
    const answer = await call("POST", `/api/sessions/${object}/error`, { error, partial_results });
    assert.deepEqual([answer.status, answer.body.session.status], [200, "error"]);
    const first = await event(text, "import_error");
    assert.deepEqual([first.success, first.status, first.error.code, first.error.message], [false, "error", "UNKNOWN_ERROR", "it broke"]);
    const second = await event(object, "import_error");
    assert.deepEqual([second.error, second.partial_results], [error, partial_results]);
    const third = await newSession();
    for (const body of ["{}", '{"error":null}', '{"error":5}', '{"error":{"code":"X"}}']) {
      assertError(await call("POST", `/api/sessions/${third}/error`, body), 400, "INVALID_ARGUMENT");
    }
  });

  test("cancel: the reason is given or user_requested, and the session is gone for every verb", async () => {
    const [plain, reasoned] = [await newSession(), await newSession()];
    assert.equal((await call("POST", `/api/sessions/${plain}/cancel`)).status, 200);
    const answer = await call("POST", `/api/sessions/${reasoned}/cancel`, { reason: "too slow" });
    assert.deepEqual([answer.status, answer.body.session.status], [200, "cancelled"]);
    const payload = await event(plain, "import_cancelled");
    assert.deepEqual(
      Object.keys(payload).sort(),
      ["sessionId", "operation", "cancelled", "reason", "partial_results", "cleanup_performed", "timestamp", "seq", "status"].sort(),
    );
    assert.deepEqual([payload.cancelled, payload.reason, payload.cleanup_performed, payload.status], [true, "user_requested", true, "cancelled"]);
    assert.equal((await event(reasoned, "import_cancelled")).reason, "too slow");
    const verbs = [
      ["GET", "", undefined],
      ["DELETE", "", undefined],
      ["POST", "/progress", { progress: 0.5 }],
      ["POST", "/complete", {}],
      ["POST", "/error", { error: "x" }],
      ["POST", "/cancel", {}],
    ];
    for (const [method, verb, body] of verbs) {
      assertError(await call(method, `/api/sessions/${plain}${verb}`, body), 410, "SESSION_CANCELLED");
    }
    const listed = (await call("GET", "/api/sessions")).body.sessions.map(({ id }) => id);
    assert.ok(!listed.includes(plain));
  });

  test("a finished session changes no more, stays readable and can be deleted without an event", async () => {
    for (const [verb, body, status] of [["complete", {}, "completed"], ["error", { error: "x" }, "error"]]) {
      const id = await newSession();
      assertError(await call("DELETE", `/api/sessions/${id}`), 409, "SESSION_ACTIVE");
      await call("POST", `/api/sessions/${id}/${verb}`, body);
      for (const [again, payload] of [["progress", { progress: 1 }], ["complete", {}], ["error", { error: "x" }], ["cancel", {}]]) {
        assertError(await call("POST", `/api/sessions/${id}/${again}`, payload), 409, "SESSION_ENDED");
      }
      assert.equal((await call("GET", `/api/sessions/${id}`)).body.session.status, status);
      const events = socket.session(id).length;
      assert.equal((await call("DELETE", `/api/sessions/${id}`)).status, 204);
      assertError(await call("GET", `/api/sessions/${id}`), 404, "SESSION_NOT_FOUND");
      await command(socket, "list_sessions", {});
      assert.equal(socket.session(id).length, events);
    }
  });

  test("sessions that never were are not found", async () => {
    const verbs = [["GET", ""], ["DELETE", ""], ["POST", "/progress", { progress: 1 }], ["POST", "/complete", {}], ["POST", "/error", { error: "x" }], ["POST", "/cancel", {}]];
    for (const [method, verb, body] of verbs) {
      assertError(await call(method, `/api/sessions/${UNKNOWN_ID}${verb}`, body), 404, "SESSION_NOT_FOUND");
    }
    const odd = await call("GET", "/api/sessions/no-uuid");
    assert.ok([400, 404].includes(odd.status), `status ${odd.status}`);
  });
});

describe("events from outside", () => {
  test("data_updated and system_alert are passed on", async () => {
    const data = { type: "tickets", action: "created", count: 3, affected_entities: { hosts: ["web-1"] } };
    const posted = await call("POST", "/api/events/data_updated", data);
    assert.deepEqual([posted.status, posted.body], [202, {}]);
    const alert = { level: "warning", category: "maintenance", message: "Back up soon", auto_dismiss: 30000 };
    assert.equal((await call("POST", "/api/events/system_alert", alert)).status, 202);
    const find = (name, key, value) => socket.log.find(([event, payload]) => event === name && payload[key] === value)?.[1];
    const update = await until(() => find("data_updated", "type", "tickets"), "data_updated");
    assert.deepEqual([update.action, update.count, update.affected_entities], ["created", 3, { hosts: ["web-1"] }]);
    assert.match(update.timestamp, TIMESTAMP);
    const shown = await until(() => find("system_alert", "message", "Back up soon"), "system_alert");
    assert.deepEqual([shown.level, shown.category, shown.auto_dismiss], ["warning", "maintenance", 30000]);
    assert.match(shown.timestamp, TIMESTAMP);
  });

  test("an alert needs level, category and message from their lists", async () => {
    const good = { level: "info", category: "system", message: "m" };
    for (const change of [{ level: "loud" }, { level: undefined }, { category: "weather" }, { category: undefined }, { message: undefined }, { message: 5 }]) {
      assertError(await call("POST", "/api/events/system_alert", { ...good, ...change }), 400, "INVALID_ARGUMENT");
    }
  });
});

describe("commands over Socket.IO", () => {
  test("track, list, untrack and cancel answer through their acks", async () => {
    const id = await newSession({ filename: "tracked.csv" });
    for (const argument of [{ sessionId: id }, id]) {
      const answer = await command(socket, "track_session", argument);
      assert.deepEqual([answer.ok, answer.session.id, answer.session.metadata.filename], [true, id, "tracked.csv"]);
    }
    const list = await command(socket, "list_sessions", { status: "processing" });
    assert.ok(list.ok && list.sessions.some((session) => session.id === id));
    assert.deepEqual(await command(socket, "untrack_session", { sessionId: id }), { ok: true });
    const cancelled = await command(socket, "cancel_session", { sessionId: id, reason: "enough" });
    assert.deepEqual([cancelled.ok, cancelled.session.status], [true, "cancelled"]);
    assert.equal((await event(id, "import_cancelled")).reason, "enough");
  });

  test("errors come as ok false with code and message", async () => {
    const done = await newSession();
    await call("POST", `/api/sessions/${done}/complete`, {});
    const gone = await newSession();
    await call("POST", `/api/sessions/${gone}/cancel`, {});
    for (const [name, argument, code] of [
      ["track_session", { sessionId: UNKNOWN_ID }, "SESSION_NOT_FOUND"],
      ["track_session", {}, "INVALID_ARGUMENT"],
      ["track_session", 5, "INVALID_ARGUMENT"],
      ["track_session", { sessionId: gone }, "SESSION_CANCELLED"],
      ["cancel_session", { sessionId: UNKNOWN_ID }, "SESSION_NOT_FOUND"],
      ["cancel_session", { sessionId: done }, "SESSION_ENDED"],
      ["cancel_session", { sessionId: gone }, "SESSION_CANCELLED"],
      ["list_sessions", { status: "sleeping" }, "INVALID_ARGUMENT"],
    ]) {
      const answer = await command(socket, name, argument);
      assert.deepEqual([answer.ok, answer.error?.code], [false, code], `${name} ${JSON.stringify(argument)}`);
      assert.equal(typeof answer.error.message, "string");
    }
  });

  test("a command without an ack or without arguments harms nobody", async () => {
    socket.emit("track_session");
    socket.emit("cancel_session", null);
    socket.emit("list_sessions");
    socket.emit("import_progress", { sessionId: UNKNOWN_ID, progress: 1 });
    assert.equal((await command(socket, "list_sessions")).ok, true);
  });
});
