// The history of all sessions, over restarts of the server, and the pages of sessions that have ended.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { getJson, live, postJson, reasonToSkip, startServer, testid, waitForCount, withDashboard } from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

describe("the history", { skip, timeout: 300_000 }, () => {
  const world = worldOfTests();

  const withPage = (name, path, body, options) => withDashboard(world.browser, `${world.server.url}/${path}`, name, options, body);
  const create = async (metadata) => (await postJson(world.server.url, "/api/sessions", { metadata })).sessionId;
  const update = (id, progress, metadata = {}) => postJson(world.server.url, `/api/sessions/${id}/progress`, { progress, metadata });
  const complete = (id, result = {}) => postJson(world.server.url, `/api/sessions/${id}/complete`, { result });
  const fail = (id, error) => postJson(world.server.url, `/api/sessions/${id}/error`, { error });
  const rows = (page) => page.locator(testid("history-row"));
  const rowOf = (page, id) => page.locator(`${testid("history-row")}[data-session-id="${id}"]`);

  /** So many sessions that have ended, the last one of them last. */
  async function ended(count, title, end = complete) {
    const ids = [];
    for (let index = 0; index < count; index += 1) ids.push(await create({ title: `${title} ${index}` }));
    for (const id of ids) await end(id);
    return ids;
  }

  /** Kills the server and starts it again on the same data and address. */
  async function restart() {
    const address = new URL(world.server.url).host;
    await world.server.kill();
    world.server = await startServer(world.folder.path, address);
  }

  test("has every session that ended, page by page and by status, and leads to each", async () => {
    await ended(60, "many");
    const [failed] = await ended(1, "broken", (id) => fail(id, "no disk"));
    const problems = await withPage("history", "", async (page) => {
      await page.getByRole("link", { name: "History", exact: true }).click();
      await page.waitForURL("**/#/history");
      await waitForCount(rows(page), 50);
      assert.equal(await rows(page).first().getAttribute("data-session-id"), failed);
      assert.match(await rowOf(page, failed).innerText(), /no disk/i);
      await page.locator(testid("history-more")).click();
      await page.locator(testid("history-more")).waitFor({ state: "hidden" });
      assert.ok((await rows(page).count()) >= 61);
      await page.locator(testid("history-status")).selectOption("error");
      await waitForCount(rows(page), 1);
      await page.waitForURL("**/#/history?status=error");
      const [live] = await ended(1, "live", (id) => fail(id, "no disk either"));
      await rowOf(page, live).waitFor();
      await page.reload();
      await waitForCount(rows(page), 2);
      await rowOf(page, failed).getByRole("link").click();
      await page.locator(testid("session-page")).getByText("No disk.").waitFor();
      assert.equal(await page.title(), "broken 0 – Pulsewheel");
      await page.goBack();
      await waitForCount(rows(page), 2);
      const focused = await page.evaluate(() => document.activeElement?.closest("[data-session-id]")?.getAttribute("data-session-id"));
      assert.equal(focused, failed);
    });
    assert.deepEqual(problems, []);
  });

  test("a session is told as it was after the server was killed: changes, metadata, result, times", async (t) => {
    if (!world.server.own) return t.skip("SKIP: the server is not the test's own to restart");
    const id = await create({ operation: "nightly_backup", title: "vault", report: "https://reports.example/7", shelf: "C4" });
    await update(id, 0.25, { current_step: "Copying" });
    // What comes between two pulses is one change.
    for (let percent = 0.5; (await getJson(world.server.url, `/api/history/${id}`)).changes.length < 4; percent += 0.01) await update(id, percent);
    await complete(id, { files: 12 });
    await restart();
    await fetch(`${world.server.url}/api/sessions/${id}`, { method: "DELETE" });
    const problems = await withPage("ended", `#/session/${id}`, async (page) => {
      const own = page.locator(testid("session-page"));
      const log = own.locator(testid("session-log"));
      await log.getByText("Done").waitFor();
      for (const part of ["Started", "25%", "100%"]) await log.getByText(part).first().waitFor();
      const details = own.locator(testid("session-details"));
      for (const part of [id, "https://reports.example/7", "C4", "Nightly backup"]) await details.getByText(part).first().waitFor();
      assert.match(await details.innerText(), /Started\s.+\sEnded\s.+\sTook\s/is);
      assert.match(await own.innerText(), /Files\s+12/);
      await own.locator(`${testid("curve")} svg`).waitFor();
    });
    assert.deepEqual(problems, []);
  });

  test("the page of a running session has its changes from before it was opened", async () => {
    const id = await create({ title: "long job" });
    for (let percent = 0.1; (await getJson(world.server.url, `/api/history/${id}`)).changes.length < 3; percent += 0.01) await update(id, percent);
    await withPage("running", `#/session/${id}`, async (page) => {
      const log = page.locator(testid("session-log"));
      await log.getByText("Started").waitFor();
      await log.getByText("10%").waitFor();
      await update(id, 0.9, { current_step: "Verifying" });
      await log.getByText("Verifying").waitFor();
      assert.equal(await log.getByText("10%").count(), 1);
      assert.match(await log.innerText(), /90%.*Verifying[\s\S]*10%[\s\S]*Started/);
      await page.reload();
      await live(page);
      await log.getByText("90%").first().waitFor();
    });
  });

  test("a session that nobody knows is said to be unknown", async () => {
    await withPage("unknown", `#/session/${randomUUID()}`, async (page) => {
      await page.locator(testid("session-missing")).filter({ hasText: "does not know" }).waitFor();
    });
  });

  test("the keyboard alone reads on, filters and opens a session", async () => {
    await ended(3, "keyboard");
    await withPage("keyboard", "#/history", async (page) => {
      await rows(page).first().waitFor();
      const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-testid") ?? document.activeElement?.tagName);
      await page.locator(testid("history-status")).focus();
      await page.keyboard.press("Tab");
      assert.equal(await focused(), "history-since");
      await page.keyboard.press("Tab");
      assert.equal(await focused(), "A");
      await page.keyboard.press("Enter");
      await page.locator(testid("session-page")).waitFor();
      assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H2");
    });
  });
});
