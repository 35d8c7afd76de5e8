// The page of a server that lies below a path of its host, behind a reverse proxy that takes the path away.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  cardOf,
  importInPage,
  launchBrowser,
  live,
  openPage,
  reasonToSkip,
  scratchFolder,
  startPrefixProxy,
  startServer,
  testid,
  writeScan,
} from "./harness.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

const PREFIX = "/tools/pulsewheel/";
const TOKEN = "the-token-of-an-admin";

describe("a server below a path of its host", { skip: skip || (process.env.PULSEWHEEL_URL ? "SKIP: the server is not the test's own" : false), timeout: 120_000 }, () => {
  let folder, server, proxy, browser;

  before(async () => {
    folder = scratchFolder();
    const tokens = join(folder.path, "tokens");
    writeFileSync(tokens, `admin ${TOKEN} admin\n`, { mode: 0o600 });
    server = await startServer(folder.path, "127.0.0.1:0", ["--token-file", tokens, "--trusted-proxy", "127.0.0.1"]);
    proxy = await startPrefixProxy(server.url, PREFIX);
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await proxy?.stop();
    await server?.stop();
    folder?.remove();
  });

  /** The page, signed in. */
  async function open() {
    const { page } = await openPage(browser, proxy.url);
    await page.locator(testid("sign-in-token")).fill(TOKEN);
    await page.locator("#sign-in-form button").click();
    await live(page);
    return page;
  }

  async function post(path, body) {
    const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
    const response = await fetch(`${proxy.url}api/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    assert.ok(response.ok, `${path}: status ${response.status}`);
    return response.json();
  }

  test("has its page, its events, its uploads and all its places there", async () => {
    const page = await open();
    const [cookie] = await page.context().cookies();
    assert.deepEqual([cookie.path, cookie.httpOnly], [PREFIX, true]);
    assert.equal(await page.locator("#transport").innerText(), "websocket");
    const { sessionId } = await post("sessions", { metadata: { title: "below" } });
    await post(`sessions/${sessionId}/progress`, { progress: 0.5 });
    await cardOf(page, sessionId).locator(`${testid("progress-bar")}[aria-valuenow="50"]`).waitFor();
    assert.equal(await page.locator("#favicon").evaluate((link) => new URL(link.href).pathname), `${PREFIX}progress-4.svg`);
    await importInPage(page, writeScan(folder.path, "below.csv", "host,title,severity\nweb-1,Old,High\n"));
    await page.locator(testid("findings-total")).filter({ hasText: "1 finding" }).waitFor();
    await page.locator(testid("imports-table")).getByText("1 new").waitFor();
    const [saved] = await Promise.all([page.waitForEvent("download"), page.locator(testid("save-csv")).click()]);
    assert.equal(await saved.failure(), null);
    await cardOf(page, sessionId).getByRole("link", { name: "below" }).click();
    await page.waitForURL(`${proxy.url}#/session/${sessionId}`);
    await page.locator(testid("session-log")).getByText("50%").waitFor();
    await page.reload();
    await live(page);
    await page.locator(testid("session-log")).getByText("50%").waitFor();
    await post(`sessions/${sessionId}/complete`, {});
    await page.getByRole("link", { name: "History", exact: true }).click();
    await page.locator(`${testid("history-row")}[data-session-id="${sessionId}"]`).waitFor();
    await page.getByRole("link", { name: "Server", exact: true }).click();
    await page.locator(testid("server-clients")).filter({ hasText: "1" }).waitFor();
    assert.deepEqual(proxy.astray, []);
    await page.context().close();
  });

  test("gives class and element to pages by its own address", async () => {
    const { sessionId } = await post("sessions", { metadata: { title: "embedded" } });
    await post(`sessions/${sessionId}/progress`, { progress: 0.25 });
    const page = await open();
    await page.evaluate(
      async ([id, address]) => {
        const { WebSocketClient } = await import(`${address}pulsewheel-client.esm.js`);
        const element = document.createElement("pulsewheel-progress");
        element.setAttribute("session", id);
        element.setAttribute("server", address);
        document.querySelector("main").prepend(element);
        window.own = new WebSocketClient({ path: `${new URL(address).pathname}socket.io/` });
        await window.own.connect();
      },
      [sessionId, proxy.url],
    );
    await page.locator("pulsewheel-progress").locator('[role="progressbar"][aria-valuenow="25"]').waitFor();
    assert.equal(await page.evaluate(async (id) => (await window.own.getSession(id)).progress, sessionId), 0.25);
    assert.deepEqual(proxy.astray, []);
    await page.context().close();
  });
});
