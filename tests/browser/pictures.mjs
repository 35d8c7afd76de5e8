// Takes pictures of the page for people to look at: three widths, two themes and forced colours, with no session, one, six
// and a thousand, the page of one session, the list of alerts, what was missed, the history, the server, and a preview, and
// the overview on paper. They go to ../output/pictures, with a sheet of each look. ONLY="6 alerts" takes some.

import { mkdirSync, readFileSync } from "node:fs";
import { startCrowd } from "./crowd.mjs";
import { OUTPUT, launchBrowser, live, reasonToSkip, scanCsv, scratchFolder, startProxy, testid, writeScan } from "./harness.mjs";

const skip = reasonToSkip();
if (skip) {
  console.log(skip);
  process.exit(0);
}

const PICTURES = `${OUTPUT}pictures/`;
const WIDTHS = [360, 768, 1440];
const LOOKS = { light: { colorScheme: "light" }, dark: { colorScheme: "dark" }, forced: { forcedColors: "active" } };
const ONLY = process.env.ONLY?.split(" ");
const HASH = `sha256:${"0123456789abcdef".repeat(4)}`;

mkdirSync(PICTURES, { recursive: true });
const folder = scratchFolder();
const crowd = await startCrowd(folder.path);
const proxy = await startProxy(crowd.url);
const browser = await launchBrowser();
const taken = Object.fromEntries(Object.keys(LOOKS).map((look) => [look, []]));
try {
  await take("0");
  const first = await crowd.begin({ title: "data-centre.csv", vendor: "nessus" });
  await crowd.report(first, 0.37, { current_step: "Reading the file", processed_rows: 3_700 });
  await take("1");
  await fill(first);
  await take("6");
  await take("session", { hash: `#/session/${crowd.ids[first]}` });
  await take("session-failed", { hash: `#/session/${crowd.ids[4]}` });
  await take("alerts", { act: (page) => page.locator(testid("alerts-button")).click() });
  await take("preview", { act: preview });
  await take("paper", { act: (page) => page.emulateMedia({ media: "print" }) });
  await take("missed", { url: proxy.url, meanwhile: missSomething, act: (page) => page.locator(testid("away-sessions")).waitFor() });
  await take("history", { hash: "#/history", act: (page) => page.locator(testid("history-row")).first().waitFor() });
  await take("server", { hash: "#/server", act: (page) => page.locator(`${testid("server-content")} svg`).first().waitFor() });
  await crowd.beginMany(1_000 - crowd.ids.length);
  for (let index = 10; index < 900; index += 1) await crowd.report(index, (index % 97) / 100, { current_step: "Copying", processed_rows: index * 11 });
  for (let index = 900; index < 1_000; index += 1) await crowd.end(index, index % 9 === 0 ? "error" : "complete", index % 9 === 0 ? { error: "the disk is full" } : {});
  await take("1000");
  await take("1000-end", { act: (page) => page.locator(testid("session-box")).evaluate((box) => box.scrollTo(0, 1e6)) });
  for (const look of Object.keys(LOOKS)) await sheet(look);
  console.log(`written to ${PICTURES}`);
} finally {
  await browser.close();
  await proxy.stop();
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

/** Columns that need to be named, and a word for a severity that is not known. */
async function preview(page) {
  await page.locator(testid("file-input")).setInputFiles(writeScan(folder.path, "own-table.csv", "Machine,Title,Severity\nweb-1,Old TLS,High\nmail-1,Open relay,grave\n"));
  await page.locator(testid("preview-button")).click();
  await page.locator(testid("preview")).waitFor();
}

/** Ends sessions and sends an alert while these pages have no connection. */
async function missSomething(pages) {
  proxy.cut();
  for (const page of pages) await page.locator(`${testid("connection")}[data-state="reconnecting"]`).waitFor();
  for (const [title, verb, body] of [["nightly backup", "complete", {}], [`${HASH}.tar`, "error", { error: "the disk is full" }]]) {
    const index = await crowd.begin({ title });
    await crowd.end(index, verb, body);
  }
  await crowd.alert({ level: "warning", category: "system", message: "The disk is nearly full." });
  proxy.mend();
  for (const page of pages) await live(page);
}

/** One picture for each width and look; `meanwhile` gets all pages before `act` gets each, and then it is taken. */
async function take(name, { url, hash, meanwhile = async () => {}, act = async () => {} } = {}) {
  if (ONLY && !ONLY.includes(name)) return;
  const opened = [];
  for (const [look, options] of Object.entries(LOOKS)) {
    for (const width of WIDTHS) {
      const height = width === 360 ? 740 : 900;
      const { page } = await crowd.open(browser, { viewport: { width, height }, reducedMotion: "reduce", url, hash, ...options });
      opened.push({ page, look, path: `${PICTURES}${name}-${width}-${look}.png` });
    }
  }
  await meanwhile(opened.map(({ page }) => page));
  for (const { page, look, path } of opened) {
    await page.locator(`${testid("findings-table")}, .table-message`).first().waitFor({ state: "attached" });
    await page.waitForFunction(() => !document.body.classList.contains("reading"));
    await act(page);
    await page.screenshot({ path, fullPage: true });
    taken[look].push(path);
    await page.context().close();
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
