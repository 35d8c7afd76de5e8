// What a page has missed while it had no connection, or its server was down: told once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cardOf, live, postJson, openDashboard, reasonToSkip, startProxy, startServer, testid, waitForCount, withDashboard } from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

describe("what was missed", { skip, timeout: 300_000 }, () => {
  const world = worldOfTests();

  const create = async (title) => (await postJson(world.server.url, "/api/sessions", { metadata: { title } })).sessionId;
  const complete = (id) => postJson(world.server.url, `/api/sessions/${id}/complete`, { result: {} });
  const alert = (message, more = {}) => postJson(world.server.url, "/api/events/system_alert", { level: "warning", category: "system", message, ...more });
  const notice = (page) => page.locator(testid("away"));
  const says = (page, words) => page.locator(testid("away-text")).filter({ hasText: words }).waitFor();
  const away = (page) => page.locator(`${testid("connection")}:not([data-state="connected"])`).waitFor();

  test("is told once to each page that was open, over a kill of the server, and not after a reload", async (t) => {
    if (!world.server.own) return t.skip("SKIP: the server is not the test's own to restart");
    const address = new URL(world.server.url).host;
    // These pages come to the server through a proxy that is cut before the work ends.
    const proxy = await startProxy(world.server.url);
    const first = await openDashboard(world.browser, proxy.url);
    const second = await openDashboard(world.browser, proxy.url);
    const pages = [first.page, second.page];
    try {
      const [done, alsoDone, failed, cancelled, running] = await Promise.all(["done", "also done", "failed", "cancelled", "running"].map(create));
      for (const page of pages) await cardOf(page, running).waitFor();
      proxy.cut();
      for (const page of pages) await away(page);
      await complete(done);
      await complete(alsoDone);
      await postJson(world.server.url, `/api/sessions/${failed}/error`, { error: "no disk" });
      await postJson(world.server.url, `/api/sessions/${cancelled}/cancel`, { reason: "not needed" });
      await alert("Nearly full");
      await world.server.kill();
      world.server = await startServer(world.folder.path, address);
      // What the server has forgotten meanwhile is told all the same.
      assert.equal((await fetch(`${world.server.url}/api/sessions/${done}`, { method: "DELETE" })).status, 204);
      proxy.mend();
      for (const page of pages) {
        await live(page);
        await says(page, ": 2 completed, 1 failed, 1 cancelled, 1 alert. 1 still running.");
        for (const [id, status] of [[done, "completed"], [alsoDone, "completed"], [failed, "error"], [cancelled, "cancelled"], [running, "processing"]]) {
          await cardOf(page, id).and(page.locator(`[data-status="${status}"]`)).waitFor();
        }
        assert.match(await cardOf(page, cancelled).innerText(), /not needed/);
        assert.equal(await page.locator(testid("toast")).count(), 0);
      }
      const [page, other] = pages;
      await page.locator(testid("away-history")).click();
      await waitForCount(page.locator(testid("history-row")), 4);
      await page.locator(testid("away-alerts")).click();
      await page.locator(testid("alert")).filter({ hasText: "Nearly full" }).waitFor();
      await page.keyboard.press("Escape");
      await notice(page).getByRole("button", { name: "Dismiss what was missed" }).click();
      await notice(page).waitFor({ state: "hidden" });
      // The same loss again, and nothing happens meanwhile.
      proxy.cut();
      await away(page);
      proxy.mend();
      await live(page);
      await complete(running);
      await page.goto(`${proxy.url}/#`);
      await cardOf(page, running).and(page.locator('[data-status="completed"]')).waitFor();
      assert.equal(await notice(page).isVisible(), false);
      await other.reload();
      await live(other);
      await cardOf(other, running).waitFor();
      assert.equal(await notice(other).isVisible(), false);
    } finally {
      for (const page of pages) await page.context().close();
      await proxy.stop();
    }
  });

  test("is told to a device that had no network", async () => {
    const proxy = await startProxy(world.server.url);
    try {
      await withDashboard(world.browser, proxy.url, "away offline", {}, async (page) => {
        const id = await create("meanwhile");
        await cardOf(page, id).waitFor();
        await page.context().setOffline(true);
        proxy.cut();
        await away(page);
        await complete(id);
        await alert("Renew the certificate", { action_required: true });
        proxy.mend();
        await page.context().setOffline(false);
        await says(page, ": 1 completed, 1 alert.");
        await page.locator(testid("away-sessions")).getByRole("link", { name: "meanwhile" }).click();
        await page.locator(testid("session-page")).getByText("Done").first().waitFor();
        // What somebody has to do is shown besides.
        await page.locator(testid("toast")).filter({ hasText: "Renew the certificate" }).waitFor();
      });
    } finally {
      await proxy.stop();
    }
  });

  test("alerts from before the page was opened are in its list, and what was seen and removed stays so", async () => {
    await alert("Before the page");
    await withDashboard(world.browser, world.server.url, "alerts", {}, async (page) => {
      const count = page.locator(testid("alerts-count"));
      const list = page.locator(testid("alert"));
      await count.waitFor();
      await page.locator(testid("alerts-button")).click();
      await list.filter({ hasText: "Before the page" }).waitFor();
      await alert("While it is open");
      await list.filter({ hasText: "While it is open" }).waitFor();
      await waitForCount(list.filter({ hasText: "While it is open" }), 1);
      await list.filter({ hasText: "Before the page" }).getByRole("button").click();
      const kept = await list.count();
      await page.reload();
      await live(page);
      await page.locator(testid("alerts-button")).click();
      await waitForCount(list, kept);
      assert.equal(await list.filter({ hasText: "Before the page" }).count(), 0);
      await page.locator(testid("alerts-clear")).click();
      await page.keyboard.press("Escape");
      await page.reload();
      await live(page);
      await alert("A new one");
      await page.locator(testid("toast")).filter({ hasText: "A new one" }).waitFor();
      await page.locator(testid("alerts-button")).click();
      await list.filter({ hasText: "A new one" }).waitFor();
      assert.equal(await list.filter({ hasText: "While it is open" }).count(), 0);
    });
  });
});
