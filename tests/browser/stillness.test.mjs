// Nothing on the page is pushed around by what happens by itself, as browsers measure it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { withCrowd } from "./crowd.mjs";
import { launchBrowser, live, reasonToSkip, scanCsv, testid, waitForCount, writeScan } from "./harness.mjs";

const skip = reasonToSkip() || (process.env.PULSEWHEEL_URL ? "SKIP: the server is not the test's own to fill" : false);
if (skip) console.log(skip);

const rowOf = (page, id) => page.locator(`${testid("session-card")}[data-session-id="${id}"]`);
const SCREENS = { "a screen": { width: 1280, height: 900 }, "a phone": { width: 360, height: 740 } };

describe("nothing is pushed around", { skip, timeout: 600_000 }, () => {
  let browser;
  before(async () => (browser = await launchBrowser()));
  after(() => browser?.close());

  /** A page with findings that notes every shift; `still` fails where there was one. */
  function withStillPage(count, viewport, options, body) {
    const noted = {
      viewport,
      filled: (crowd, folder) => crowd.upload(writeScan(folder, "scan.csv", scanCsv(50, 1))),
      before: (page) =>
        page.addInitScript(() => {
          window.shifts = [];
          const placeOf = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(" ");
          const sourceOf = ({ node, previousRect, currentRect }) => `${node?.id || node?.className || node?.nodeName} from ${placeOf(previousRect)} to ${placeOf(currentRect)}`;
          const note = (list) => list.getEntries().forEach(({ value, hadRecentInput, sources }) => {
            if (!hadRecentInput) window.shifts.push(`${value.toFixed(4)}: ${sources.map(sourceOf).join(", ")}`);
          });
          window.shiftObserver = new PerformanceObserver(note);
          window.shiftObserver.observe({ type: "layout-shift", buffered: true });
        }),
      ...options,
    };
    return withCrowd(browser, count, noted, async (world) => {
      const { page } = world;
      const still = async (what) => {
        await page.waitForFunction(() => document.getAnimations().every(({ playState, effect }) => playState !== "running" || effect.getComputedTiming().endTime === Infinity));
        // Has the browser draw what there is, so that shifts are known.
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
        assert.deepEqual(await page.evaluate(() => window.shifts.splice(0)), [], what);
      };
      await page.locator(`${testid("findings-table")} tbody tr`).first().waitFor();
      await page.locator(`${testid("imports-table")} tbody tr`).first().waitFor();
      await page.locator(testid("chart")).waitFor();
      await still("loading");
      await body({ ...world, still, row: (index) => rowOf(page, world.crowd.ids[index]) });
    });
  }

  for (const [screen, viewport] of Object.entries(SCREENS)) {
    for (const [many, count] of [["few", 2], ["many", 40]]) {
      test(`among ${many} sessions on ${screen}, by those that begin, go on, end and are removed`, async () => {
        await withStillPage(count, viewport, {}, async ({ page, crowd, still, row }) => {
          const begun = [];
          for (const metadata of [{}, { epoch: 3, loss: 0.25 }, { title: "one more" }, { title: "the last one" }]) {
            begun.push(await crowd.begin(metadata));
            await row(begun.at(-1)).waitFor();
            await still("a session begins");
          }
          const [done, failed, cancelled, other] = begun;
          for (const step of ["Reading", `Verifying ${"0123456789abcdef".repeat(8)}`, "Writing"]) {
            await crowd.report(other, 0.1, { current_step: step });
            await row(other).locator(testid("current-step")).filter({ hasText: step }).waitFor();
            await still(`a session reports ${step}`);
          }
          await crowd.report(other, 0.3, { processed_rows: 3_000, processing_speed: "90 rows/sec", epoch: 4 });
          await row(other).locator(`${testid("progress-bar")}[aria-valuenow="30"]`).waitFor();
          await still("a session tells more than before");
          const counts = (words) => page.locator(testid("session-counts")).filter({ hasText: words }).waitFor();
          // One import has been done before.
          for (const [index, verb, body, words] of [
            [done, "complete", { result: { files: 12, archive: "s3://backups/2026" } }, "2 done"],
            [failed, "error", { error: { code: "DISK_FULL", message: "the disk is full", recovery_suggestions: ["Free some space"] } }, "1 failed"],
            [cancelled, "cancel", {}, "1 cancelled"],
          ]) {
            await crowd.end(index, verb, body);
            await counts(words);
            await still(`a session ends: ${words}`);
          }
          await crowd.remove(done);
          await crowd.end(other);
          await counts("3 done");
          await still("somebody else removes a session");
        });
      });
    }

    test(`on ${screen}, by alerts, an import, a lost connection and what was missed meanwhile`, async () => {
      await withStillPage(3, viewport, { isCut: true }, async ({ page, crowd, proxy, folder, still }) => {
        const alert = { level: "warning", category: "system", message: "The disk is nearly full.\nFree some space.", action_required: true };
        for (let count = 1; count <= 3; count += 1) {
          await crowd.alert({ ...alert, message: `${alert.message} ${count}` });
          await waitForCount(page.locator(testid("toast")), count);
          await still("an alert comes");
        }
        await crowd.upload(writeScan(folder, "second.csv", scanCsv(80, 2)));
        await page.locator(`${testid("imports-table")} tbody tr`).nth(1).waitFor();
        await page.locator(`${testid("findings-total")}:not([data-total="50"])`).waitFor();
        await still("an import ends");
        proxy.cut();
        await page.locator(testid("banner")).waitFor();
        await still("the connection is lost");
        const index = await crowd.begin({ title: "nobody looks" });
        await crowd.end(index, "error", { error: "the disk is full" });
        await crowd.alert({ ...alert, message: "Seen by nobody" });
        proxy.mend();
        await live(page);
        await page.locator(testid("away-sessions")).waitFor();
        await page.locator(testid("banner")).waitFor({ state: "hidden" });
        await still("the connection is back");
      });
    });
  }
});
