// CSV uploads end to end: the answer, the events that clients see, the counts, and the findings afterwards.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import {
  assertError,
  assertOrder,
  counts,
  findings,
  importAndWatch,
  keysOf,
  manyRows,
  nessusCsv,
  openWorld,
  runProgram,
  slowUpload,
  sorted,
  temporaryFolder,
  TIMESTAMP,
  UNKNOWN_ID,
  until,
  upload,
  UUID,
  watcher,
  within,
} from "./support.mjs";

let program, socket, close;
before(async () => ({ program, socket, close } = await openWorld()));
after(() => close());

const importCsv = (csv, options) => importAndWatch(socket, program, csv, options);

describe("the events of an import", () => {
  test("I99 I108 come in their order with every field, to a client on any transport", async (t) => {
    const polling = await watcher(t, program, { transports: ["polling"] });
    const csv = nessusCsv([
      { host: "order-1", id: 1, risk: "Critical" },
      { host: "order-1", id: 2, risk: "Low", cve: "CVE-2024-0001, CVE-2024-0002" },
    ]);
    const { answer, events } = await importCsv(csv, { filename: "order.csv", before: [["vendor", "generic"]] });
    assert.deepEqual(keysOf(answer), sorted("success", "sessionId", "importId", "filename", "vendor"));
    assert.deepEqual([answer.success, answer.filename, answer.vendor], [true, "order.csv", "nessus"]);
    assert.match(answer.sessionId, UUID);
    assert.ok(Number.isInteger(answer.importId));
    assertOrder(events);
    const [[, created]] = events;
    assert.deepEqual(keysOf(created), sorted("sessionId", "metadata", "timestamp", "seq"));
    assert.deepEqual([created.metadata.operation, created.metadata.filename], ["vulnerability_import", "order.csv"]);
    for (const [, payload] of events.filter(([name]) => name === "import_progress")) assertProgressFields(payload);
    const [, complete] = events.at(-2);
    const { result: _rest, ...known } = complete;
    assert.deepEqual(
      keysOf(known),
      sorted("sessionId", "operation", "success", "import_id", "total_processed", "processing_time_ms", "summary", "performance", "timestamp", "seq", "status"),
    );
    assert.deepEqual([complete.success, complete.status, complete.operation], [true, "completed", "vulnerability_import"]);
    assert.deepEqual([complete.import_id, complete.total_processed], [answer.importId, 2]);
    assert.deepEqual(
      keysOf(complete.summary),
      sorted(
        "new_vulnerabilities",
        "updated_vulnerabilities",
        "resolved_vulnerabilities",
        "skipped_duplicates",
        "validation_errors",
        "reopened",
        "unchanged",
        "encoding_replacements",
        "skipped_rows",
        "dates_corrected",
        "dates_unread",
        "warnings",
        "rejections",
        "rejections_by_reason",
      ),
    );
    assert.deepEqual(counts(complete.summary), { new_vulnerabilities: 3 });
    assert.deepEqual(keysOf(complete.performance), sorted("rows_per_second", "peak_memory_mb", "database_operations"));
    for (const number of Object.values(complete.performance)) assert.ok(number > 0, JSON.stringify(complete.performance));
    assert.ok(complete.processing_time_ms >= 0);
    const [, updated] = events.at(-1);
    assert.deepEqual(keysOf(updated), sorted("type", "action", "count", "affected_entities", "source", "timestamp"));
    assert.deepEqual(
      [updated.type, updated.action, updated.count, updated.source],
      ["vulnerabilities", "bulk_update", 3, { import_id: answer.importId, operation: "csv_import" }],
    );
    assert.deepEqual(updated.affected_entities, { hosts: ["order-1"], severity_changes: { new_critical: 1, new_low: 2 } });
    for (const [, payload] of events) assert.match(payload.timestamp, TIMESTAMP);
    await polling.ended(answer.sessionId);
    await socket.ended(answer.sessionId);
    const seen = () => polling.session(answer.sessionId, answer.importId);
    // Of progress a client gets the newest figure, and so one event or several.
    await until(() => seen().some(([name]) => name === "data_updated"), "all events over polling");
    assert.deepEqual(seen().filter(([name]) => name !== "import_progress"), events.filter(([name]) => name !== "import_progress"));
  });

  test("a long import shows rising progress, a tenth of a second apart", async () => {
    const { status, stdout } = await runProgram(["generate", "--bytes", "20000000", "--seed", "7"]);
    assert.equal(status, 0);
    const { answer, name, payload, events } = await importCsv(stdout, { filename: "long.csv" });
    assert.equal(name, "import_complete", JSON.stringify(payload));
    assertOrder(events);
    const progress = events.filter(([event]) => event === "import_progress").map(([, figures]) => figures);
    assert.ok(progress.length >= 2, `${progress.length} progress events`);
    progress.forEach((figures, index) => {
      assertProgressFields(figures);
      assert.equal(figures.metadata.filename, "long.csv");
      // Which scanner it is, is known when the first row has come.
      if (figures.processed_rows > 0) assert.equal(figures.metadata.vendor, answer.vendor);
      if (index === 0) return;
      const earlier = progress[index - 1];
      assert.ok(Date.parse(figures.timestamp) - Date.parse(earlier.timestamp) >= 100);
      assert.ok(figures.progress >= earlier.progress && figures.processed_rows >= earlier.processed_rows);
    });
    assert.ok(progress.every(({ progress }) => progress < 1));
    assert.ok(progress.some(({ processed_rows }) => processed_rows > 0));
    const summary = payload.summary;
    const records = ["new_vulnerabilities", "updated_vulnerabilities", "reopened", "unchanged", "skipped_duplicates"];
    assert.ok(records.reduce((sum, key) => sum + summary[key], 0) >= payload.total_processed);
    assert.equal(summary.validation_errors, 0);
  });

  test("what is generated depends on the seed alone", async () => {
    const generate = async (seed) => (await runProgram(["generate", "--bytes", "100000", "--seed", seed])).stdout;
    const [one, again, other] = [await generate("1"), await generate("1"), await generate("2")];
    assert.ok(one.equals(again));
    assert.ok(!one.equals(other));
    assert.ok(Math.abs(one.length - 100_000) < 10_000, `${one.length} bytes`);
  });
});

