// What an upload can ask for beside its file, seen from outside: waiting, trying, mapping, scope, dates, sites, and taking back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertError, counts, findings, importAndWatch, keysOf, manyRows, nessusCsv, openWorld, sorted, until, UUID, upload } from "./support.mjs";

let program, socket, close;
before(async () => ({ program, socket, close } = await openWorld()));
after(() => close());

/** Uploads and waits for the outcome; `fields` are those of the query. */
const importAndWait = (csv, fields = {}) => upload(program, csv, { query: `?${new URLSearchParams({ wait: "true", ...fields })}` });

/** What a list of findings says, without the numbers that only count up. */
const state = async (host) => (await findings(program, host)).items;

const OWN_TABLE = "Machine,What,How bad\nown-host,Old kernel,grave\nown-host,Open port,meh\n";
const OWN_FIELDS = {
  mapping: JSON.stringify({ host: "Machine", check: "What", severity: "How bad" }),
  severityMap: JSON.stringify({ grave: "Critical", meh: "Low" }),
  vendor: "own",
};

test("with wait=true the answer is the outcome: 200 with the figures", async () => {
  const answer = await importAndWait(nessusCsv([...manyRows("wait-host", 3), { host: "wait-host", risk: "Zz" }]));
  assert.equal(answer.status, 200);
  const { body } = answer;
  assert.deepEqual(
    keysOf(body),
    sorted("success", "sessionId", "importId", "filename", "vendor", "total_processed", "processing_time_ms", "summary", "performance"),
  );
  assert.match(body.sessionId, UUID);
  assert.deepEqual([body.success, body.vendor, body.total_processed], [true, "nessus", 3]);
  assert.deepEqual(counts(body.summary), { new_vulnerabilities: 3, validation_errors: 1 });
  assert.deepEqual(keysOf(body.performance), sorted("rows_per_second", "peak_memory_mb", "database_operations"));
  const [, told] = await socket.ended(body.sessionId);
  assert.deepEqual(told.summary, body.summary);
});

test("with wait=true a failed import is answered 422 with its error", async () => {
  const { status, body } = await importAndWait("fruit,colour\napple,red\n");
  assert.equal(status, 422);
  assert.deepEqual([body.success, body.error.code], [false, "CSV_UNKNOWN_FORMAT"]);
  assert.ok(body.error.recovery_suggestions.length > 0);
  assert.equal(body.partial_results.rolled_back, true);
});

test("with wait=true a cancelled import is answered 410", async () => {
  const sessionId = "0d7b1e52-8a35-4c0b-9f0e-6b1f0e7d2c11";
  const csv = nessusCsv(manyRows("gone-host", 60_000));
  const answer = importAndWait(csv, { sessionId });
  await until(() => socket.session(sessionId).length > 0, "events of the import");
  assert.equal((await program.call("POST", `/api/sessions/${sessionId}/cancel`, {})).status, 200);
  assertError(await answer, 410, "SESSION_CANCELLED");
  assert.equal((await findings(program, "gone-host")).total, 0);
});

test("I106 a dry run counts as an import would, and leaves findings, history and listeners alone", async () => {
  const rows = manyRows("try-host", 4);
  await importAndWait(nessusCsv(rows.slice(0, 2)), { vendor: "try" });
  const before = [await state("try-host"), (await program.call("GET", "/api/imports")).body];
  const csv = nessusCsv([...rows.slice(1), { host: "try-host", risk: "Zz" }]);
  const { status, body } = await importAndWait(csv, { vendor: "try", dryRun: "true" });
  assert.deepEqual([status, body.importId, body.summary.dry_run], [200, null, true]);
  const wanted = { new_vulnerabilities: 2, unchanged: 1, resolved_vulnerabilities: 1, validation_errors: 1 };
  assert.deepEqual(counts(body.summary), wanted);
  const [name, told] = await socket.ended(body.sessionId);
  assert.deepEqual([name, told.import_id], ["import_complete", null]);
  assert.deepEqual([await state("try-host"), (await program.call("GET", "/api/imports")).body], before);
  const real = await importAndWatch(socket, program, csv, { query: "?vendor=try" });
  assert.deepEqual(counts(real.payload.summary), wanted);
  assert.ok(!socket.log.some(([event, data]) => event === "data_updated" && data.source.import_id === null));
});

