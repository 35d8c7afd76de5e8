// What the page does for a reader who looks elsewhere, and for one who only looks.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { cardOf, live, postJson, reasonToSkip, testid, withDashboard } from "./harness.mjs";
import { worldOfTests } from "./world.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

describe("for readers who look elsewhere", { skip, timeout: 120_000 }, () => {
  const world = worldOfTests();

  const create = async (title) => (await postJson(world.server.url, "/api/sessions", { metadata: { operation: "nightly_backup", title } })).sessionId;
  const complete = (id) => postJson(world.server.url, `/api/sessions/${id}/complete`, { result: {} });
  const fail = (id, error) => postJson(world.server.url, `/api/sessions/${id}/error`, { error });

  /** A browser whose notifications and tones are written down, and whose reader has another window before the eyes. */
  const elsewhere = (permission, answer = permission) => ({
    before: (page) =>
      page.addInitScript(
        ({ permission, answer }) => {
          window.told = [];
          window.tones = [];
          window.Notification = class {
            static permission = permission;
            static async requestPermission() {
              return (this.permission = answer);
            }
            constructor(title, options) {
              Object.assign(this, { title, ...options, close: () => {} });
              window.told.push(this);
            }
          };
          const { start } = window.AudioScheduledSourceNode.prototype;
          window.OscillatorNode.prototype.start = function (at) {
            window.tones.push(this.frequency.value);
            start.call(this, at);
          };
          // Not every machine has something to play on.
          Object.defineProperty(window.AudioContext.prototype, "state", { get: () => "running" });
          Document.prototype.hasFocus = () => false;
        },
        { permission, answer },
      ),
  });
  const run = (name, options, body) => withDashboard(world.browser, world.server.url, name, options, body);
  const told = (page) => page.evaluate(() => window.told.map(({ title, body }) => ({ title, body })));
  const waitTold = (page, count) => page.waitForFunction((wanted) => window.told.length === wanted, count);

  test("an end is told as a notification that leads to the session, and several at once as one", async () => {
    await run("notified", elsewhere("default", "granted"), async (page) => {
      const quiet = await create("nobody asked");
      await cardOf(page, quiet).waitFor();
      await complete(quiet);
      await cardOf(page, quiet).and(page.locator('[data-status="completed"]')).waitFor();
      await page.locator(testid("notices")).selectOption("notify");
      const title = `vault ${randomUUID()}`;
      const id = await create(title);
      await cardOf(page, id).waitFor();
      await fail(id, "the disk is full");
      await waitTold(page, 1);
      assert.deepEqual(await told(page), [{ title, body: "Failed: The disk is full." }]);
      await page.evaluate(() => window.told[0].onclick());
      await page.waitForURL(`**/#/session/${id}`);

      await page.goBack();
      const both = [await create("one"), await create("other")];
      for (const one of both) await cardOf(page, one).waitFor();
      await page.clock.install();
      await complete(both[0]);
      await fail(both[1], "broken");
      for (const one of both) await cardOf(page, one).and(page.locator(':not([data-status="processing"])')).waitFor();
      await page.clock.runFor(2_000);
      await waitTold(page, 2);
      assert.deepEqual((await told(page))[1], { title: "2 sessions ended", body: "1 done, 1 failed" });
      assert.deepEqual(await page.evaluate(() => window.tones), []);
    });
  });

  test("a sound goes up for what went well and down for what failed, and the choice is kept", async () => {
    await run("sound", elsewhere("granted"), async (page) => {
      await page.locator(testid("notices")).selectOption("sound");
      await page.reload();
      await live(page);
      assert.equal(await page.locator(testid("notices")).inputValue(), "sound");
      // Browsers play nothing on a page that was never touched.
      await page.locator("h1").click();
      for (const [end, rises] of [[complete, true], [(id) => fail(id, "broken"), false]]) {
        const id = await create("loud");
        await cardOf(page, id).waitFor();
        await end(id);
        await page.waitForFunction(() => window.tones.length === 2);
        const [first, second] = await page.evaluate(() => window.tones.splice(0));
        assert.equal(second > first, rises, `${first} Hz, ${second} Hz`);
      }
    });
  });

  test("a browser that refuses notifications is told of, and nothing pretends to be switched on", async () => {
    await run("refused", elsewhere("default", "denied"), async (page) => {
      await page.locator(testid("notices")).selectOption("notify");
      await page.locator(testid("toast")).filter({ hasText: "does not let the page notify you" }).waitFor();
      assert.equal(await page.locator(testid("notices")).inputValue(), "off");
    });
  });

  test("a page that is only for reading offers nothing that changes anything", async () => {
    const id = await create("on the wall");
    await withDashboard(world.browser, `${world.server.url}/?read-only`, "read-only", {}, async (page) => {
      await cardOf(page, id).waitFor();
      assert.equal(await cardOf(page, id).locator(testid("cancel")).isVisible(), false);
      assert.equal(await page.locator(testid("drop-zone")).isVisible(), false);
    });
    await withDashboard(world.browser, world.server.url, "not read-only", {}, async (page) => {
      await cardOf(page, id).locator(testid("cancel")).waitFor();
      await page.locator(testid("drop-zone")).waitFor();
    });
  });
});
