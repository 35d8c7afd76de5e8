// Renews docs/images/*.png: the dashboard during an import, after it, and on a phone.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  cardOf,
  heldUpload,
  importInPage,
  launchBrowser,
  openDashboard,
  reasonToSkip,
  scanCsv,
  scratchFolder,
  startServer,
  testid,
  writeScan,
} from "./harness.mjs";

const skip = reasonToSkip();
if (skip) {
  console.log(skip);
  process.exit(0);
}

const images = fileURLToPath(new URL("../../docs/images/", import.meta.url));
mkdirSync(images, { recursive: true });
const folder = scratchFolder();
const server = await startServer(folder.path);
const browser = await launchBrowser();
try {
  const { page } = await openDashboard(browser, server.url, { viewport: { width: 1280, height: 820 } });
  await importInPage(page, writeScan(folder.path, "branch-office.csv", scanCsv(480, 1)));
  await page.locator(testid("summary-new_vulnerabilities")).waitFor();
  const phone = await openDashboard(browser, server.url, {
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 2,
    colorScheme: "dark",
  });

  const upload = heldUpload(server.url, "data-centre.csv", scanCsv(120_000, 2));
  for (const watcher of [page, phone.page]) await halfWay(watcher, upload.sessionId);
  await page.screenshot({ path: `${images}dashboard-importing.png` });
  await cardOf(phone.page, upload.sessionId).evaluate((card) => card.scrollIntoView({ block: "center" }));
  await phone.page.screenshot({ path: `${images}dashboard-phone.png` });

  await upload.finish();
  await cardOf(page, upload.sessionId).locator(testid("summary-new_vulnerabilities")).waitFor();
  const total = await cardOf(page, upload.sessionId).locator(testid("summary-new_vulnerabilities")).innerText();
  await page.locator(`${testid("findings-total")}:not([data-total="480"])`).waitFor();
  await page.locator(testid("imports-table")).getByText(`${total} new`).waitFor();
  await page.screenshot({ path: `${images}dashboard-done.png`, fullPage: true });
  console.log(`written to ${images}`);
} finally {
  await browser.close();
  await server.stop();
  folder.remove();
}

/** The upload is held half-way: waits until the bar has come as far as it will. */
async function halfWay(page, sessionId) {
  const bar = await cardOf(page, sessionId).locator(testid("progress-bar")).elementHandle();
  await page.waitForFunction((element) => Number(element.getAttribute("aria-valuenow")) > 40, bar);
}