function assertProgressFields(payload) {
  assert.deepEqual(
    keysOf(payload),
    sorted("sessionId", "operation", "progress", "current_step", "processed_rows", "total_rows", "eta_seconds", "status", "metadata", "timestamp", "seq"),
  );
  assert.deepEqual([payload.operation, payload.status], ["vulnerability_import", "processing"]);
  assert.ok(payload.progress >= 0 && payload.progress <= 1);
  assert.ok(payload.eta_seconds === null || payload.eta_seconds >= 0);
}

describe("ways to upload", () => {
  async function curl(t, ...args) {
    const folder = temporaryFolder();
    const csv = path.join(folder, "with curl.csv");
    await fs.writeFile(csv, nessusCsv(manyRows("curl-host", 50)));
    const child = spawn("curl", ["-sS", "-i", ...args, "-F", `csvFile=@${csv}`, `${program.origin}/api/vulnerabilities/import`]);
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (output += text));
    const missing = new Promise((_, reject) => child.once("error", reject));
    try {
      await within(Promise.race([new Promise((resolve) => child.once("close", resolve)), missing]), "end of curl");
    } catch (error) {
      if (error.code === "ENOENT") return t.skip("no curl on this machine");
      throw error;
    }
    assert.match(output, /HTTP\/1\.1 202 /, output);
    const body = JSON.parse(output.slice(output.lastIndexOf("\r\n\r\n")));
    assert.equal(body.filename, "with curl.csv");
    assert.equal((await socket.ended(body.sessionId))[0], "import_complete");
    return output;
  }

  test("curl -F", async (t) => {
    await curl(t);
  });

  test("curl with Expect: 100-continue, which is answered first", async (t) => {
    const output = await curl(t, "-H", "Expect: 100-continue", "--expect100-timeout", "30");
    if (output) assert.match(output, /^HTTP\/1\.1 100 /);
  });

  test("the answer to a chunked upload comes, and total_rows is unknown until the end", async () => {
    const slow = slowUpload(program, { filename: "chunked.csv" });
    await slow.write(nessusCsv(manyRows("chunked-host", 300)));
    slow.end();
    const answer = await slow.answer();
    assert.equal(answer.status, 202);
    const [name, payload] = await socket.ended(answer.body.sessionId);
    assert.deepEqual([name, payload.total_processed], ["import_complete", 300]);
  });

  test("the answer waits for the last byte, the events do not", async () => {
    const text = nessusCsv(manyRows("waiting-host", 20));
    const slow = slowUpload(program, { csvBytes: text.length, filename: "waiting.csv" });
    await slow.write(text.slice(0, 500));
    const created = () => socket.log.find(([name, payload]) => name === "session_created" && payload.metadata.filename === "waiting.csv");
    await within((async () => { while (!created()) await new Promise(setImmediate); })(), "session_created during the upload");
    let answered = false;
    slow.answer().then(() => (answered = true));
    const [, { sessionId }] = created();
    assert.equal((await program.call("GET", `/api/sessions/${sessionId}`)).body.session.status, "processing");
    assert.equal(answered, false);
    await slow.write(text.slice(500));
    slow.end();
    assert.equal((await slow.answer()).body.sessionId, sessionId);
    assert.equal((await socket.ended(sessionId))[0], "import_complete");
  });

  test("vendor before and after the file, and detected when missing or generic", async () => {
    const csv = nessusCsv([{ host: "vendor-host" }]);
    for (const [options, vendor] of [
      [{ before: [["vendor", "acme"]] }, "acme"],
      [{ after: [["vendor", "acme"]] }, "acme"],
      [{ before: [["vendor", "generic"]] }, "nessus"],
      [{}, "nessus"],
    ]) {
      const { status, body } = await upload(program, csv, options);
      assert.equal(status, 202);
      await socket.ended(body.sessionId);
      const { items } = await findings(program, "vendor-host");
      assert.ok(items.some((item) => item.vendor === vendor), JSON.stringify(options));
      const history = (await program.call("GET", "/api/imports")).body.items.find(({ importId }) => importId === body.importId);
      assert.deepEqual([history.vendor, history.format, history.status], [vendor, "nessus", "completed"]);
    }
  });
});

