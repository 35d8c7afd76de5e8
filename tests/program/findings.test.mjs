// The stored findings, read from outside: filters, order, cursors, statistics, and files to save.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertError, findings, keysOf, NESSUS_HEADER, nessusRow, openWorld, sorted, upload } from "./support.mjs";

const ROWS = [
  { host: "alpha", id: 1, name: "Old server", risk: "Critical", cvss: "9.8", cve: "CVE-2025-0001" },
  { host: "alpha", id: 2, name: "Weak cipher", risk: "Medium", cvss: "5.3", cve: "" },
  { host: "beta", id: 1, name: "Old server", risk: "High", cvss: "8.1", cve: "CVE-2025-0001" },
  { host: "beta", id: 3, name: '=cmd|"/c calc"!A1', risk: "Low", cvss: "2.0", cve: "", solution: "+1, -1" },
  { host: "gamma", id: 4, name: "100%_odd", risk: "None", cvss: "", cve: "" },
];

let program, close;
before(async () => {
  ({ program, close } = await openWorld());
  const load = (rows, vendor) => upload(program, NESSUS_HEADER + rows.map(nessusRow).join(""), { query: `?wait=true&vendor=${vendor}` });
  await load(ROWS, "first");
  // Resolves what is known of gamma but one of another label.
  await load([{ ...ROWS[4], id: 5, name: "Banner" }], "first");
  await load([ROWS[0]], "second");
});
after(() => close());

const list = async (query) => {
  const answer = await program.call("GET", `/api/vulnerabilities?${query}`);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
};
const titles = async (query) => (await list(query)).items.map(({ title }) => title);

describe("filters", () => {
  for (const [query, total] of [
    ["", 7],
    ["severity=critical", 2],
    ["severity=Critical&severity=HIGH", 3],
    ["vendor=First", 6],
    ["vendor=first&vendor=second", 7],
    ["vendor=third", 0],
    ["host=ALPHA", 3],
    ["host=alph", 0],
    ["status=resolved", 1],
    ["status=active", 6],
    ["cve=cve-2025-0001", 3],
    ["cve=CVE-2025", 0],
    ["q=cipher", 1],
    ["q=ALPHA", 3],
    ["q=0001", 3],
    ["q=%25_o", 1],
    ["q=%25", 1],
    ["host=beta&severity=low", 1],
    ["q=old&vendor=second&severity=critical", 1],
  ]) {
    test(`?${query} lets ${total} through`, async () => assert.equal((await list(query)).total, total));
  }

  test("fields that are unknown, empty, wrong or given twice are named", async () => {
    for (const [query, word] of [
      ["colour=red", "colour"],
      ["host=", "host"],
      ["severity=", "severity"],
      ["severity=Low&severity=Apocalyptic", "severity"],
      ["status=gone", "status"],
      ["status=active&status=resolved", "status"],
      ["sort=colour", "sort"],
      ["limit=-1", "limit"],
      ["limit=1&limit=2", "limit"],
      ["offset=x", "offset"],
      ["cursor=x", "cursor"],
    ]) {
      const answer = await program.call("GET", `/api/vulnerabilities?${query}`);
      assertError(answer, 400, "INVALID_ARGUMENT");
      assert.match(answer.body.error.message, new RegExp(word), query);
    }
    for (const target of ["/api/imports?colour=red", "/api/imports?limit=", "/api/vulnerabilities/stats?x=1", "/api/vulnerabilities.csv?limit=1"]) {
      assertError(await program.call("GET", target), 400, "INVALID_ARGUMENT");
    }
  });
});

