// The dashboard with work of other programs: ids that are used again, restarts, lost connections, many
// sessions, long texts.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import {
  OUTPUT,
  cardOf,
  getJson,
  live,
  openPage,
  postJson,
  reasonToSkip,
  startProxy,
  startServer,
  testid,
  withDashboard,
  waitForCount,
} from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

const HASH = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("sessions of other programs", { skip, timeout: 300_000 }, () => {
  const world = worldOfTests();

  const withPage = (name, options, body) => withDashboard(world.browser, options.url ?? world.server.url, name, options, body);

  /** A test whose page must end without a word on the console. */
  function pageTest(name, options, body) {
    test(name, async () => assert.deepEqual(await withPage(name, options, body), []));
  }

  const create = (metadata, sessionId) => postJson(world.server.url, "/api/sessions", { metadata, ...(sessionId && { sessionId }) });
  const update = (id, progress, metadata = {}) => postJson(world.server.url, `/api/sessions/${id}/progress`, { progress, metadata });
  const complete = (id, result = {}) => postJson(world.server.url, `/api/sessions/${id}/complete`, { result });
  const remove = async (id) => {
    const { status } = await fetch(`${world.server.url}/api/sessions/${id}`, { method: "DELETE" });
    assert.equal(status, 204);
  };
  const shows = (page, id, percent) =>
    cardOf(page, id).and(page.locator('[data-status="processing"]')).locator(`${testid("progress-bar")}[aria-valuenow="${percent}"]`).waitFor();
  const ended = (page, id, status) => cardOf(page, id).and(page.locator(`[data-status="${status}"]`)).waitFor();

  pageTest("a nightly job under a fixed id is shown each night", {}, async (page) => {
    const id = randomUUID();
    for (const percent of [80, 10, 30]) {
      await create({ operation: "nightly_backup", title: "vault" }, id);
      await update(id, percent / 100);
      await shows(page, id, percent);
      await complete(id, { files: percent });
      await ended(page, id, "completed");
      assert.match(await cardOf(page, id).innerText(), new RegExp(`Files\\s+${percent}`));
      await remove(id);
    }
  });

  test("what ended and began anew while the connection was lost is shown anew", async () => {
    const [replaced, gone] = [randomUUID(), randomUUID()];
    const proxy = await startProxy(world.server.url);
    const open = { url: proxy.url };
    await withPage("lost connection", open, async (page) => {
      for (const id of [replaced, gone]) {
        await create({ title: "first round" }, id);
        await update(id, 0.9);
        await shows(page, id, 90);
      }
      proxy.cut();
      await page.locator(`${testid("connection")}[data-state="reconnecting"]`).waitFor();
      for (const id of [replaced, gone]) await complete(id);
      for (const id of [replaced, gone]) await remove(id);
      await create({ title: "second round" }, replaced);
      await update(replaced, 0.2);
      proxy.mend();
      await live(page);
      await shows(page, replaced, 20);
      assert.equal(await cardOf(page, replaced).locator("h3").innerText(), "second round");
      // The history still has what the list has no longer.
      await ended(page, gone, "completed");
      await update(replaced, 0.3);
      await shows(page, replaced, 30);
      await complete(replaced);
      await ended(page, replaced, "completed");
    });
    await proxy.stop();
  });

  test("a job that begins again after the server was killed is followed again, in page and class", async (t) => {
    if (!world.server.own) return t.skip("SKIP: the server is not the test's own to restart");
    const id = randomUUID();
    const address = new URL(world.server.url).host;
    await withPage("killed", {}, async (page) => {
      await create({ title: "before" }, id);
      for (const percent of [20, 40, 60]) await update(id, percent / 100);
      await shows(page, id, 60);
      await world.server.kill();
      await page.locator(`${testid("connection")}[data-state="reconnecting"]`).waitFor();
      world.server = await startServer(world.folder.path, address);
      const again = async () => {
        const listed = await fetch(`${world.server.url}/api/sessions/${id}`);
        if (listed.status === 200) {
          const { status } = (await listed.json()).session;
          if (status === "processing") await postJson(world.server.url, `/api/sessions/${id}/error`, { error: "killed" });
          await remove(id);
        }
        await create({ title: "after" }, id);
        await update(id, 0.1);
      };
      await again();
      await live(page);
      await shows(page, id, 10);
      assert.equal(await cardOf(page, id).locator("h3").innerText(), "after");
      await update(id, 0.5);
      await shows(page, id, 50);
      await complete(id);
      await ended(page, id, "completed");
    });
  });

  pageTest("rejected rows are shown with line, column, value and reason, as text", { viewport: { width: 360, height: 740 } }, async (page) => {
    const { sessionId } = await create({ operation: "table_import", filename: `${HASH}.csv` });
    const value = '<img src=x onerror="document.body.dataset.harmed=1">'.repeat(3);
    const rejections = Array.from({ length: 20 }, (_, index) => ({
      line_number: 1_000 + index,
      column: HASH,
      received_value: index === 0 ? value : "x".repeat(200),
      reason: "the severity is not known",
    }));
    const summary = { validation_errors: 30, rejections, rejections_by_reason: { "the severity is not known": 30 } };
    await complete(sessionId, { summary });
    const card = cardOf(page, sessionId);
    const rows = card.locator(`${testid("rejection-rows")} tbody tr`);
    await rows.first().waitFor();
    await waitForCount(rows, 20);
    for (const part of ["1,000", HASH, value, "The severity is not known"]) {
      assert.ok((await rows.first().innerText()).toLowerCase().includes(part.toLowerCase()), part);
    }
    assert.equal(await card.locator(testid("rejections-by-reason")).innerText(), "30 the severity is not known");
    assert.equal(await page.evaluate(() => document.body.dataset.harmed), undefined);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `the page is ${width} pixels wide`);
  });

  pageTest("long texts leave the layout and every button in reach", { viewport: { width: 360, height: 740 } }, async (page) => {
    const { sessionId } = await create({ operation: HASH, title: HASH, digest: HASH });
    await update(sessionId, 0.5, { current_step: `Verifying ${HASH} ${HASH}`, [`key${"x".repeat(60)}`]: HASH });
    const message = Array.from({ length: 60 }, (_, line) => `line ${line}`).join("\n");
    const alert = { level: "error", category: "system", message, action_required: true, action_details: { description: HASH, endpoint: `/${HASH}` } };
    await postJson(world.server.url, "/api/events/system_alert", alert);
    await shows(page, sessionId, 50);
    const toast = page.locator(testid("toast"));
    await toast.waitFor();
    assert.ok((await toast.boundingBox()).height < 400, "a long alert covers the page");
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `the page is ${width} pixels wide`);
    await toast.getByRole("button", { name: "Dismiss" }).click();
    const cancel = cardOf(page, sessionId).locator(testid("cancel"));
    await cancel.scrollIntoViewIfNeeded();
    const box = await cancel.boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 360, `Cancel is at ${JSON.stringify(box)}`);
    await cancel.click();
    await cardOf(page, sessionId).locator(testid("cancel-confirm")).click();
    await ended(page, sessionId, "cancelled");
  });

  pageTest("alerts are kept in a list, those that need action until a person removes them", {}, async (page) => {
    const alert = (message, more = {}) =>
      postJson(world.server.url, "/api/events/system_alert", { level: "warning", category: "system", message, ...more });
    const { alerts: before } = await getJson(world.server.url, "/api/alerts");
    const pending = before.filter(({ action_required: action }) => action === true).length;
    await waitForCount(page.locator(testid("alert")), before.length);
    await alert("Renew the certificate", { action_required: true, auto_dismiss: 100 });
    for (let number = 1; number <= 6; number += 1) await alert(`Passing ${number}`, { auto_dismiss: 60_000 });
    await waitForCount(page.locator(testid("alert")), before.length + 7);
    assert.equal(await page.locator(testid("alerts-count")).innerText(), String(before.length + 7));
    await waitForCount(page.locator(testid("toast")), 5);
    await page.locator(testid("toast")).filter({ hasText: "Renew the certificate" }).waitFor();
    await page.locator(testid("alerts-button")).click();
    await page.locator(testid("alerts-clear")).click();
    await waitForCount(page.locator(testid("alert")), pending + 1);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(testid("alerts-count")).innerText(), String(pending + 1));
  });

  pageTest("each session has a page with an address of its own", {}, async (page) => {
    const metadata = { operation: "nightly_backup", title: "vault", report: "https://reports.example/7", nested: { disk: "B" }, note: "one" };
    const { sessionId } = await create(metadata);
    await update(sessionId, 0.25, { current_step: "Copying" });
    await cardOf(page, sessionId).getByRole("link", { name: "vault" }).click();
    await page.waitForURL(`**/#/session/${sessionId}`);
    const own = page.locator(testid("session-page"));
    await own.getByText("Copying").first().waitFor();
    for (const part of [sessionId, "https://reports.example/7", "disk: B"]) await own.locator(testid("session-details")).getByText(part).waitFor();
    assert.equal(await page.title(), "25% · vault – Pulsewheel");
    assert.equal(await page.locator("#favicon").getAttribute("href"), "progress-2.svg");
    await page.reload();
    await live(page);
    await update(sessionId, 0.5, { current_step: "Verifying" });
    await own.locator(testid("session-log")).getByText("Verifying").waitFor();
    await own.locator(`${testid("progress-bar")}[aria-valuenow="50"]`).waitFor();
    await complete(sessionId, { files: 12 });
    await own.locator(testid("session-log")).getByText("Done").waitFor();
    assert.match(await own.innerText(), /Files\s+12/);
    await page.locator(testid("back")).click();
    await cardOf(page, sessionId).waitFor();
    assert.equal(await own.isVisible(), false);
  });

  pageTest("the theme can be chosen, and the choice is kept", { colorScheme: "light" }, async (page) => {
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [system, button] = [await background(), page.locator(testid("theme"))];
    await button.click();
    assert.equal(await background(), system);
    await button.click();
    const dark = await background();
    assert.notEqual(dark, system);
    await page.reload();
    await live(page);
    assert.equal(await background(), dark);
    await button.click();
    assert.equal(await background(), system);
  });

  pageTest("refresh reads the list anew", {}, async (page) => {
    const { sessionId } = await create({ title: "to be forgotten" });
    await cardOf(page, sessionId).waitFor();
    await page.evaluate(() => {
      window.fetched = [];
      const { fetch } = window;
      window.fetch = (url, ...rest) => {
        window.fetched.push(String(url));
        return fetch(url, ...rest);
      };
    });
    await page.locator(testid("refresh")).click();
    await page.waitForFunction(() => window.fetched.some((url) => url.startsWith("api/imports")));
  });

  pageTest("a server that asks who looks is told a token", {}, async (page) => {
    let cookie = false;
    await page.route("**/api/login", async (route) => {
      cookie = route.request().postDataJSON().token === "let me in";
      await route.fulfill({ status: cookie ? 204 : 401 });
    });
    await page.evaluate(() => document.querySelector("#sign-in").showModal());
    await page.locator(testid("sign-in-token")).fill("let me in");
    await page.keyboard.press("Enter");
    await page.locator(testid("sign-in")).waitFor({ state: "hidden" });
    assert.equal(cookie, true);
  });

  pageTest("the element of the client file shows a session on any page", {}, async (page) => {
    const { sessionId } = await create({ operation: "nightly_backup", title: "vault" });
    await update(sessionId, 0.25, { current_step: "Copying" });
    await page.evaluate(async (id) => {
      const { PulsewheelProgress } = await import("/pulsewheel-client.esm.js");
      window.ended = new Promise((resolve) => document.addEventListener("end", ({ detail }) => resolve(detail.status), true));
      const element = document.createElement("pulsewheel-progress");
      if (!(element instanceof PulsewheelProgress)) throw new Error("the element is not known");
      element.setAttribute("session", id);
      document.querySelector("main").prepend(element);
    }, sessionId);
    const element = page.locator("pulsewheel-progress");
    await element.locator('[role="progressbar"][aria-valuenow="25"]').waitFor();
    assert.equal(await element.evaluate(({ shadowRoot }) => shadowRoot.textContent), "vault25%Copying");
    await update(sessionId, 0.75);
    await element.locator('[role="progressbar"][aria-valuenow="75"]').waitFor();
    await complete(sessionId);
    assert.equal(await page.evaluate(() => window.ended), "completed");
    await element.getByText("Done").waitFor();
    await page.addScriptTag({ url: `${world.server.url}/pulsewheel-client.js` });
    assert.equal(await page.evaluate(() => typeof window.pulsewheel?.WebSocketClient), "function");
  });

  test("a page is fed over HTTP while neither WebSocket nor polling gets through", async () => {
    const { sessionId } = await create({ title: "behind a wall" });
    await update(sessionId, 0.5);
    const { page } = await openPage(world.browser, world.server.url, {
      before: (fresh) => fresh.route("**/socket.io/**", (route) => route.abort()),
      serviceWorkers: "block",
    });
    try {
      await page.routeWebSocket?.(/socket\.io/, (socket) => socket.close());
      await page.reload();
      await shows(page, sessionId, 50);
      await update(sessionId, 0.6);
      await shows(page, sessionId, 60);
    } finally {
      await page.context().close();
    }
  });

  pageTest("of many sessions the running ones come first, in rows that can be searched and scrolled", {}, async (page) => {
    const mark = randomUUID().slice(0, 8);
    const ids = [];
    for (let index = 0; index < 60; index += 1) {
      const { sessionId } = await create({ operation: `bulk_${index % 3}`, title: `${mark} job ${index}` });
      ids.push(sessionId);
    }
    for (const id of ids.slice(0, 20)) await complete(id);
    await update(ids[59], 0.25, { current_step: `Reading ${mark} needle` });
    const search = page.locator(testid("session-search"));
    await search.fill(mark);
    const range = page.locator(testid("session-range"));
    await range.filter({ hasText: /^60 sessions$/ }).waitFor();
    const shown = await page.locator(testid("session-card")).count();
    assert.ok(shown >= 5 && shown < 40, `${shown} rows are on the page`);
    assert.equal(await page.locator(testid("session-card")).first().getAttribute("aria-setsize"), "60");
    // Heights are guesses until they have been on the page, so the end may move while it is scrolled to.
    await page.waitForFunction(() => {
      const box = document.querySelector(".session-box");
      if (box.querySelector('[aria-posinset="60"]')) return true;
      box.scrollTo(0, 1e6);
      return false;
    });
    assert.equal(await page.locator(testid("session-card")).last().getAttribute("data-status"), "completed");
    await page.locator(testid("session-card")).last().locator(testid("toggle")).focus();
    await page.locator(testid("session-box")).evaluate((list) => list.scrollTo(0, 0));
    await page.locator(`${testid("session-card")}[aria-posinset="1"]`).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("data-testid")), "session-box");
    await page.locator(testid("session-filter")).selectOption("running");
    await range.filter({ hasText: /^40 sessions$/ }).waitFor();
    await search.fill(`${mark} NEEDLE`);
    await shows(page, ids[59], 25);
    await waitForCount(page.locator(testid("session-card")), 1);
    const row = cardOf(page, ids[59]);
    await row.locator(testid("toggle")).click();
    await row.and(page.locator(".card")).waitFor();
    await page.locator(testid("session-filter")).selectOption("");
    await search.fill("nothing is called so");
    await page.locator(testid("no-match")).waitFor();
    await complete(ids[59]);
    await search.fill(mark);
    await range.filter({ hasText: /^60 sessions$/ }).waitFor();
  });

  pageTest("more than four mebibytes of sessions are read on one connection, and shown in few elements", {}, async (page) => {
    const filler = "x".repeat(14_000);
    const mark = randomUUID().slice(0, 8);
    for (let index = 0; index < 320; index += 1) {
      const { status } = await fetch(`${world.server.url}/api/sessions`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ metadata: { title: `${mark} ${index}`, filler } }),
      });
      assert.ok(status === 201 || status === 429, `status ${status}`);
      if (status !== 429) continue;
      index -= 1;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    await page.reload();
    await live(page);
    await page.locator(testid("session-search")).fill(mark);
    await page.locator(testid("session-range")).filter({ hasText: /^320 sessions$/ }).waitFor();
    assert.equal(await page.locator(testid("connection")).getAttribute("data-state"), "connected");
    const { elements, height } = await page.evaluate(() => ({
      elements: document.querySelectorAll("#sessions *").length,
      height: document.documentElement.scrollHeight,
    }));
    assert.ok(elements < 1_500 && height < 6_000, `${elements} elements, ${height} pixels high`);
  });
});
