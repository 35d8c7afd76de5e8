// Renews docs/images/*.png: the dashboard during an import, after it, with a preview, and on a phone.

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

const OWN_TABLE = `Host,Title,Severity,Port
web-1,Old TLS version,High,443
web-2,Old TLS version,Medium,443
mail-1,Open relay,grave,25
`;

const images = fileURLToPath(new URL("../../docs/images/", import.meta.url));
mkdirSync(images, { recursive: true });
const folder = scratchFolder();
const server = await startServer(folder.path);
const browser = await launchBrowser();
try {
  const { page } = await openDashboard(browser, server.url, { viewport: { width: 1280, height: 820 } });
  await importInPage(page, writeScan(folder.path, "branch-office.csv", datedScan(480)));
  await page.locator(testid("summary-new_vulnerabilities")).waitFor();
  const phone = await openDashboard(browser, server.url, {
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 2,
    colorScheme: "dark",
  });

  const upload = heldUpload(server.url, "data-centre.csv", scanCsv(40_000, 2));
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

  await page.locator(testid("file-input")).setInputFiles(writeScan(folder.path, "own-table.csv", OWN_TABLE));
  await page.locator(testid("preview-button")).click();
  await page.locator(testid("preview")).waitFor();
  await page.locator(testid("preview")).scrollIntoViewIfNeeded();
  await page.locator("#import-form").screenshot({ path: `${images}dashboard-preview.png` });
  console.log(`written to ${images}`);
} finally {
  await browser.close();
  await server.stop();
  folder.remove();
}

/** A scan whose findings were first seen on the days of the last month, so that the chart has something to tell. */
function datedScan(rows) {
  const titles = ["OpenSSH is out of date", "TLS certificate expires soon", "SMB signing is not required", "Default credentials work"];
  const severities = ["Low", "Medium", "Medium", "High", "Info", "Critical", "Medium", "Low"];
  const days = (count) => new Date(Date.now() - count * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
  const lines = Array.from({ length: rows }, (_, row) => {
    const host = `${["web", "mail", "db", "build", "print"][row % 5]}-${1 + (row % 13)}.branch.example`;
    const seen = days(1 + Math.floor(28 * (row / rows) ** 2) + (row % 3));
    return `${host},${titles[row % titles.length]} (${row}),${severities[row % severities.length]},${seen},${days(0)}`;
  });
  return `host,title,severity,first seen,last seen\n${lines.join("\n")}\n`;
}

/** The upload is held half-way, which is less of the time: waits until the bar shows it, however slow the machine is. */
async function halfWay(page, sessionId) {
  const bar = await cardOf(page, sessionId).locator(testid("progress-bar")).elementHandle();
  await page.waitForFunction((element) => Number(element.getAttribute("aria-valuenow")) > 15, bar, { timeout: 0 });
}
