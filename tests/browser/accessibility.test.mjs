// The page for everybody: rules of WCAG 2.2 AA as axe-core checks them, in both themes and with forced colours, and the
// keyboard alone.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { beforeEach, describe, test } from "node:test";
import {
  cardOf,
  getJson,
  importInPage,
  live,
  postJson,
  reasonToSkip,
  startProxy,
  testid,
  withDashboard,
  writeScan,
} from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const LOOKS = [
  { name: "light", options: { colorScheme: "light" } },
  { name: "dark", options: { colorScheme: "dark" } },
  { name: "forced colours", options: { forcedColors: "active" } },
  { name: "a phone", options: { viewport: { width: 360, height: 740 } } },
];

describe("the page for everybody", { skip, timeout: 300_000 }, () => {
  const world = worldOfTests();

  /** Each test begins with a page of no sessions. */
  beforeEach(async () => {
    const { sessions } = await getJson(world.server.url, "/api/sessions");
    for (const { id, status } of sessions) {
      if (status === "processing") await postJson(world.server.url, `/api/sessions/${id}/cancel`, {});
      else await fetch(`${world.server.url}/api/sessions/${id}`, { method: "DELETE" });
    }
  });

  const scan = (name, rows) => writeScan(world.folder.path, name, `host,title,severity\n${rows.join("\n")}\n`);

  /** Fails with the rules that are broken, and where. */
  async function check(page, when) {
    // Colours count when nothing fades in any more; what never ends is no fading.
    await page.waitForFunction(() => document.getAnimations().every(({ playState, effect }) => playState !== "running" || effect.getComputedTiming().endTime === Infinity));
    // By evaluate, since the page lets no script in that is not its own.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate((values) => window.axe.run({ runOnly: { type: "tag", values } }), RULES);
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
    assert.deepEqual(told, [], when);
  }

  for (const { name, options } of LOOKS) {
    test(`breaks no rule in ${name}`, async () => {
      await withDashboard(world.browser, world.server.url, `rules ${name}`, options, async (page) => {
        await check(page, "as it opens");
        await importInPage(page, scan(`rules ${name}.csv`, ["web-1,Old,High", "web-2,Weak,Critical", "web-3,Odd,Xyzzy", "web-4,Open,Medium", "web-5,Chatty,Low"]));
        await page.locator(testid("session-card")).filter({ hasText: `rules ${name}.csv` }).locator(testid("rejection-rows")).waitFor();
        await importInPage(page, writeScan(world.folder.path, `unknown ${name}.csv`, "flavour,sweetness\nlemon,2\n"));
        await page.locator(testid("upload")).locator(testid("columns")).waitFor();
        await page.locator(testid("preview-again")).click();
        await page.locator(testid("upload")).locator(testid("error-code")).waitFor();
        const running = await postJson(world.server.url, "/api/sessions", { metadata: { operation: "nightly_backup", title: `vault ${name}` } });
        await postJson(world.server.url, `/api/sessions/${running.sessionId}/progress`, { progress: 0.4, metadata: { current_step: "Copying" } });
        await cardOf(page, running.sessionId).locator(`${testid("progress-bar")}[aria-valuenow="40"]`).waitFor();
        const alert = { level: "warning", category: "system", message: "Nearly full", action_required: true };
        await postJson(world.server.url, "/api/events/system_alert", alert);
        await page.locator(testid("toast")).first().waitFor();
        await page.locator(`${testid("findings-table")} tbody tr`).first().waitFor();
        await page.locator(testid("chart")).waitFor();
        await check(page, "with sessions, findings and a preview");
        await page.locator(testid("alerts-button")).click();
        await page.locator(testid("alert")).first().waitFor();
        await check(page, "with the list of alerts");
        await page.keyboard.press("Escape");
        await page.goto(`${world.server.url}/#/session/${running.sessionId}`);
        await page.locator(testid("session-details")).waitFor();
        await check(page, "with the page of a session");
      });
    });
  }

  for (const { name, options } of LOOKS) {
    test(`breaks no rule in ${name} with what was missed, the history and the server's figures`, async () => {
      const proxy = await startProxy(world.server.url);
      try {
        await withDashboard(world.browser, proxy.url, `places ${name}`, options, async (page) => {
          const { sessionId } = await postJson(world.server.url, "/api/sessions", { metadata: { title: `away ${name}` } });
          await cardOf(page, sessionId).waitFor();
          proxy.cut();
          await page.locator(`${testid("connection")}[data-state="reconnecting"]`).waitFor();
          await postJson(world.server.url, `/api/sessions/${sessionId}/error`, { error: "no disk" });
          await postJson(world.server.url, "/api/events/system_alert", { level: "error", category: "system", message: "Full" });
          proxy.mend();
          await page.locator(testid("away-sessions")).waitFor();
          await live(page);
          await page.locator(testid("banner")).waitFor({ state: "hidden" });
          await check(page, "with what was missed");
          await page.getByRole("link", { name: "History", exact: true }).click();
          await page.locator(testid("history-row")).first().waitFor();
          await check(page, "with the history");
          await page.getByRole("link", { name: "Server", exact: true }).click();
          await page.locator(`${testid("server-content")} svg`).first().waitFor();
          await check(page, "with the server's figures");
        });
      } finally {
        await proxy.stop();
      }
    });
  }

  for (const others of [0, 9]) test(`the keyboard alone reaches what a session among ${others} others offers, and comes back`, async () => {
    for (let other = 0; other < others; other += 1) await postJson(world.server.url, "/api/sessions", { metadata: { title: `other ${other}` } });
    const { sessionId } = await postJson(world.server.url, "/api/sessions", { metadata: { title: `keyboard ${randomUUID()}` } });
    await withDashboard(world.browser, world.server.url, "keyboard", {}, async (page) => {
      const cancel = cardOf(page, sessionId).locator(testid("cancel"));
      await cancel.waitFor();
      const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-testid"));
      await cancel.focus();
      await page.keyboard.press("Enter");
      assert.equal(await focused(), "cancel-confirm");
      await page.keyboard.press("Escape");
      assert.equal(await focused(), "cancel");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Enter");
      await cardOf(page, sessionId).and(page.locator('[data-status="cancelled"]')).waitFor();
      await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Remove this card");
      await page.keyboard.press("Enter");
      await cardOf(page, sessionId).waitFor({ state: "detached" });
      assert.notEqual(await page.evaluate(() => document.activeElement), null);
      assert.equal(await page.evaluate(() => document.activeElement === document.body), false);
    });
  });

  test("on paper there is what can be read, in light colours, and nothing to press or fill in", async () => {
    await withDashboard(world.browser, world.server.url, "paper", { colorScheme: "dark" }, async (page) => {
      await importInPage(page, scan("paper.csv", ["web-1,Old,High", "web-2,Weak,Critical"]));
      await page.locator(`${testid("findings-table")} tbody tr`).nth(1).waitFor();
      const { sessionId } = await postJson(world.server.url, "/api/sessions", { metadata: { title: "paper" } });
      await cardOf(page, sessionId).waitFor();
      await page.evaluate(() => document.documentElement.setAttribute("data-theme", "dark"));
      await page.emulateMedia({ media: "print" });
      const shown = (selector) => page.locator(selector).and(page.locator(":visible"));
      assert.deepEqual(await shown("button, select, input, textarea, a.quiet-button").evaluateAll((all) => all.map(({ className }) => className).filter((name) => !/^(link-button|sort-button|tile)$/.test(name))), []);
      for (const read of [".tile", "thead th .sort-button", testid("progress-bar"), `${testid("findings-table")} .link-button`]) assert.ok(await shown(read).count() > 0, read);
      const { scheme, bar } = await page.evaluate(() => ({
        scheme: getComputedStyle(document.documentElement).colorScheme,
        bar: getComputedStyle(document.querySelector(".bar")).printColorAdjust,
      }));
      assert.deepEqual([scheme, bar], ["light", "exact"]);
    });
  });

  test("nothing moves by itself where less motion is asked for", async () => {
    await withDashboard(world.browser, world.server.url, "motion", { reducedMotion: "reduce" }, async (page) => {
      await postJson(world.server.url, "/api/sessions", { metadata: { title: "still" } });
      await page.locator(testid("session-card")).first().waitFor();
      await live(page);
      assert.deepEqual(await page.evaluate(() => document.getAnimations().map(({ animationName }) => animationName)), []);
    });
  });
});
