// The dashboard in headless Chromium, as a person uses it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  OUTPUT,
  cardOf,
  getJson,
  heldUpload,
  importInPage,
  live,
  openDashboard,
  postJson,
  reasonToSkip,
  scanCsv,
  startServer,
  testid,
  writeLargeScan,
  writeScan,
  waitForCount,
} from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

describe("dashboard", { skip, timeout: 300_000 }, () => {
  const world = worldOfTests();

  /** A test with pages of its own that must end without a word on the console but those it expects. */
  function pageTest(name, body, expected = []) {
    test(name, async () => {
      const opened = [];
      const open = async (options) => {
        const dashboard = await openDashboard(world.browser, world.server.url, options);
        opened.push(dashboard);
        return dashboard.page;
      };
      try {
        await body(open);
        for (const { problems } of opened) {
          assert.deepEqual(problems.filter((problem) => !expected.some((words) => words.test(problem))), []);
        }
      } catch (error) {
        const file = `${OUTPUT}${name.replace(/\W+/g, "-")}.png`;
        await opened[0]?.page.screenshot({ path: file, fullPage: true });
        throw error;
      } finally {
        for (const { page } of opened) await page.context().close();
      }
    });
  }

  const findingsTotal = async () => (await getJson(world.server.url, "/api/vulnerabilities?limit=1")).total;

  /** The import that the session worked for, as the history tells it. */
  async function importRecord(sessionId) {
    const { items } = await getJson(world.server.url, "/api/imports?limit=100");
    return items.find((item) => item.sessionId === sessionId);
  }

  /** Waits until a running import shows that it has moved. */
  async function moving(page, sessionId) {
    const bar = cardOf(page, sessionId).locator(testid("progress-bar"));
    await page.waitForFunction((element) => Number(element.getAttribute("aria-valuenow")) > 0, await bar.elementHandle());
    return Number(await bar.getAttribute("aria-valuenow"));
  }

  const ended = (page, sessionId, status) =>
    cardOf(page, sessionId).and(page.locator(`[data-status="${status}"]`)).waitFor();

  pageTest("shows the connection and says what is empty or there", async (open) => {
    const page = await open();
    assert.equal(await page.locator(testid("transport")).innerText(), "websocket");
    assert.equal(await page.title(), "Pulsewheel");
    await page.getByRole("heading", { name: "Findings" }).waitFor();
    await page.locator(testid("count-Critical")).filter({ hasText: /\d/ }).waitFor();
    assert.equal(await page.locator(testid("upload-button")).isDisabled(), true);
  });

  pageTest("an uploaded file moves its bar, and the summary tells what the database holds", async (open) => {
    const page = await open();
    const before = await findingsTotal();
    await page.evaluate(() => {
      window.seenValues = [];
      window.seenTitles = new Set();
      new MutationObserver((changes) => {
        for (const { target } of changes) {
          if (target.closest?.('[aria-label*="large-scan"]')) window.seenValues.push(Number(target.getAttribute("aria-valuenow")));
        }
        window.seenTitles.add(document.title);
      }).observe(document.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-valuenow"] });
    });
    await importInPage(page, writeLargeScan(world.folder.path));
    const card = page.locator(testid("session-card")).filter({ hasText: "large-scan.csv" });
    await card.locator(testid("summary-new_vulnerabilities")).waitFor({ timeout: 120_000 });

    const values = await page.evaluate(() => window.seenValues.filter((value) => value > 0));
    assert.ok(values.length >= 4, `the bar showed only ${values}`);
    for (let i = 1; i < values.length; i += 1) {
      assert.ok(values[i] >= values[i - 1], `the bar went back from ${values[i - 1]} to ${values[i]}`);
    }
    assert.ok(new Set(values).size >= 4, `the bar showed only ${values}`);
    assert.equal(values.at(-1), 100);
    const titles = await page.evaluate(() => [...window.seenTitles]);
    assert.ok(titles.some((title) => /^\d+% · large-scan\.csv/.test(title)), `titles: ${titles}`);
    await page.waitForFunction(() => document.title === "Pulsewheel");

    const record = await importRecord(await card.getAttribute("data-session-id"));
    assert.equal(record.status, "completed");
    const rare = ["skipped_rows", "encoding_replacements", "dates_corrected", "dates_unread"];
    for (const [key, value] of Object.entries(record.summary)) {
      if (typeof value !== "number" || (value === 0 && rare.includes(key))) continue;
      const shown = await card.locator(testid(`summary-${key}`)).innerText();
      assert.equal(Number(shown.replaceAll(",", "")), value, key);
    }
    const total = await findingsTotal();
    assert.equal(total - before, record.summary.new_vulnerabilities);
    await page.locator(`${testid("findings-total")}[data-total="${total}"]`).waitFor();
    await page.locator(testid("imports-table")).getByText("large-scan.csv").first().waitFor();
    await page.screenshot({ path: `${OUTPUT}completed.png`, fullPage: true });
  });

  pageTest("who opens the page while an import runs sees its bar, and a reload keeps it", async (open) => {
    const [first, upload] = [await open(), heldUpload(world.server.url, "held.csv", scanCsv(30_000, 1))];
    await moving(first, upload.sessionId);
    const late = await open();
    await moving(late, upload.sessionId);
    await first.reload();
    await live(first);
    await moving(first, upload.sessionId);
    assert.match(await first.title(), /^\d+% · held\.csv/);
    await first.screenshot({ path: `${OUTPUT}running.png`, fullPage: true });
    assert.equal(await upload.finish(), 202);
    for (const page of [first, late]) await ended(page, upload.sessionId, "completed");
    const { summary } = await importRecord(upload.sessionId);
    for (const page of [first, late]) {
      const shown = await cardOf(page, upload.sessionId).locator(testid("summary-new_vulnerabilities")).innerText();
      assert.equal(Number(shown.replaceAll(",", "")), summary.new_vulnerabilities);
    }
    await first.reload();
    await ended(first, upload.sessionId, "completed");
  });

  pageTest("cancel ends the import for everybody and leaves the findings as they were", async (open) => {
    const [page, other] = [await open(), await open()];
    const before = await findingsTotal();
    const upload = heldUpload(world.server.url, "unwanted.csv", scanCsv(30_000, 2));
    await moving(page, upload.sessionId);
    await cardOf(page, upload.sessionId).locator(testid("cancel")).click();
    await cardOf(page, upload.sessionId).locator(testid("cancel-confirm")).click();
    for (const watcher of [page, other]) await ended(watcher, upload.sessionId, "cancelled");
    assert.equal(await upload.finish(), 202);
    assert.equal(await findingsTotal(), before);
    assert.equal((await importRecord(upload.sessionId)).status, "cancelled");
    await page.locator(testid("imports-table")).locator('[data-kind="cancelled"]').first().waitFor();
  });

  pageTest("a file of an unknown format is answered with a code and with suggestions", async (open) => {
    const page = await open();
    await importInPage(page, writeScan(world.folder.path, "not-a-scan.csv", "flavour,sweetness\nlemon,2\nvanilla,7\n"));
    const card = page.locator(testid("session-card")).filter({ hasText: "not-a-scan.csv" });
    assert.equal(await card.locator(testid("error-code")).innerText(), "CSV_UNKNOWN_FORMAT");
    assert.equal(await card.getAttribute("data-status"), "error");
    assert.ok((await card.locator(`${testid("suggestions")} li`).count()) > 0);
    await page.screenshot({ path: `${OUTPUT}unknown-format.png`, fullPage: true });
  });

  pageTest("rows that were rejected are told with their reasons, in the card and in the list of imports", async (open) => {
    const page = await open();
    const rows = Array.from({ length: 24 }, (_, index) => `web-${index},Finding ${index},Xyzzy`);
    const good = "web-1,Out of date,High";
    await importInPage(page, [
      writeScan(world.folder.path, "partly.csv", `host,title,severity\n${good}\n,No host,High\n${rows.join("\n")}\n`),
      writeScan(world.folder.path, "nothing.csv", `host,title,severity\n${rows.join("\n")}\n`),
    ]);
    const partly = page.locator(testid("session-card")).filter({ hasText: "partly.csv" });
    assert.equal(await partly.locator(testid("summary-validation_errors")).innerText(), "25");
    assert.match(await partly.locator(testid("rejections-by-reason")).innerText(), /^24 .*severity.*\n1 .*host/i);
    const rejected = partly.locator(`${testid("rejection-rows")} tbody tr`);
    await waitForCount(rejected, 20);
    assert.match(await rejected.nth(1).innerText(), /^4\s+severity\s+Xyzzy\s+\S/i);
    const nothing = page.locator(testid("session-card")).filter({ hasText: "nothing.csv" });
    assert.equal(await nothing.locator(testid("error-code")).innerText(), "NO_VALID_ROWS");
    assert.match(await nothing.locator(testid("rejections-by-reason")).innerText(), /^24 .*severity/i);
    const line = page.locator(`${testid("imports-table")} tbody tr`).filter({ hasText: "partly.csv" });
    await line.getByText("Why 25 rows were rejected").click();
    await waitForCount(line.locator(`${testid("rejection-rows")} tbody tr`), 20);
    const failed = page.locator(`${testid("imports-table")} tbody tr`).filter({ hasText: "nothing.csv" });
    await failed.getByText("Why 24 rows were rejected").click();
    assert.match(await failed.locator(testid("rejections-by-reason")).innerText(), /^24 .*severity/i);
    await page.screenshot({ path: `${OUTPUT}rejected.png`, fullPage: true });
  });

  pageTest("several files are imported one after another", async (open) => {
    const page = await open();
    const names = ["first.csv", "second.csv", "third.csv"];
    await importInPage(page, names.map((name, index) => writeScan(world.folder.path, name, scanCsv(200, 10 + index))));
    for (const name of names) {
      const card = page.locator(testid("session-card")).filter({ hasText: name });
      await card.locator(testid("summary-new_vulnerabilities")).waitFor();
    }
    await waitForCount(page.locator(testid("upload")), 0);
    await page.locator(testid("clear-ended")).click();
    await page.locator(testid("no-sessions")).waitFor();
  });

  pageTest("the keyboard alone is enough to import a file", async (open) => {
    const page = await open();
    const path = writeScan(world.folder.path, "by-keyboard.csv", scanCsv(300, 20));
    // Listened to from the start, since telling Chromium to hand choosers over takes a moment.
    const chooser = page.waitForEvent("filechooser");
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-testid"));
    for (let presses = 0; (await focused()) !== "file-input"; presses += 1) {
      assert.ok(presses < 20, "Tab does not reach the file field");
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await (await chooser).setFiles(path);
    await page.waitForFunction(() => document.activeElement?.getAttribute("data-testid") === "upload-button");
    await page.keyboard.press("Enter");
    const card = page.locator(testid("session-card")).filter({ hasText: "by-keyboard.csv" });
    await card.locator(testid("summary-new_vulnerabilities")).waitFor();
  });

  pageTest("findings are filtered by severity, status and host, and paged", async (open) => {
    const page = await open();
    await importInPage(page, writeScan(world.folder.path, "filters.csv", scanCsv(500, 30)));
    const card = page.locator(testid("session-card")).filter({ hasText: "filters.csv" });
    await card.locator(testid("summary-new_vulnerabilities")).waitFor();
    const expectTotal = async (query) => {
      const { total } = await getJson(world.server.url, `/api/vulnerabilities?limit=1${query}`);
      await page.locator(`${testid("findings-total")}[data-total="${total}"]`).waitFor();
    };
    await page.locator(testid("filter-severity")).selectOption("Medium");
    await expectTotal("&severity=Medium");
    await page.locator(testid("filter-host")).fill("host-30-5.example.org");
    await expectTotal("&severity=Medium&host=host-30-5.example.org");
    await page.locator(testid("filter-host")).fill("no-such-host");
    await page.getByRole("button", { name: "Show all findings" }).click();
    await expectTotal("");
    const rows = page.locator(`${testid("findings-table")} tbody tr`);
    const firstRow = await rows.first().innerText();
    await page.getByRole("button", { name: "Next" }).first().click();
    await page.waitForFunction(
      ([selector, old]) => document.querySelector(selector)?.innerText !== old,
      [`${testid("findings-table")} tbody tr`, firstRow],
    );
  });

  pageTest("work of other programs shows as it goes, and its text stays text", async (open) => {
    const page = await open();
    const title = '<img src="/nowhere.png" onerror="document.body.dataset.harmed=1">';
    const { sessionId } = await postJson(world.server.url, "/api/sessions", {
      metadata: { operation: "nightly_backup", filename: title },
    });
    const card = cardOf(page, sessionId);
    await card.waitFor();
    assert.equal(await card.locator(testid("progress-bar")).getAttribute("aria-valuenow"), null);
    await postJson(world.server.url, `/api/sessions/${sessionId}/progress`, {
      progress: 0.5,
      metadata: { current_step: "Copying <b>files</b>", processed_rows: 5, total_rows: 10 },
    });
    await card.locator(testid("rows")).filter({ hasText: "5 of 10 rows" }).waitFor();
    assert.equal(await card.locator(testid("current-step")).innerText(), "Copying <b>files</b>");
    assert.equal(await card.locator("h3").innerText(), title);
    await postJson(world.server.url, `/api/sessions/${sessionId}/complete`, { result: { files_copied: 10 } });
    await ended(page, sessionId, "completed");
    assert.match(await card.innerText(), /Files copied\s+10/);
    assert.equal(await page.evaluate(() => document.body.dataset.harmed), undefined);
    await waitForCount(page.locator("main img"), 0);
  });

  pageTest("alerts show as toasts and go by keyboard or by themselves", async (open) => {
    const page = await open();
    const alert = { level: "critical", category: "security", message: "Certificate expires tomorrow" };
    await postJson(world.server.url, "/api/events/system_alert", alert);
    const toast = page.locator(testid("toast")).filter({ hasText: alert.message });
    await toast.waitFor();
    assert.equal(await toast.getAttribute("data-level"), "critical");
    await toast.getByRole("button", { name: "Dismiss" }).focus();
    await page.keyboard.press("Enter");
    await toast.waitFor({ state: "detached" });
    // One that goes by itself may be gone before anybody asks: the page notes that it was there.
    await page.evaluate((selector) => {
      window.seenShort = new Promise((resolve) => {
        const look = () => [...document.querySelectorAll(selector)].some(({ textContent }) => textContent.includes("Short")) && resolve();
        new MutationObserver(look).observe(document.body, { subtree: true, childList: true });
      });
    }, testid("toast"));
    await postJson(world.server.url, "/api/events/system_alert", { ...alert, level: "info", message: "Short", auto_dismiss: 300 });
    await page.evaluate(() => window.seenShort);
    await page.locator(testid("toast")).filter({ hasText: "Short" }).waitFor({ state: "detached" });
  });

  pageTest("nothing is wider than a phone of 360 pixels, or than a larger screen", async (open) => {
    const page = await open({ viewport: { width: 360, height: 740 } });
    const narrow = async (when, screen = 360) => {
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= screen, `${when} the page is ${width} pixels wide`);
    };
    await importInPage(page, writeScan(world.folder.path, "narrow.csv", scanCsv(50, 61)));
    await page.locator(testid("findings-table")).waitFor();
    for (const screen of [701, 768, 901, 360]) {
      await page.setViewportSize({ width: screen, height: 740 });
      await narrow(`with findings, on a screen of ${screen},`, screen);
    }
    const name = "a-very-long-name-without-a-single-space-as-scanners-like-to-write-them.csv";
    const upload = heldUpload(world.server.url, name, scanCsv(20_000, 40));
    await moving(page, upload.sessionId);
    await postJson(world.server.url, "/api/events/system_alert", { level: "info", category: "system", message: "m".repeat(200) });
    await page.locator(testid("toast")).waitFor();
    await narrow("during an import");
    await page.screenshot({ path: `${OUTPUT}phone.png`, fullPage: true });
    await upload.finish();
    await ended(page, upload.sessionId, "completed");
    await importInPage(page, writeScan(world.folder.path, "wrong.csv", `${"column".repeat(30)},b\n1,2\n`));
    const failed = page.locator(testid("session-card")).filter({ hasText: "wrong.csv" });
    await failed.locator(testid("error-code")).waitFor();
    await narrow("with an error");
  });

  pageTest("without WebSocket the page works by polling", async (open) => {
    const page = await open({ before: (fresh) => fresh.addInitScript(() => delete window.WebSocket) });
    assert.equal(await page.locator(testid("transport")).innerText(), "polling");
    const upload = heldUpload(world.server.url, "polled.csv", scanCsv(20_000, 50));
    await moving(page, upload.sessionId);
    await upload.finish();
    await ended(page, upload.sessionId, "completed");
  });

  pageTest("a file that could not be sent is sent again at the press of a button", async (open) => {
    const page = await open();
    await page.route("**/api/vulnerabilities/import**", (route) => route.abort("connectionaborted"), { times: 1 });
    await importInPage(page, writeScan(world.folder.path, "second-try.csv", scanCsv(50, 60)));
    const row = page.locator(testid("upload")).filter({ hasText: "second-try.csv" });
    assert.equal(await row.locator(testid("error-code")).innerText(), "NETWORK_ERROR");
    await row.locator(testid("retry-upload")).click();
    const card = page.locator(testid("session-card")).filter({ hasText: "second-try.csv" });
    await card.locator(testid("summary-new_vulnerabilities")).waitFor();
    await waitForCount(page.locator(testid("upload")), 0);
  }, [/ERR_CONNECTION_ABORTED/]);

  // The last one: it stops the server for a moment, and the console may say so.
  test("the page comes back by itself after a restart of the server", async (t) => {
    if (!world.server.own) return t.skip("SKIP: the server is not the test's own to restart");
    const { page } = await openDashboard(world.browser, world.server.url);
    const { sessionId } = await postJson(world.server.url, "/api/sessions", { metadata: { operation: "long_work" } });
    await cardOf(page, sessionId).waitFor();
    const address = new URL(world.server.url).host;
    const total = await findingsTotal();
    await world.server.stop();
    await page.locator(`${testid("connection")}[data-state="reconnecting"]`).waitFor();
    await page.locator(testid("banner")).waitFor();
    await page.screenshot({ path: `${OUTPUT}reconnecting.png` });
    world.server = await startServer(world.folder.path, address);
    await page.locator(testid("retry")).click();
    await live(page);
    // What was at work before goes on.
    await postJson(world.server.url, `/api/sessions/${sessionId}/complete`, {});
    await ended(page, sessionId, "completed");
    await page.locator(`${testid("findings-total")}[data-total="${total}"]`).waitFor();
  });
});
