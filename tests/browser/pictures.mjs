// Takes pictures of the page for people to look at: three widths, two themes and forced colours, with no session, one, six
// and a thousand, the page of one session and the list of alerts. They go to ../output/pictures, with a sheet of each look.

import { mkdirSync, readFileSync } from "node:fs";
import { startCrowd } from "./crowd.mjs";
import { OUTPUT, launchBrowser, reasonToSkip, scanCsv, scratchFolder, testid, writeScan } from "./harness.mjs";

const skip = reasonToSkip();
if (skip) {
  console.log(skip);
  process.exit(0);
}

const PICTURES = `${OUTPUT}pictures/`;
const WIDTHS = [360, 768, 1440];
const LOOKS = { light: { colorScheme: "light" }, dark: { colorScheme: "dark" }, forced: { forcedColors: "active" } };
const HASH = `sha256:${"0123456789abcdef".repeat(4)}`;

mkdirSync(PICTURES, { recursive: true });
const folder = scratchFolder();
const crowd = await startCrowd(folder.path);
const browser = await launchBrowser();
const taken = Object.fromEntries(Object.keys(LOOKS).map((look) => [look, []]));
try {
  await take("0", "");
  const first = await crowd.begin({ title: "data-centre.csv", vendor: "nessus" });
  await crowd.report(first, 0.37, { current_step: "Reading the file", processed_rows: 3_700 });
  await take("1", "");
  await fill(first);
  await take("6", "");
  await take("session", `#/session/${crowd.ids[first]}`);
  await take("alerts", "", (page) => page.locator(testid("alerts-button")).click());
  await crowd.beginMany(1_000 - crowd.ids.length);
  for (let index = 10; index < 900; index += 1) await crowd.report(index, (index % 97) / 100, { current_step: "Copying", processed_rows: index * 11 });
  for (let index = 900; index < 1_000; index += 1) await crowd.end(index, index % 9 === 0 ? "error" : "complete", index % 9 === 0 ? { error: "the disk is full" } : {});
  await take("1000", "");
  await take("1000-end", "", (page) => page.locator(testid("session-box")).evaluate((box) => box.scrollTo(0, 1e6)));
  for (const look of Object.keys(LOOKS)) await sheet(look);
  console.log(`written to ${PICTURES}`);
} finally {
  await browser.close();
  await crowd.stop();
  folder.remove();
}

/** Sessions of all kinds beside the first: ended well, failed, of unknown length, with long texts; an import; alerts. */
async function fill(first) {
  const long = await crowd.begin({ operation: "verify", title: `${HASH}.tar`, digest: HASH, url: "https://builds.example/jobs/1882", attempt: 2 });
  await crowd.report(long, 0.62, { current_step: `Verifying ${HASH}`, processed_rows: 6_200 });
  await crowd.begin({ operation: "model_training", title: "unknown length", total_rows: null });
  const done = await crowd.begin({ title: "nightly backup of the vault" });
  await crowd.report(done, 0.5);
  await crowd.end(done, "complete", { result: { files: 12_934, bytes: 88_123_456, archive: "s3://backups/2026-11-30" } });
  const failed = await crowd.begin({ title: "holiday.mov", operation: "video_transcoding" });
  await crowd.report(failed, 0.81);
  const error = { code: "DISK_FULL", message: "No space is left on the device", recovery_suggestions: ["Free some space", "Choose another disk"] };
  await crowd.end(failed, "error", { error, partial_results: { processed_rows: 8_100, rolled_back: true } });
  const arabic = await crowd.begin({ title: "تقرير أمني 2026.csv", operation: "table_import" });
  await crowd.report(arabic, 0.05, { current_step: "שלב ראשון" });
  await crowd.report(first, 0.52, { current_step: "Merging", processed_rows: 5_200, processing_speed: "1,950 rows/sec" });
  await crowd.alert({ level: "critical", category: "security", message: Array.from({ length: 60 }, (_, line) => `Line ${line + 1} of a long alert`).join("\n"), action_required: true, action_details: { description: "Renew the certificate", estimated_time: "5 minutes", endpoint: "/admin/certificates" } });
  await crowd.alert({ level: "info", category: "maintenance", message: "The server restarts tonight at 23:00." });
  await crowd.upload(writeScan(folder.path, "branch-office.csv", scanCsv(480, 1)));
}

/** One picture for each width and look. */
async function take(name, hash, act = async () => {}) {
  for (const [look, options] of Object.entries(LOOKS)) {
    for (const width of WIDTHS) {
      const height = width === 360 ? 740 : 900;
      const { page } = await crowd.open(browser, { viewport: { width, height }, reducedMotion: "reduce", hash, ...options });
      await page.locator(`${testid("findings-table")}, .table-message`).first().waitFor({ state: "attached" });
      await page.waitForLoadState("networkidle");
      await act(page);
      const path = `${PICTURES}${name}-${width}-${look}.png`;
      await page.screenshot({ path, fullPage: true });
      taken[look].push(path);
      await page.context().close();
    }
  }
}

/** All pictures of a look, small and side by side. */
async function sheet(look) {
  const page = await browser.newPage({ viewport: { width: 2_400, height: 1_000 } });
  const images = taken[look].map((path) => {
    const width = Number(/-(\d+)-\w+\.png$/.exec(path)[1]);
    return `<figure><img width="${Math.round(width * 0.42)}" src="data:image/png;base64,${readFileSync(path).toString("base64")}"><figcaption>${path.slice(PICTURES.length)}</figcaption></figure>`;
  });
  await page.setContent(`<style>body{display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start;background:#888;font:12px sans-serif}figure{margin:0}</style>${images.join("")}`);
  await page.screenshot({ path: `${PICTURES}sheet-${look}.png`, fullPage: true });
  await page.close();
}
