// Importing on the page: previews, corrections, undo; and what can be done with the findings then.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import {
  OUTPUT,
  getJson,
  importInPage,
  reasonToSkip,
  testid,
  withDashboard,
  writeScan,
  waitForCount,
} from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

describe("imports on the page", { skip, timeout: 300_000 }, () => {
  const world = worldOfTests();

  /** A test whose page must end without a word on the console but those it expects. */
  function pageTest(name, body, expected = []) {
    test(name, async () => {
      const problems = await withDashboard(world.browser, world.server.url, name, {}, body);
      assert.deepEqual(problems.filter((problem) => !expected.some((words) => words.test(problem))), []);
    });
  }

  const scan = (name, rows, header = "host,title,severity,last seen") => writeScan(world.folder.path, name, `${header}\n${rows.join("\n")}\n`);
  const total = async (query = "") => (await getJson(world.server.url, `/api/vulnerabilities?limit=1${query}`)).total;
  const choose = (page, path) => page.locator(testid("file-input")).setInputFiles(path);
  const vendor = async (page, name) => {
    await page.locator(testid("vendor")).selectOption("other");
    await page.getByLabel("Name of the scanner").fill(name);
  };
  const card = (page, name) => page.locator(testid("session-card")).filter({ hasText: name });
  const upload = (page, name) => page.locator(testid("upload")).filter({ hasText: name });
  const completed = (page, name) => card(page, name).and(page.locator('[data-status="completed"]')).waitFor();
  const importRow = (page, name) => page.locator(`${testid("imports-table")} tbody tr`).filter({ hasText: name });
  const shows = (page, count) => page.locator(`${testid("findings-total")}[data-total="${count}"]`).waitFor();

  pageTest("a preview tells what a file would bring, and nothing is kept of it", async (page) => {
    const before = await total();
    await choose(page, scan("preview.csv", ["p-1,Old,High,never at all", "p-2,Weak,Low,", "p-3,Bad,Xyzzy,"]));
    await page.locator(testid("preview-button")).click();
    const preview = upload(page, "preview.csv").locator(testid("preview"));
    assert.equal(await preview.locator(testid("summary-new_vulnerabilities")).innerText(), "2");
    assert.equal(await preview.locator(testid("summary-dates_unread")).innerText(), "1");
    assert.match(await preview.locator(testid("rejections-by-reason")).innerText(), /^1 .*severity/i);
    assert.match(await preview.locator(`${testid("columns")} summary`).innerText(), /Host from “host”, Finding from “title”/);
    await waitForCount(card(page, "preview.csv"), 0);
    assert.equal(await total(), before);
    assert.equal((await getJson(world.server.url, "/api/imports")).items.some(({ filename }) => filename === "preview.csv"), false);
    await page.screenshot({ path: `${OUTPUT}preview.png`, fullPage: true });
    await preview.locator(testid("word-Xyzzy")).selectOption("Critical");
    await page.locator(testid("upload-button")).click();
    await completed(page, "preview.csv");
    await waitForCount(page.locator(testid("upload")), 0);
    assert.equal(await card(page, "preview.csv").locator(testid("summary-new_vulnerabilities")).innerText(), "3");
    assert.equal(await total("&host=p-3&severity=Critical"), 1);
  });

  pageTest("columns that are not known are chosen by a person, and remembered", async (page) => {
    const header = "Machine,Problem,How bad,Notes";
    await vendor(page, "own");
    await importInPage(page, scan("unknown.csv", ["c-1,Old,Grave,x", "c-2,Weak,Low,x"], header));
    await card(page, "unknown.csv").and(page.locator('[data-status="error"]')).waitFor();
    const row = upload(page, "unknown.csv");
    await row.locator(testid("column-host")).selectOption("Machine");
    await row.locator(testid("column-check")).selectOption("Notes");
    await row.locator(testid("column-severity")).selectOption("How bad");
    await page.screenshot({ path: `${OUTPUT}columns.png`, fullPage: true });
    await row.locator(testid("preview-again")).click();
    await row.locator(testid("word-Grave")).selectOption("Critical");
    await row.locator(testid("column-check")).selectOption("Problem");
    await page.locator(testid("upload-button")).click();
    await completed(page, "unknown.csv");
    assert.equal(await total("&q=Old&severity=Critical&host=c-1"), 1);
    await importInPage(page, scan("known-now.csv", ["c-3,Old,Low,x"], header));
    await completed(page, "known-now.csv");
    assert.match(await card(page, "known-now.csv").locator(testid("warnings")).innerText(), /mapping/);
    assert.match(await importRow(page, "known-now.csv").locator(testid("warnings")).innerText(), /mapping/);
  });

  pageTest("a scan that is older than one that is known is taken when a person says so", async (page) => {
    await vendor(page, "weekly");
    await importInPage(page, scan("this-week.csv", ["o-1,Old,High,2026-03-09"]));
    await completed(page, "this-week.csv");
    await choose(page, scan("last-week.csv", ["o-1,Older,High,2026-03-02"]));
    await page.locator(testid("preview-button")).click();
    const row = upload(page, "last-week.csv");
    assert.equal(await row.locator(testid("error-code")).innerText(), "OLDER_SCAN");
    await row.locator(testid("allow-older")).click();
    await row.locator(testid("summary-new_vulnerabilities")).filter({ hasText: "1" }).waitFor();
    assert.equal(await row.locator(testid("summary-resolved_vulnerabilities")).innerText(), "0");
    await page.locator(testid("upload-button")).click();
    await completed(page, "last-week.csv");
  }, [/status of 422/, /status 422/]);

  pageTest("options of the form go with every file", async (page) => {
    await vendor(page, "options");
    await importInPage(page, scan("first-half.csv", ["f-1,One,High,", "f-1,Two,High,"]));
    await completed(page, "first-half.csv");
    await page.locator(`${testid("import-options")} summary`).click();
    await page.locator(testid("resolve")).selectOption("none");
    await page.locator(testid("scan-date")).fill("2026-01-12");
    await importInPage(page, scan("second-half.csv", ["f-1,Three,High,"]));
    await completed(page, "second-half.csv");
    const { items } = await getJson(world.server.url, "/api/vulnerabilities?host=f-1&sort=title");
    assert.deepEqual(items.map(({ title, status }) => [title, status]), [["One", "active"], ["Three", "active"], ["Two", "active"]]);
    assert.equal(items[1].lastSeen, "2026-01-12T00:00:00.000Z");
  });

  pageTest("the newest import of a scanner is undone, once it is confirmed", async (page) => {
    await vendor(page, "undoing");
    await importInPage(page, scan("kept.csv", ["u-1,One,High,", "u-1,Two,Low,"]));
    await completed(page, "kept.csv");
    const before = await getJson(world.server.url, "/api/vulnerabilities?vendor=undoing");
    await importInPage(page, scan("mistaken.csv", ["u-1,One,Low,", "u-1,Three,Low,"]));
    await completed(page, "mistaken.csv");
    const row = importRow(page, "mistaken.csv");
    await row.locator(testid("undo")).waitFor();
    await waitForCount(importRow(page, "kept.csv").locator(testid("undo")), 0);
    await row.locator(testid("undo")).click();
    await row.locator(testid("undo-keep")).click();
    await row.locator(testid("undo")).click();
    await row.locator(testid("undo-confirm")).click();
    await page.locator(testid("toast")).filter({ hasText: "mistaken.csv was undone: findings 1 removed, 1 active again, 1 as before." }).waitFor();
    await row.locator('[data-kind="undone"]').waitFor();
    await waitForCount(row.locator(testid("undo")), 0);
    assert.deepEqual(await getJson(world.server.url, "/api/vulnerabilities?vendor=undoing"), before);
  });

  pageTest("findings are searched, sorted, and saved as they are shown", async (page) => {
    await vendor(page, "sorting");
    const rows = ["s-1,Zebra crossing,Low,", "s-2,Apple pie,Critical,", "s-3,Middle age,High,", "s-4,Middle class,Info,"];
    await importInPage(page, scan("sorting.csv", rows));
    await completed(page, "sorting.csv");
    await page.locator(testid("filter-vendor")).selectOption("sorting");
    await shows(page, 4);
    const titles = () => page.locator(`${testid("findings-table")} tbody .main-cell .main-text`).allInnerTexts();
    const sorted = (expected) =>
      page.waitForFunction(
        ([selector, wanted]) => [...document.querySelectorAll(selector)].map(({ innerText }) => innerText).join() === wanted,
        [`${testid("findings-table")} tbody .main-cell .main-text`, expected.join()],
      );
    const head = (name) => page.getByRole("columnheader", { name });
    await head("Severity").getByRole("button").click();
    await sorted(["Apple pie", "Middle age", "Zebra crossing", "Middle class"]);
    assert.equal(await head("Severity").getAttribute("aria-sort"), "descending");
    await head("Finding").getByRole("button").click();
    await sorted(["Apple pie", "Middle age", "Middle class", "Zebra crossing"]);
    assert.equal(await head("Severity").getAttribute("aria-sort"), null);
    await head("Finding").getByRole("button").click();
    await sorted(["Zebra crossing", "Middle class", "Middle age", "Apple pie"]);
    await page.locator(testid("filter-text")).fill("MIDDLE");
    await shows(page, 2);
    assert.deepEqual(await titles(), ["Middle class", "Middle age"]);
    const saved = async (name) => {
      const download = page.waitForEvent("download");
      await page.locator(testid(name)).click();
      return readFile(await (await download).path(), "utf8");
    };
    const items = JSON.parse(await saved("save-json"));
    assert.deepEqual(items.map(({ title }) => title), ["Middle class", "Middle age"]);
    const lines = (await saved("save-csv")).trim().split("\n");
    assert.equal(lines.length, 3);
    assert.match(lines[1], /Middle class/);
    await page.screenshot({ path: `${OUTPUT}findings.png`, fullPage: true });
  });

  pageTest("a small chart tells how the findings came about, and hosts lead to their findings", async (page) => {
    await vendor(page, "counting");
    const many = Array.from({ length: 40 }, (_, index) => `t-1,Finding ${index},Low,`);
    await importInPage(page, scan("counting.csv", many));
    await completed(page, "counting.csv");
    const active = await total("&status=active");
    await page.locator(testid("chart-words")).filter({ hasText: `to ${active} active findings` }).waitFor();
    await waitForCount(page.locator(`${testid("chart")} svg rect.day`), 30);
    await page.locator(testid("top-hosts")).getByRole("button", { name: "t-1" }).click();
    await shows(page, 40);
    await page.locator(testid("count-Low")).filter({ hasText: String(await total("&status=active&severity=Low")) }).waitFor();
  });
});
