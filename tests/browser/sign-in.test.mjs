// The page of a server that asks for tokens.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { launchBrowser, live, openPage, reasonToSkip, scratchFolder, startServer, testid } from "./harness.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

const TOKENS = { viewer: "the-token-of-a-viewer", producer: "the-token-of-a-producer", admin: "the-token-of-an-admin" };

describe("the page of a server that asks for tokens", { skip: skip || (process.env.PULSEWHEEL_URL ? "SKIP: the server is not the test's own" : false), timeout: 120_000 }, () => {
  let folder, file, server, browser;

  const writeTokens = (roles) => writeFileSync(file, roles.map((role) => `${role} ${TOKENS[role]} ${role}\n`).join(""), { mode: 0o600 });

  before(async () => {
    folder = scratchFolder();
    file = join(folder.path, "tokens");
    writeTokens(Object.keys(TOKENS));
    server = await startServer(folder.path, "127.0.0.1:0", ["--token-file", file]);
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    folder?.remove();
  });

  async function signIn(page, token) {
    await page.locator(testid("sign-in-token")).fill(token);
    await page.locator("#sign-in-form button").click();
  }

  const as = async (role, body) => {
    const { page } = await openPage(browser, server.url);
    try {
      await page.locator(testid("sign-in")).waitFor();
      await signIn(page, TOKENS[role]);
      await live(page);
      await page.locator(`html[data-role="${role}"]`).waitFor();
      await body(page);
    } finally {
      await page.context().close();
    }
  };

  async function makeSession() {
    const headers = { Authorization: `Bearer ${TOKENS.producer}`, "Content-Type": "application/json" };
    const answer = await fetch(`${server.url}/api/sessions`, { method: "POST", headers, body: "{}" });
    return (await answer.json()).sessionId;
  }

  test("a token is asked for once, a wrong one is told of, and a page that is loaded again knows it", async () => {
    const { page } = await openPage(browser, server.url);
    await page.locator(testid("sign-in")).waitFor();
    await signIn(page, "wrong");
    await page.locator("#sign-in-problem").filter({ hasText: "does not accept" }).waitFor();
    await signIn(page, TOKENS.admin);
    await live(page);
    await page.reload();
    await live(page);
    assert.equal(await page.locator(testid("sign-in")).isVisible(), false);
    await page.context().close();
  });

  test("each role is offered what it may do", async () => {
    const sessionId = await makeSession();
    for (const [role, mayImport, mayCancel] of [
      ["viewer", false, false],
      ["producer", true, true],
      ["admin", true, true],
    ]) {
      await as(role, async (page) => {
        const card = page.locator(`${testid("session-card")}[data-session-id="${sessionId}"]`);
        await card.waitFor();
        assert.equal(await page.locator("#import-form").isVisible(), mayImport, role);
        assert.equal(await card.locator(testid("cancel")).isVisible(), mayCancel, role);
        assert.equal(await page.getByRole("link", { name: "Server", exact: true }).isVisible(), role === "admin", role);
        await page.goto(`${server.url}/#/server`);
        await page.locator(testid("server-status")).filter({ hasText: role === "admin" ? /^Read at/ : /admins only/ }).waitFor();
      });
    }
  });

  test("when a login has ended the page asks again, and goes on with another token", async () => {
    await as("viewer", async (page) => {
      writeTokens(["producer", "admin"]);
      server.reread();
      await page.locator(testid("sign-in")).waitFor();
      await signIn(page, TOKENS.admin);
      await live(page);
      await page.locator('html[data-role="admin"]').waitFor();
    });
  });

  test("who guesses is told to wait", async () => {
    const { page } = await openPage(browser, server.url);
    await page.locator(testid("sign-in")).waitFor();
    const problem = page.locator("#sign-in-problem");
    for (let guess = 0; guess < 8 && !(await problem.filter({ hasText: /Try again in \d+ seconds?/ }).isVisible()); guess += 1) {
      const answer = page.waitForResponse(/login/);
      await signIn(page, `guess ${guess}`);
      await answer;
    }
    await problem.filter({ hasText: /Try again in \d+ seconds?/ }).waitFor();
    await page.context().close();
  });
});
