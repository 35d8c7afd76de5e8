// What an import counts, what of it can be read afterwards, and files that cannot be imported.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  assertError,
  assertOrder,
  counts,
  findings,
  importAndWatch,
  keysOf,
  manyRows,
  NESSUS_HEADER,
  nessusCsv,
  nessusRow,
  openWorld,
  sorted,
} from "./support.mjs";

let program, socket, close;
before(async () => ({ program, socket, close } = await openWorld()));
after(() => close());

const importCsv = (csv, options) => importAndWatch(socket, program, csv, options);
const summaryOf = async (csv, options) => {
  const { name, payload } = await importCsv(csv, options);
  assert.equal(name, "import_complete", JSON.stringify(payload));
  return payload.summary;
};

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

  test("I68 I99 rejected rows are told in the event and in the history, and protect their findings", async () => {
    const rows = [{ host: "counts-7", id: 1 }, { host: "counts-7", id: 2 }, { host: "counts-7", id: 3 }];
    await summaryOf(nessusCsv(rows));
    const summary = await summaryOf(nessusCsv([rows[0], { ...rows[1], risk: "Xyzzy" }]));
    assert.deepEqual(counts(summary), { unchanged: 1, validation_errors: 1, resolved_vulnerabilities: 1 });
    assert.deepEqual(summary.rejections, [{ line_number: 3, column: "severity", received_value: "Xyzzy", reason: "unknown_severity" }]);
    assert.deepEqual(summary.rejections_by_reason, { unknown_severity: 1 });
    const { items } = (await program.call("GET", "/api/imports?limit=1")).body;
    assert.deepEqual(items[0].summary, summary);
    assert.deepEqual((await findings(program, "counts-7", "&status=resolved")).items.map(({ check }) => check), ["3"]);
  });

  test("I8 replaced bytes are counted and reject nothing", async () => {
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
        { host: "10.77.0.1", id: 2, risk: "None", name: "Two" },
        { host: "10.77.0.1", id: 3, risk: "High", name: "Three" },
      ]),
    );
    const all = await findings(program, "10.77.0.1");
    assert.deepEqual(keysOf(all), sorted("total", "limit", "offset", "items", "next"));
    assert.deepEqual([all.total, all.offset, all.items.length], [3, 0, 3]);
    for (const item of all.items) {
      assert.deepEqual(
        keysOf(item),
        sorted("id", "vendor", "host", "ip", "hostname", "check", "title", "cve", "port", "protocol", "severity", "cvss", "status", "firstSeen", "lastSeen", "resolvedAt", "reopenedAt", "solution", "scannerState", "importId"),
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

  test("rows of which none can be taken: nothing is changed, and every reason is told", async () => {
    await summaryOf(nessusCsv([{ host: "novalid-host" }]));
    const { error } = await fails(nessusCsv([{ host: "novalid-host", risk: "Zz" }, { host: "" }]), "NO_VALID_ROWS");
    assert.deepEqual(error.details.rejections, [
      { line_number: 2, column: "severity", received_value: "Zz", reason: "unknown_severity" },
      { line_number: 3, column: "host", received_value: "", reason: "missing_host" },
    ]);
    assert.deepEqual(error.details.rejections_by_reason, { missing_host: 1, unknown_severity: 1 });
    const { items } = (await program.call("GET", "/api/imports?limit=1")).body;
    assert.deepEqual(items[0].error.details, error.details);
    assert.equal((await findings(program, "novalid-host", "&status=active")).total, 1);
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
