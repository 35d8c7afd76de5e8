// What the page costs, in what can be counted without a clock: elements, changes, looks at the layout, requests and bytes.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { withCrowd } from "./crowd.mjs";
import { launchBrowser, reasonToSkip, scanCsv, testid, writeScan } from "./harness.mjs";

const skip = reasonToSkip() || (process.env.PULSEWHEEL_URL ? "SKIP: the server is not the test's own to fill" : false);
if (skip) console.log(skip);

const SESSIONS = 1_000;
const rowOf = (page, id) => page.locator(`${testid("session-card")}[data-session-id="${id}"]`);
const shows = (page, id, percent) => rowOf(page, id).locator(`${testid("progress-bar")}[aria-valuenow="${percent}"]`).waitFor();

/** The page of a thousand sessions, with all that it has read. */
async function filled(page) {
  await page.locator(testid("session-range")).filter({ hasText: "1,000 sessions" }).waitFor();
  await page.locator(testid("session-card")).first().waitFor();
}

describe("what the page costs", { skip, timeout: 600_000 }, () => {
  let browser;
  before(async () => (browser = await launchBrowser()));
  after(() => browser?.close());

  test("it comes in less than 100 kB, and reads each list once", async () => {
    const asked = [];
    let bytes = 0;
    const options = {
      filled: (crowd, folder) => crowd.upload(writeScan(folder, "scan.csv", scanCsv(50, 1))),
      before: async (page) => {
        await page.clock.install();
        const network = await page.context().newCDPSession(page);
        network.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
        await network.send("Network.enable");
        page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      },
    };
    await withCrowd(browser, 20, options, async ({ page }) => {
      await page.locator(`${testid("findings-table")} tbody tr`).first().waitFor();
      await page.locator(`${testid("imports-table")} tbody tr`).first().waitFor();
      await page.locator(testid("chart")).waitFor();
      // Longer than anything waits that gathers what has to be read.
      await page.clock.runFor(5_000);
      const times = Object.fromEntries(asked.map((path) => [path, asked.filter((other) => other === path).length]));
      for (const list of ["/api/vulnerabilities", "/api/vulnerabilities/stats", "/api/imports"]) assert.equal(times[list], 1, `${list} in ${JSON.stringify(times)}`);
      assert.ok(!("/api/sessions" in times), "the sessions come over the connection");
      assert.ok(bytes > 10_000 && bytes < 100_000, `${bytes} bytes were transferred`);
    });
  });

  test("a thousand sessions are few elements, and progress changes those in sight alone", async () => {
    await withCrowd(browser, SESSIONS, {}, async ({ page, crowd }) => {
      await filled(page);
      const elements = await page.evaluate(() => document.querySelectorAll("*").length);
      assert.ok(elements < 2_000, `${elements} elements`);

      const seen = SESSIONS - 1;
      await crowd.report(seen, 0.1, { current_step: "Reading", processed_rows: 1_000 });
      await shows(page, crowd.ids[seen], 10);
      await page.evaluate(() => {
        window.changed = [];
        window.looks = [];
        const note = (target) => {
          const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
          window.changed.push(element?.closest("[data-session-id]")?.dataset.sessionId ?? "");
        };
        const records = (list) => list.forEach(({ target }) => note(target));
        window.observer = new MutationObserver(records);
        window.observer.observe(document.querySelector("#sessions"), { subtree: true, childList: true, attributes: true, characterData: true });
        const watch = (prototype, name) => {
          const { get, value, ...rest } = Object.getOwnPropertyDescriptor(prototype, name);
          const look = (original) =>
            function (...args) {
              window.looks.push(name);
              return original.apply(this, args);
            };
          Object.defineProperty(prototype, name, get ? { ...rest, get: look(get) } : { ...rest, value: look(value) });
        };
        for (const name of ["getBoundingClientRect", "getClientRects", "clientWidth", "clientHeight", "clientTop", "scrollTop", "scrollHeight", "scrollWidth", "scrollIntoView"]) watch(Element.prototype, name);
        for (const name of ["offsetTop", "offsetLeft", "offsetWidth", "offsetHeight", "offsetParent", "innerText", "focus"]) watch(HTMLElement.prototype, name);
        watch(window, "getComputedStyle");
      });
      for (let index = 0; index < 200; index += 1) await crowd.report(index, 0.3, { current_step: "Checking", processed_rows: 3_000 });
      await crowd.report(seen, 0.2, { current_step: "Checking", processed_rows: 2_000 });
      await shows(page, crowd.ids[seen], 20);
      const { changed, looks } = await page.evaluate(() => ({ changed: window.changed, looks: window.looks }));
      assert.ok(changed.length > 0 && changed.length <= 12, `${changed.length} changes`);
      assert.deepEqual([...new Set(changed)], [crowd.ids[seen]]);
      assert.deepEqual(looks, []);
    });
  });

  test("whoever has scrolled down a long list keeps the place when sessions begin and end above", async () => {
    await withCrowd(browser, 100, {}, async ({ page, crowd }) => {
      const box = page.locator(testid("session-box"));
      await page.locator(testid("session-range")).filter({ hasText: "100 sessions" }).waitFor();
      await box.evaluate((list) => list.scrollTo(0, 2_000));
      const watched = await page.evaluate(() => {
        return new Promise((resolve) => {
          const look = () => {
            const top = document.querySelector(".session-box").getBoundingClientRect().top;
            const first = [...document.querySelectorAll("[data-session-id]")].find((row) => row.getBoundingClientRect().top >= top);
            const rows = document.querySelector(".session-list").style.paddingTop;
            // Once the rows of the new place are there.
            if (first && rows !== "0px") resolve(first.dataset.sessionId);
            else requestAnimationFrame(look);
          };
          requestAnimationFrame(look);
        });
      });
      const place = () => rowOf(page, watched).evaluate((row) => Math.round(row.getBoundingClientRect().top));
      const was = await place();
      await crowd.beginMany(10);
      await page.locator(testid("session-range")).filter({ hasText: "110 sessions" }).waitFor();
      assert.equal(await place(), was);
      for (const index of [99, 98, 97]) await crowd.end(index);
      await page.locator(testid("session-counts")).filter({ hasText: "3 done" }).waitFor();
      assert.equal(await place(), was);
    });
  });
});