describe("sessionId", () => {
  const csv = nessusCsv([{ host: "session-host" }]);
  const id = (number) => `00000000-0000-4000-9000-${String(number).padStart(12, "0")}`;

  test("a new id, before the file or in the query, is created in lower case", async () => {
    const before = await importCsv(csv, { before: [["sessionId", id(1).replace("9000", "ABCD")]] });
    assert.equal(before.answer.sessionId, id(1).replace("9000", "abcd"));
    assertOrder(before.events);
    const query = await importCsv(csv, { query: `?sessionId=${id(2)}` });
    assert.equal(query.answer.sessionId, id(2));
    assertOrder(query.events);
  });

  test("a session made before is used, and announced only once", async () => {
    const made = await program.call("POST", "/api/sessions", { metadata: { note: "mine" } });
    const { answer, events, payload } = await importCsv(csv, { query: `?sessionId=${made.body.sessionId}` });
    assert.equal(answer.sessionId, made.body.sessionId);
    assert.equal(payload.sessionId, made.body.sessionId);
    assertOrder(events);
    assert.equal(events.filter(([name]) => name === "session_created").length, 1);
  });

  test("after the file it comes too late: 400", async () => {
    assertError(await upload(program, csv, { after: [["sessionId", id(3)]] }), 400, "INVALID_ARGUMENT");
  });

  test("that is no UUID: 400", async () => {
    assertError(await upload(program, csv, { query: "?sessionId=17" }), 400, "INVALID_ARGUMENT");
    assertError(await upload(program, csv, { before: [["sessionId", "17"]] }), 400, "INVALID_ARGUMENT");
  });

  test("that was used or has ended: 409", async () => {
    const { answer } = await importCsv(csv);
    const ended = await program.call("POST", "/api/sessions", {});
    await program.call("POST", `/api/sessions/${ended.body.sessionId}/complete`, {});
    for (const sessionId of [answer.sessionId, ended.body.sessionId]) {
      const again = await upload(program, csv, { query: `?sessionId=${sessionId}` });
      assert.equal(again.status, 409);
      assert.match(again.body.error.code, /^SESSION_(ENDED|EXISTS)$/);
    }
  });
});

describe("forms that are none", () => {
  const post = async (body, headers) => {
    const answer = await fetch(`${program.origin}/api/vulnerabilities/import`, { method: "POST", body, headers });
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  };

  test("JSON or plain text: 415", async () => {
    assertError(await post("{}", { "Content-Type": "application/json" }), 415, "UNSUPPORTED_MEDIA_TYPE");
    assertError(await post("a,b", { "Content-Type": "text/csv" }), 415, "UNSUPPORTED_MEDIA_TYPE");
  });

  test("a form without a file, without a boundary, or cut off: 400", async () => {
    const empty = new FormData();
    empty.append("vendor", "tenable");
    assertError(await post(empty), 400, "INVALID_ARGUMENT");
    assertError(await post("x", { "Content-Type": "multipart/form-data" }), 400, "INVALID_ARGUMENT");
    assertError(await post("--b\r\ngarbage", { "Content-Type": "multipart/form-data; boundary=b" }), 400, "INVALID_ARGUMENT");
  });

  test("a form that ends inside the file harms nobody: nothing of it is taken", async () => {
    const head = '--b\r\nContent-Disposition: form-data; name="csvFile"; filename="cut.csv"\r\n\r\n';
    const answer = await post(head + nessusCsv(manyRows("cut-host", 3)), { "Content-Type": "multipart/form-data; boundary=b" });
    assert.ok([202, 400].includes(answer.status));
    if (answer.status === 202) assert.notEqual((await socket.ended(answer.body.sessionId))[0], "import_complete");
    assert.equal((await findings(program, "cut-host")).total, 0);
  });

  test("a session nobody knows is not found", async () => {
    assertError(await program.call("GET", `/api/sessions/${UNKNOWN_ID}`), 404, "SESSION_NOT_FOUND");
  });
});