test("columns and words of an own table are mapped, and the mapping is remembered for its header", async () => {
  assert.equal((await importAndWait(OWN_TABLE, { vendor: "own" })).status, 422);
  const first = await importAndWait(OWN_TABLE, OWN_FIELDS);
  assert.deepEqual([first.status, counts(first.body.summary)], [200, { new_vulnerabilities: 2 }]);
  const found = (await state("own-host")).map(({ title, severity }) => [title, severity]);
  assert.deepEqual(new Map(found), new Map([["Old kernel", "Critical"], ["Open port", "Low"]]));
  const { severityMap, vendor } = OWN_FIELDS;
  const again = await importAndWait(OWN_TABLE, { severityMap, vendor });
  assert.deepEqual(counts(again.body.summary), { unchanged: 2 });
  assert.equal(again.body.summary.warnings.length, 1);
});

test("a mapping that makes no sense is refused", async () => {
  for (const [name, value] of [
    ["mapping", "host"],
    ["mapping", '{"colour": "x"}'],
    ["mapping", '{"host": 3}'],
    ["severityMap", '{"x": "Apocalyptic"}'],
    ["resolve", "some"],
    ["scanDate", "soon"],
    ["scanDate", "2199-01-01"],
    ["dryRun", "yes"],
    ["colour", "red"],
    ["site", ""],
  ]) {
    const answer = await upload(program, OWN_TABLE, { query: `?${new URLSearchParams({ [name]: value })}` });
    assertError(answer, 400, "INVALID_ARGUMENT");
    assert.match(answer.body.error.message, new RegExp(name));
  }
});

test("resolve: the hosts of the file, all of the label, or nothing", async () => {
  const rows = (host) => manyRows(`${host}-scope`, 2);
  const label = { vendor: "scope" };
  await importAndWait(nessusCsv([...rows("a"), ...rows("b")]), label);
  const one = nessusCsv(rows("a").slice(0, 1));
  for (const [resolve, resolved] of [["none", 0], ["hosts", 1], ["all", 2]]) {
    const { body } = await importAndWait(one, { ...label, resolve });
    assert.deepEqual(counts(body.summary), resolved ? { unchanged: 1, resolved_vulnerabilities: resolved } : { unchanged: 1 }, resolve);
  }
  const [item] = await state("b-scope");
  assert.equal(item.status, "resolved");
  assert.ok(Date.parse(item.resolvedAt) > 0);
});

test("a table of unknown origin resolves nothing, and may not be asked to", async () => {
  const table = (rows) => `host,title,severity\n${rows.join("\n")}\n`;
  await importAndWait(table(["plain-host,one,Low", "plain-host,two,Low"]));
  const part = table(["plain-host,one,Low"]);
  assert.deepEqual(counts((await importAndWait(part)).body.summary), { unchanged: 1 });
  const asked = await importAndWait(part, { resolve: "hosts" });
  assert.deepEqual([asked.status, asked.body.error.code], [422, "INVALID_ARGUMENT"]);
});

test("an older scan is refused, and where it is allowed it neither resolves nor reopens", async () => {
  const rows = manyRows("old-host", 2);
  const label = { vendor: "old" };
  await importAndWait(nessusCsv(rows), { ...label, scanDate: "2025-03-10" });
  const older = { ...label, scanDate: "2025-03-01" };
  const part = nessusCsv(rows.slice(0, 1));
  const refused = await importAndWait(part, older);
  assert.deepEqual([refused.status, refused.body.error.code, refused.body.error.details.hosts], [422, "OLDER_SCAN", ["old-host"]]);
  const allowed = await importAndWait(part, { ...older, allowOlder: "true" });
  assert.deepEqual(counts(allowed.body.summary), { unchanged: 1 });
  const [item] = await state("old-host");
  assert.deepEqual([item.status, item.lastSeen], ["active", "2025-03-10T00:00:00.000Z"]);
});

