// What the browser tests and the screenshots share: the server, Chromium, scans to import.

import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const BINARY = process.env.PULSEWHEEL_BIN;
const EXAMPLES = process.env.PULSEWHEEL_EXAMPLES;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const OUTPUT = fileURLToPath(new URL("../output/", import.meta.url));

/** Why the tests cannot run here; false when they can. */
export function reasonToSkip() {
  if (existsSync(CHROMIUM)) return false;
  return `SKIP: no Chromium at ${CHROMIUM}; install Debian's package chromium or name one in CHROMIUM`;
}

/** A folder for this run's files, removed by `remove()`. */
export function scratchFolder() {
  const path = mkdtempSync(join(tmpdir(), "pulsewheel-browser-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * The server under test: the one at PULSEWHEEL_URL, else one started from
 * PULSEWHEEL_BIN with its data in `folder`.
 */
export async function startServer(folder, listen = "127.0.0.1:0", flags = []) {
  if (process.env.PULSEWHEEL_URL) {
    return { url: process.env.PULSEWHEEL_URL.replace(/\/$/, ""), own: false, stop: async () => {} };
  }
  if (!BINARY) throw new Error("name a running server in PULSEWHEEL_URL or the program in PULSEWHEEL_BIN");
  return { ...(await start(BINARY, ["serve", "--listen", listen, "--data-dir", join(folder, "data"), ...flags])), own: true };
}

/** One of the examples, from the folder PULSEWHEEL_EXAMPLES. */
export function startExample(name) {
  if (!EXAMPLES) throw new Error("name the folder of the built examples in PULSEWHEEL_EXAMPLES");
  return start(join(EXAMPLES, name), ["--listen", "127.0.0.1:0"]);
}

/** Starts a server and waits until it has told its address. */
async function start(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it listened`)));
    createInterface({ input: child.stdout }).once("line", (line) => {
      const match = /^listening on (http:\/\/\S+)$/.exec(line);
      if (match) resolve(match[1]);
      else reject(new Error(`the first line of the server is: ${line}`));
    });
  });
  const end = async (signal) => {
    child.kill(signal);
    // One that is frozen would not hear of it.
    child.kill("SIGCONT");
    await ended;
  };
  return {
    url,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    /** Has it read its token file again. */
    reread: () => child.kill("SIGHUP"),
    /** It keeps all its sockets and does nothing any more. */
    freeze: () => child.kill("SIGSTOP"),
    thaw: () => child.kill("SIGCONT"),
  };
}

/** Stands between browser and server, and breaks what passes through it when told. */
export async function startProxy(url) {
  const { hostname, port } = new URL(url);
  const sockets = new Set();
  let broken = false;
  const proxy = createServer((client) => {
    if (broken) return client.destroy();
    const server = connect(Number(port), hostname);
    for (const [one, other] of [[client, server], [server, client]]) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    broken = true;
    for (const socket of sockets) socket.destroy();
  };
  const stop = async () => {
    cut();
    await new Promise((resolve) => proxy.close(resolve));
  };
  return { url: `http://127.0.0.1:${proxy.address().port}`, cut, mend: () => (broken = false), stop };
}

/**
 * A reverse proxy that has the server below a path of its host, and hands requests on without that path, as the nginx
 * of `docs/operating.md` does. What lies beside the path is somebody else's: it is noted, and answered 404.
 */
export async function startPrefixProxy(url, prefix) {
  const { hostname, port } = new URL(url);
  const astray = [];
  const onward = ({ method, url: path, headers }) => ({
    hostname,
    port,
    method,
    path: path.slice(prefix.length - 1),
    headers: { ...headers, "x-forwarded-for": "127.0.0.1" },
  });
  const cookies = (headers) => {
    const set = headers["set-cookie"]?.map((cookie) => cookie.replace(/Path=\//i, `Path=${prefix}`));
    return { ...headers, ...(set && { "set-cookie": set }) };
  };
  const proxy = createHttpServer((client, answer) => {
    if (!client.url.startsWith(prefix)) {
      astray.push(client.url);
      return answer.writeHead(404).end();
    }
    const server = request(onward(client), (response) => {
      answer.writeHead(response.statusCode, cookies(response.headers));
      response.pipe(answer);
    });
    server.on("error", () => answer.destroy());
    answer.on("close", () => server.destroy());
    client.pipe(server);
  });
  proxy.on("upgrade", (client, socket, head) => {
    if (!client.url.startsWith(prefix)) {
      astray.push(client.url);
      return socket.destroy();
    }
    const server = request(onward(client));
    server.on("error", () => socket.destroy());
    server.on("response", () => socket.destroy());
    server.on("upgrade", (response, upstream, rest) => {
      const lines = Object.entries(response.headers).map(([name, value]) => `${name}: ${value}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`);
      socket.write(rest);
      upstream.write(head);
      for (const [one, other] of [[socket, upstream], [upstream, socket]]) {
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => other.destroy());
      }
    });
    server.end();
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const stop = async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  };
  return { url: `http://127.0.0.1:${proxy.address().port}${prefix}`, astray, stop };
}

export function launchBrowser() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * Opens a page. `problems` collects what a person with open developer tools
 * would frown at.
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  page.on("requestfailed", (failed) => {
    // Leaving or reloading a page ends its requests; that is no failure.
    const reason = failed.failure()?.errorText ?? "";
    if (reason !== "net::ERR_ABORTED") problems.push(`request: ${failed.url()} ${reason}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`status ${response.status()}: ${response.url()}`);
  });
  if (options.before) await options.before(page);
  await page.goto(url);
  return { page, problems };
}

/** Opens the dashboard and waits until it is live. */
export async function openDashboard(browser, url, options) {
  const opened = await openPage(browser, url, options);
  await live(opened.page);
  return opened;
}

/** Runs `body` with a dashboard of its own; gives what went wrong on the page. A failure leaves a picture. */
export async function withDashboard(browser, url, name, options, body) {
  const { page, problems } = await openDashboard(browser, url, options);
  try {
    await body(page);
    return problems;
  } catch (error) {
    await page.screenshot({ path: `${OUTPUT}${name.replace(/\W+/g, "-")}.png`, fullPage: true });
    throw error;
  } finally {
    await page.context().close();
  }
}

export async function live(page) {
  await page.locator('[data-testid="connection"][data-state="connected"]').waitFor();
}

const TITLES = [
  "OpenSSH is out of date",
  "TLS certificate expires soon",
  "SMB signing is not required",
  "Apache HTTP Server is out of date",
  "Weak key exchange algorithms in SSH",
  "SNMP answers to the community name public",
  "Operating system is no longer supported",
  "HTTP TRACE is enabled",
];
const RISKS = ["None", "Medium", "Low", "None", "High", "Medium", "None", "Critical", "Low", "High", "Medium", "None", "None"];

const SCORES = { Low: 2.1, Medium: 5.3, High: 7.4, Critical: 9.3 };

/** A scan in the columns of Nessus; other seeds give other hosts. */
export function scanCsv(rows, seed) {
  const lines = ["Plugin ID,CVE,CVSS v2.0 Base Score,Risk,Host,Protocol,Port,Name,Synopsis,Description,Solution"];
  for (let row = 0; row < rows; row += 1) {
    const host = `host-${seed}-${row % 97}.example.org`;
    const cve = `CVE-2024-${10_000 + (row % 5000)}`;
    const port = 1 + (row % 60_000);
    const [title, risk] = [TITLES[row % TITLES.length], RISKS[row % RISKS.length]];
    const score = risk === "None" ? "" : (SCORES[risk] + (row % 6) / 10).toFixed(1);
    lines.push(
      `${20_000 + row},${cve},${score},${risk},${host},tcp,${port},${title},Old,An old version answers on this port,Update it`,
    );
  }
  return `${lines.join("\n")}\n`;
}

export function writeScan(folder, name, text) {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A file of about 30 MB, by the program's own generator where the program is at hand. */
export function writeLargeScan(folder) {
  const path = join(folder, "large-scan.csv");
  if (BINARY) {
    execFileSync(BINARY, ["generate", "--bytes", "30000000", "--seed", "7"], {
      stdio: ["ignore", openSync(path, "w"), "inherit"],
    });
  } else {
    writeFileSync(path, scanCsv(240_000, 7));
  }
  return path;
}

/** Sent each second of an upload that is held: more than the server wants to see. */
const DRIP_BYTES = 4_096;

/**
 * Begins an upload and holds it half-way until `finish()`, so that a test can
 * look at a running import for as long as it likes.
 */
export function heldUpload(url, filename, text) {
  const sessionId = randomUUID();
  const boundary = "pulsewheel-browser-test";
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="csvFile"; filename="${filename}"\r\nContent-Type: text/csv\r\n\r\n`;
  const body = Buffer.from(`${head}${text}\r\n--${boundary}--\r\n`);
  let sent = Math.floor(body.length / 2);
  const upload = request(`${url}/api/vulnerabilities/import?sessionId=${sessionId}`, {
    method: "POST",
    headers: { "Content-Type": `multipart/form-data; boundary=${boundary}`, "Content-Length": body.length },
  });
  const status = new Promise((resolve, reject) => {
    upload.on("error", reject);
    upload.on("response", (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
  });
  // Heard only where somebody waits for it; else a broken upload would end the whole run.
  status.catch(() => {});
  upload.write(body.subarray(0, sent));
  // The server cuts off uploads that stand still.
  const drip = setInterval(() => {
    if (sent + DRIP_BYTES < body.length) upload.write(body.subarray(sent, (sent += DRIP_BYTES)));
  }, 1_000).unref();
  upload.on("close", () => clearInterval(drip));
  return {
    sessionId,
    /** Sends the rest; the status of the answer. */
    finish: () => {
      clearInterval(drip);
      upload.end(body.subarray(sent));
      return status;
    },
  };
}

export async function getJson(url, path) {
  const response = await fetch(url + path);
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return response.json();
}

export async function postJson(url, path, body) {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return response.json();
}

export function ensureOutputFolder() {
  mkdirSync(OUTPUT, { recursive: true });
}

export const testid = (name) => `[data-testid="${name}"]`;

/** Waits until so many elements are on the page. */
export async function waitForCount(locator, count) {
  while ((await locator.count()) !== count) await locator.page().waitForTimeout(20);
}

export const cardOf = (page, sessionId) => page.locator(`${testid("session-card")}[data-session-id="${sessionId}"]`);

/** Chooses files in the page and starts their import. */
export async function importInPage(page, paths) {
  await page.locator(testid("file-input")).setInputFiles(paths);
  await page.locator(testid("upload-button")).click();
}
