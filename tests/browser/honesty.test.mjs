// What the page says of its connection, in every state of network and server.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  cardOf,
  postJson,
  reasonToSkip,
  startProxy,
  startServer,
  testid,
  withDashboard,
} from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

describe("what the page says of its connection", { skip, timeout: 300_000 }, () => {
  const world = worldOfTests();

  const stands = (page, state) => page.locator(`${testid("connection")}[data-state="${state}"]`).waitFor();
  const state = (page) => page.locator(testid("connection")).getAttribute("data-state");
  const banner = (page, words) => page.locator(testid("banner")).filter({ hasText: words }).waitFor();

  /** Presses refresh and waits for what it says. */
  async function refresh(page, said) {
    await page.locator(testid("refresh")).click();
    await page.locator(testid("refresh")).filter({ hasText: said }).waitFor();
  }

  /** Lets time pass on the page, step by step, until it stands as wanted. */
  async function until(page, wanted) {
    while ((await state(page)) !== wanted) await page.clock.runFor(500);
  }

  test("a frozen server makes the page stale and then without an answer, until it goes on", async (t) => {
    if (!world.server.own) return t.skip("SKIP: the server is not the test's own to freeze");
    const options = { before: (page) => page.clock.install() };
    await withDashboard(world.browser, world.server.url, "frozen", options, async (page) => {
      await refresh(page, /^Read at/);
      world.server.freeze();
      await page.clock.runFor(32_000);
      await stands(page, "quiet");
      await page.clock.runFor(2_000);
      await banner(page, "gives no sign of life. What you see is from 3");
      await page.locator(testid("refresh")).click();
      await page.locator(testid("refresh")).filter({ hasText: "Reading…" }).waitFor();
      await page.clock.runFor(11_000);
      await page.locator(testid("refresh")).filter({ hasText: "Not read: the server does not answer" }).waitFor();
      await until(page, "reconnecting");
      await until(page, "frozen");
      await banner(page, "takes requests but does not answer");
      world.server.thaw();
      await page.locator(testid("retry")).click();
      await until(page, "connected");
      await page.locator(testid("banner")).waitFor({ state: "hidden" });
    });
  });

  test("a server that is gone is said to be lost, and found again", async (t) => {
    if (!world.server.own) return t.skip("SKIP: the server is not the test's own to restart");
    const address = new URL(world.server.url).host;
    await withDashboard(world.browser, world.server.url, "gone", {}, async (page) => {
      await world.server.kill();
      await stands(page, "reconnecting");
      await page.locator("#connection-countdown").filter({ hasText: /^in \d+ s$/ }).waitFor();
      await banner(page, /is lost\. What you see is from .+ ago\. .+ Trying again in \d+ second/);
      await refresh(page, "Not read: the server could not be reached");
      world.server = await startServer(world.folder.path, address);
      await page.locator(testid("retry")).click();
      await stands(page, "connected");
      await refresh(page, /^Read at/);
    });
  });

  test("figures that are read again and again over HTTP are called so, and can be refreshed", async () => {
    const { sessionId } = await postJson(world.server.url, "/api/sessions", { metadata: { title: "behind a wall" } });
    await withDashboard(world.browser, world.server.url, "polled", {}, async (page) => {
      await page.route("**/socket.io/**", (route) => route.abort());
      await page.routeWebSocket(/socket\.io/, (socket) => socket.close());
      await page.reload();
      await stands(page, "polled");
      await banner(page, "read again every few seconds");
      await postJson(world.server.url, `/api/sessions/${sessionId}/progress`, { progress: 0.5 });
      await refresh(page, /^Read at/);
      assert.equal(await cardOf(page, sessionId).locator(testid("progress-bar")).getAttribute("aria-valuenow"), "50");
    });
  });

  test("a device that loses its network is offline, and live again when it is back", async () => {
    const proxy = await startProxy(world.server.url);
    try {
      await withDashboard(world.browser, proxy.url, "offline", {}, async (page) => {
        await page.context().setOffline(true);
        proxy.cut();
        await stands(page, "offline");
        await banner(page, "This device is offline. What you see is from");
        await refresh(page, "Not read: the server could not be reached");
        proxy.mend();
        await page.context().setOffline(false);
        await stands(page, "connected");
      });
    } finally {
      await proxy.stop();
    }
  });
});