describe("order and pages", () => {
  test("lists are sorted by what was asked for, both ways", async () => {
    const severities = async (query) => (await list(query)).items.map(({ severity }) => severity);
    assert.deepEqual(await severities("sort=-severity&vendor=first&status=active"), ["Critical", "High", "Medium", "Low", "Info"]);
    assert.deepEqual(await severities("sort=severity&vendor=first&status=active"), ["Info", "Low", "Medium", "High", "Critical"]);
    assert.deepEqual((await list("sort=-cvss&vendor=first&status=active")).items.map(({ cvss }) => cvss), [9.8, 8.1, 5.3, 2, null]);
    assert.deepEqual(await titles("sort=title&host=alpha&vendor=first"), ["Old server", "Weak cipher"]);
    const ids = (await list("")).items.map(({ id }) => id);
    assert.deepEqual(ids, ids.toSorted((a, b) => b - a));
  });

  for (const sort of ["id", "-id", "severity", "-severity", "cvss", "-cvss", "host", "-host", "title", "-title", "firstSeen", "-lastSeen"]) {
    test(`cursors go through a list sorted by ${sort}, page by page`, async () => {
      const whole = (await list(`sort=${sort}`)).items.map(({ id }) => id);
      const seen = [];
      let cursor = "";
      do {
        const page = await list(`sort=${sort}&limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
        seen.push(...page.items.map(({ id }) => id));
        cursor = page.next;
      } while (cursor !== null);
      assert.deepEqual(seen, whole);
    });
  }

  test("a cursor goes on where it was, whatever is imported meanwhile, and with its own order alone", async () => {
    const first = await list("limit=2");
    await upload(program, NESSUS_HEADER + nessusRow({ host: "delta", id: 9 }), { query: "?wait=true&vendor=third" });
    const second = await list(`limit=2&cursor=${first.next}`);
    assert.ok(second.items[0].id < first.items[1].id);
    assert.equal(second.items.length, 2);
    assertError(await program.call("GET", `/api/vulnerabilities?sort=title&cursor=${first.next}`), 400, "INVALID_ARGUMENT");
    assertError(await program.call("GET", `/api/vulnerabilities?offset=2&cursor=${first.next}`), 400, "INVALID_ARGUMENT");
    await program.call("DELETE", `/api/imports/${(await program.call("GET", "/api/imports?limit=1")).body.items[0].importId}`);
  });
});

describe("files to save", () => {
  const save = async (target) => {
    const answer = await fetch(program.origin + target);
    return { answer, text: await answer.text() };
  };

  test("JSON has the same findings as the list", async () => {
    const { answer, text } = await save("/api/vulnerabilities.json?vendor=first&sort=title");
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-disposition"), /^attachment; filename="?[^"]+\.json"?$/);
    const saved = JSON.parse(text);
    assert.deepEqual(saved, (await list("vendor=first&sort=title")).items);
  });

  test("CSV has a line for each finding, and no cell that a spreadsheet would run", async () => {
    const { answer, text } = await save("/api/vulnerabilities.csv?host=beta&sort=severity");
    assert.match(answer.headers.get("content-type"), /^text\/csv/);
    assert.match(answer.headers.get("content-disposition"), /^attachment; filename="?[^"]+\.csv"?$/);
    const lines = text.trim().split("\r\n");
    assert.equal(lines.length, 3);
    assert.match(lines[0], /host.*title.*severity/);
    assert.ok(lines[1].includes(`"'=cmd|""/c calc""!A1"`), lines[1]);
    assert.ok(lines[1].includes(`"'+1, -1"`), lines[1]);
    for (const line of lines) assert.doesNotMatch(line, /(^|,)"?[=+@]/);
  });

  test("what was saved as CSV is an import like any other", async () => {
    const { text } = await save("/api/vulnerabilities.csv?vendor=first&status=active");
    const answer = await upload(program, text, { query: "?wait=true&dryRun=true&vendor=saved" });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body.summary.new_vulnerabilities, 5);
  });
});

test("statistics count active findings by severity, label, host and day", async () => {
  const { status, body } = await program.call("GET", "/api/vulnerabilities/stats");
  assert.equal(status, 200);
  assert.deepEqual(keysOf(body), sorted("bySeverity", "byVendor", "byHost", "overTime"));
  assert.deepEqual(body.bySeverity, { Critical: 2, High: 1, Info: 1, Low: 1, Medium: 1 });
  assert.deepEqual(body.byVendor, { first: 5, second: 1 });
  const hosts = body.byHost.map(({ vendor, host, count }) => `${vendor} ${host} ${count}`);
  assert.deepEqual(hosts.toSorted(), ["first alpha 2", "first beta 2", "first gamma 1", "second alpha 1"]);
  assert.equal(body.overTime.length, 30);
  const today = body.overTime.at(-1);
  assert.deepEqual([today.active, today.new, today.resolved], [6, 7, 1]);
  assert.equal((await findings(program, "gamma", "&status=resolved")).total, 1);
});
