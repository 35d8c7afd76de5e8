// CSV uploads end to end: the answer, the events that clients see, the counts, and the findings afterwards.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import {
  assertError,
  findings,
  importAndWatch,
  manyRows,
  NESSUS_HEADER,
  nessusCsv,
  nessusRow,
  runProgram,
  slowUpload,
  startProgram,
  temporaryFolder,
  TERMINAL,
  TIMESTAMP,
  UNKNOWN_ID,
  upload,
  UUID,
  watcher,
  within,
} from "./support.mjs";

let program;
let socket;
const cleanups = [];
const file = { after: (cleanup) => cleanups.unshift(cleanup) };
before(async () => {
  program = await startProgram(file);
  socket = await watcher(file, program);
});
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

const keysOf = (value) => Object.keys(value).sort();
const sorted = (...names) => names.sort();
const importCsv = (csv, options) => importAndWatch(socket, program, csv, options);
const summaryOf = async (csv, options) => {
  const { name, payload } = await importCsv(csv, options);
  assert.equal(name, "import_complete", JSON.stringify(payload));
  return payload.summary;
};

/** Numbers of a summary that are not zero. */
const counts = (summary) => Object.fromEntries(Object.entries(summary).filter(([, count]) => count !== 0));

describe("the events of an import", () => {
  test("come in their order with every field, to a client on any transport", async (t) => {
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
    assert.deepEqual(keysOf(created), sorted("sessionId", "metadata", "timestamp"));
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
    await within((async () => { while (seen().length < events.length) await new Promise(setImmediate); })(), "all events over polling");
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
      assert.deepEqual([figures.metadata.filename, figures.metadata.vendor], ["long.csv", answer.vendor]);
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

/** session_created < import_progress* < exactly one terminal event < data_updated after a completion. */
function assertOrder(events) {
  const names = events.map(([name]) => name);
  const middle = names.slice(1, names.at(-1) === "data_updated" ? -2 : -1);
  assert.equal(names[0], "session_created", `${names}`);
  assert.ok(middle.every((name) => name === "import_progress"), `${names}`);
  assert.equal(names.filter((name) => TERMINAL.includes(name)).length, 1, `${names}`);
  const seqs = events.map(([, payload]) => payload.seq).filter((seq) => seq !== undefined);
  seqs.forEach((seq, index) => assert.ok(Number.isInteger(seq) && (index === 0 || seq > seqs[index - 1]), `seq ${seqs}`));
}

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
    const folder = await temporaryFolder(t);
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

describe("counts", () => {
  test("again unchanged, changed updated, missing resolved, back reopened", async () => {
    const rows = manyRows("counts-1", 20);
    assert.deepEqual(counts(await summaryOf(nessusCsv(rows))), { new_vulnerabilities: 20 });
    assert.deepEqual(counts(await summaryOf(nessusCsv(rows))), { unchanged: 20 });
    const changed = rows.map((row, i) => (i < 3 ? { ...row, risk: "Low" } : row));
    assert.deepEqual(counts(await summaryOf(nessusCsv(changed))), { updated_vulnerabilities: 3, unchanged: 17 });
    assert.deepEqual(counts(await summaryOf(nessusCsv(changed.slice(0, 15)))), { unchanged: 15, resolved_vulnerabilities: 5 });
    assert.deepEqual((await findings(program, "counts-1", "&status=resolved")).total, 5);
    assert.deepEqual(counts(await summaryOf(nessusCsv(changed))), { unchanged: 15, reopened: 5 });
    assert.deepEqual((await findings(program, "counts-1", "&status=active")).total, 20);
  });

  test("hosts that are not in the file are left alone, and so are other vendors", async () => {
    await summaryOf(nessusCsv([...manyRows("counts-2", 5), ...manyRows("counts-3", 5)]));
    await summaryOf(nessusCsv(manyRows("counts-2", 7)), { before: [["vendor", "other"]] });
    assert.deepEqual(counts(await summaryOf(nessusCsv(manyRows("counts-2", 4)))), { unchanged: 4, resolved_vulnerabilities: 1 });
    assert.equal((await findings(program, "counts-3", "&status=active")).total, 5);
    assert.equal((await findings(program, "counts-2", "&status=active")).total, 4 + 7);
  });

  test("duplicates, several CVEs in a cell, bad rows", async () => {
    const rows = [
      { host: "counts-4", id: 1, cve: "CVE-2020-0001,CVE-2020-0002,CVE-2020-0001" },
      { host: "counts-4", id: 1, cve: "CVE-2020-0001" },
      { host: "counts-4", id: 2 },
      { host: "COUNTS-4", id: 2 },
      { host: "", id: 3 },
      { host: "counts-4", id: 4, risk: "Apocalyptic" },
    ];
    const { payload } = await importCsv(nessusCsv(rows));
    assert.equal(payload.total_processed, 4);
    assert.deepEqual(counts(payload.summary), { new_vulnerabilities: 3, skipped_duplicates: 2, validation_errors: 2 });
  });

  test("replaced bytes are counted and reject nothing", async () => {
    const csv = Buffer.concat([Buffer.from(NESSUS_HEADER), Buffer.from(nessusRow({ host: "counts-5", name: "caf@" })).map((byte) => (byte === 0x40 ? 0xe9 : byte))]);
    const summary = await summaryOf(csv);
    assert.ok(summary.encoding_replacements >= 1);
    assert.deepEqual([summary.new_vulnerabilities, summary.validation_errors], [1, 0]);
  });

  test("BOM, CRLF, embedded newlines, a ragged row and empty lines at the end are no trouble", async () => {
    const rows = nessusRow({ host: "counts-6", id: 1, solution: "Line one\nline two" }) + `2,,5.0,Medium,counts-6,tcp,80,Ragged\n`;
    const summary = await summaryOf(`\ufeff${(NESSUS_HEADER + rows).replaceAll("\n", "\r\n")}\r\n\r\n`);
    assert.deepEqual(counts(summary), { new_vulnerabilities: 2 });
  });
});

describe("reading findings and imports", () => {
  test("findings carry all their fields and can be narrowed and paged", async () => {
    await summaryOf(
      nessusCsv([
        { host: "10.77.0.1", id: 1, risk: "Critical", cve: "CVE-2021-1", name: "One", cvss: "9.8", port: 80 },
        { host: "10.77.0.1", id: 2, risk: "Info" === "Info" ? "None" : "", name: "Two" },
        { host: "10.77.0.1", id: 3, risk: "High", name: "Three" },
      ]),
    );
    const all = await findings(program, "10.77.0.1");
    assert.deepEqual(keysOf(all), sorted("total", "limit", "offset", "items"));
    assert.deepEqual([all.total, all.offset, all.items.length], [3, 0, 3]);
    for (const item of all.items) {
      assert.deepEqual(
        keysOf(item),
        sorted("id", "vendor", "host", "ip", "hostname", "check", "title", "cve", "port", "protocol", "severity", "cvss", "status", "firstSeen", "lastSeen", "importId"),
      );
    }
    assert.deepEqual(new Set(all.items.map(({ severity }) => severity)), new Set(["Critical", "Info", "High"]));
    const one = (await findings(program, "10.77.0.1", "&severity=Critical")).items;
    assert.equal(one.length, 1);
    assert.deepEqual([one[0].title, one[0].cve, one[0].status, one[0].vendor, String(one[0].port)], ["One", "CVE-2021-1", "active", "nessus", "80"]);
    assert.equal((await findings(program, "10.77.0")).total, 0, "the host matches exactly");
    const page = (await program.call("GET", "/api/vulnerabilities?host=10.77.0.1&limit=2&offset=2")).body;
    assert.deepEqual([page.total, page.limit, page.offset, page.items.length], [3, 2, 2, 1]);
    assert.equal((await program.call("GET", "/api/vulnerabilities")).body.limit, 100);
  });

  test("bad filters are refused", async () => {
    for (const query of ["severity=Apocalyptic", "status=gone", "limit=x", "limit=-1", "offset=-1", "offset=x"]) {
      assertError(await program.call("GET", `/api/vulnerabilities?${query}`), 400, "INVALID_ARGUMENT");
    }
    for (const query of ["limit=x", "offset=-1"]) {
      assertError(await program.call("GET", `/api/imports?${query}`), 400, "INVALID_ARGUMENT");
    }
  });

  test("the history tells the newest import first, with its summary or its error", async () => {
    const good = await importCsv(nessusCsv([{ host: "history-host" }]), { filename: "good.csv" });
    const bad = await importCsv("", { filename: "bad.csv" });
    const { total, limit, offset, items } = (await program.call("GET", "/api/imports?limit=2")).body;
    assert.ok(total >= 2);
    assert.deepEqual([limit, offset, items.length], [2, 0, 2]);
    for (const item of items) {
      assert.deepEqual(keysOf(item), sorted("importId", "sessionId", "filename", "vendor", "format", "status", "startedAt", "finishedAt", "summary", "error"));
    }
    assert.deepEqual(items.map((item) => [item.importId, item.status]), [[bad.answer.importId, "error"], [good.answer.importId, "completed"]]);
    assert.deepEqual(items[1].summary, good.payload.summary);
    assert.equal(items[0].error.code, "CSV_EMPTY");
  });
});

describe("files that cannot be imported: 202 and import_error", () => {
  async function fails(csv, code) {
    const { answer, name, payload, events } = await importCsv(csv);
    assert.equal(name, "import_error");
    assertOrder(events);
    assert.deepEqual(
      keysOf(payload),
      sorted("sessionId", "operation", "success", "error", "partial_results", "timestamp", "seq", "status"),
    );
    assert.deepEqual([payload.success, payload.status, payload.error.code], [false, "error", code]);
    assert.equal(typeof payload.error.message, "string");
    assert.ok(Array.isArray(payload.error.recovery_suggestions) && payload.error.recovery_suggestions.length > 0);
    const { processed_rows, successful_imports, failed_rows } = payload.partial_results;
    assert.equal(processed_rows, successful_imports + failed_rows);
    const session = (await program.call("GET", `/api/sessions/${answer.sessionId}`)).body.session;
    assert.equal(session.status, "error");
    return payload;
  }

  test("an empty file", async () => {
    await fails("", "CSV_EMPTY");
  });

  test("a header alone holds no findings, but is a scan", async () => {
    const { name, payload } = await importCsv(NESSUS_HEADER);
    if (name === "import_complete") assert.equal(payload.total_processed, 0);
    else assert.equal(payload.error.code, "CSV_EMPTY");
  });

  test("columns of no scanner", async () => {
    const { error } = await fails("fruit,colour\napple,red\n", "CSV_UNKNOWN_FORMAT");
    assert.deepEqual(error.details.columns_found, ["fruit", "colour"]);
    assert.ok(error.details.columns_wanted);
  });

  test("more than a hundred and more than a twentieth of bad rows: nothing is taken", async () => {
    const rows = [...manyRows("toomany-host", 100), ...manyRows("toomany-host", 101).map((row) => ({ ...row, risk: "Apocalyptic" }))];
    const { partial_results } = await fails(nessusCsv(rows), "TOO_MANY_INVALID_ROWS");
    assert.deepEqual(
      [partial_results.processed_rows, partial_results.successful_imports, partial_results.failed_rows],
      [201, 100, 101],
    );
    assert.equal((await findings(program, "toomany-host")).total, 0);
  });

  test("exactly a hundred bad rows are tolerated", async () => {
    const rows = [...manyRows("justfine-host", 10), ...manyRows("justfine-host", 100).map((row) => ({ ...row, risk: "Apocalyptic" }))];
    assert.deepEqual(counts(await summaryOf(nessusCsv(rows))), { new_vulnerabilities: 10, validation_errors: 100 });
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
