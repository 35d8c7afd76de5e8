// The page of the server's figures.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { postJson, reasonToSkip, startServer, testid, withDashboard } from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

describe("the server's figures", { skip, timeout: 300_000 }, () => {
  const world = worldOfTests();

  const say = (page, name, words) => page.locator(testid(`server-${name}`)).filter({ hasText: words }).waitFor();

  test("are read again and again, with rates and the trend of the memory", async () => {
    const problems = await withDashboard(world.browser, world.server.url, "figures", {}, async (page) => {
      await page.getByRole("link", { name: "Server", exact: true }).click();
      await page.waitForURL("**/#/server");
      await say(page, "clients", /^[1-9]/);
      await say(page, "memory", /^\d+ MiB$/);
      await postJson(world.server.url, "/api/sessions", { metadata: { title: "counted" } });
      await say(page, "eventsOut", /^\d[\d.,]*\/s$/);
      await say(page, "sessions", "1");
      await page.locator(`${testid("server-content")} svg`).first().waitFor();
      await page.locator(testid("server-status")).filter({ hasText: /^Read at \d/ }).waitFor();
      assert.equal(await page.title(), "0% · counted – Pulsewheel");
    });
    assert.deepEqual(problems, []);
  });

  test("are said to be old when the server is gone, and new when it is back", async (t) => {
    if (!world.server.own) return t.skip("SKIP: the server is not the test's own to restart");
    const address = new URL(world.server.url).host;
    await withDashboard(world.browser, `${world.server.url}/#/server`, "figures gone", {}, async (page) => {
      await say(page, "uptime", /\d/);
      await world.server.kill();
      await page.locator(testid("server-status")).filter({ hasText: /could not be read.+What you see is from \d/ }).waitFor();
      world.server = await startServer(world.folder.path, address);
      await page.locator(testid("server-status")).filter({ hasText: /^Read at/ }).waitFor();
      await say(page, "uptime", /\d/);
    });
  });
});