test("hosts of one name at two sites are two", async () => {
  const csv = nessusCsv([{ host: "10.99.0.1" }]);
  await importAndWait(csv, { site: "Harbour" });
  const { body } = await importAndWait(csv, { site: "Airport" });
  assert.deepEqual(counts(body.summary), { new_vulnerabilities: 1 });
  assert.deepEqual((await state("10.99.0.1")).map(({ site }) => site).sort(), ["Airport", "Harbour"]);
});

test("an import is read by its number, with its rejections", async () => {
  const { body } = await importAndWait(nessusCsv([{ host: "read-host" }, { host: "read-host", risk: "Zz" }, { host: "" }]), { vendor: "read" });
  const answer = await program.call("GET", `/api/imports/${body.importId}`);
  assert.equal(answer.status, 200);
  const { import: entry } = answer.body;
  assert.deepEqual([entry.importId, entry.status, entry.vendor, entry.format], [body.importId, "completed", "read", "nessus"]);
  assert.deepEqual(entry.rejections, [
    { line_number: 3, column: "severity", received_value: "Zz", reason: "unknown_severity" },
    { line_number: 4, column: "host", received_value: "", reason: "missing_host" },
  ]);
  assert.deepEqual(entry.rejections_by_reason, { missing_host: 1, unknown_severity: 1 });
  for (const id of ["9999999", "0"]) assertError(await program.call("GET", `/api/imports/${id}`), 404, "NOT_FOUND");
  assert.match((await program.call("GET", "/api/imports/0")).body.error.message, /no import 0/);
  for (const id of ["x", "-1"]) assertError(await program.call("GET", `/api/imports/${id}`), 400, "INVALID_ARGUMENT");
  assertError(await program.call("GET", `/api/imports/${body.importId}?limit=1`), 400, "INVALID_ARGUMENT");
});

test("an import that is taken back leaves the findings as they were, once, and tells everybody", async () => {
  const rows = manyRows("undo-host", 4);
  const label = { vendor: "undo" };
  const first = await importAndWait(nessusCsv(rows.slice(0, 3)), label);
  await importAndWait(nessusCsv(rows.slice(0, 2)), label);
  const before = await state("undo-host");
  // One is updated, one resolved, one reopened, one new.
  const last = await importAndWait(nessusCsv([{ ...rows[0], risk: "Low", cvss: "2.0" }, rows[2], rows[3]]), label);
  assert.deepEqual(counts(last.body.summary), { new_vulnerabilities: 1, updated_vulnerabilities: 1, reopened: 1, resolved_vulnerabilities: 1 });
  const undo = (importId) => program.call("DELETE", `/api/imports/${importId}`);
  assertError(await undo(first.body.importId), 409, "IMPORT_NOT_NEWEST");
  const undone = await undo(last.body.importId);
  assert.deepEqual([undone.status, undone.body], [200, { undone: { removed: 1, reactivated: 1, resolved: 1, restored: 1 } }]);
  assert.deepEqual(await state("undo-host"), before);
  const told = () => socket.log.find(([name, { source } = {}]) => name === "data_updated" && source?.operation === "import_undo");
  const [, change] = await until(told, "data_updated");
  assert.deepEqual([change.source.import_id, change.count, change.affected_entities.hosts], [last.body.importId, 4, ["undo-host"]]);
  const { import: entry } = (await program.call("GET", `/api/imports/${last.body.importId}`)).body;
  assert.ok(Date.parse(entry.undoneAt) > 0);
  assertError(await undo(last.body.importId), 409, "IMPORT_NOT_NEWEST");
  assertError(await undo(9_999_999), 404, "NOT_FOUND");
});
