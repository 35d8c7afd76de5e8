// A server with very many sessions, and producers who report on them, for the tests and measurements of such a page.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { basename, join } from "node:path";
import { openPage, live, scratchFolder, startProxy, startServer } from "./harness.mjs";

/** So many callers, because each may begin a hundred sessions in a second. */
const PRODUCERS = 10;
const OPERATIONS = ["nightly_backup", "model_training", "vulnerability_import", "video_transcoding"];
const STEPS = ["Reading", "Checking", "Writing", "Uploading the result to the archive"];

/** Starts a server with a token for each producer and for the page. */
export async function startCrowd(folder) {
  const tokens = Array.from({ length: PRODUCERS }, () => randomUUID());
  const admin = randomUUID();
  const file = join(folder, "tokens");
  const lines = [`admin ${admin} root`, ...tokens.map((token, index) => `producer ${token} producer-${index}`)];
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  const server = await startServer(folder, "127.0.0.1:0", ["--token-file", file]);
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const { hostname, port } = new URL(server.url);
  const ids = [];

  /** One request as a producer; `token` is another caller's. */
  function post(path, body, token) {
    const text = JSON.stringify(body);
    const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text), Authorization: `Bearer ${token}` };
    return new Promise((resolve, reject) => {
      const sent = request({ hostname, port, path, method: "POST", headers, agent }, (response) => {
        response.resume();
        response.once("end", () => {
          if (response.statusCode < 300) resolve();
          else reject(new Error(`${path}: status ${response.statusCode}`));
        });
      });
      sent.once("error", reject);
      sent.end(text);
    });
  }

  const owner = (index) => tokens[index % PRODUCERS];

  /** Begins a session; gives its number. */
  async function begin(metadata = {}) {
    const index = ids.length;
    const sessionId = randomUUID();
    ids.push(sessionId);
    const operation = OPERATIONS[index % OPERATIONS.length];
    await post("/api/sessions", { sessionId, metadata: { operation, title: `job ${index}`, total_rows: 10_000, ...metadata } }, owner(index));
    return index;
  }

  const report = (index, progress, metadata = {}) =>
    post(`/api/sessions/${ids[index]}/progress`, { progress, metadata }, owner(index));

  return {
    url: server.url,
    ids,
    begin,
    report,
    end: (index, verb = "complete", body = {}) => post(`/api/sessions/${ids[index]}/${verb}`, body, owner(index)),
    /** Has the server forget an ended session. */
    async remove(index) {
      const headers = { Authorization: `Bearer ${admin}` };
      const { status } = await fetch(`${server.url}/api/sessions/${ids[index]}`, { method: "DELETE", headers });
      if (status !== 204) throw new Error(`a session was deleted with status ${status}`);
    },
    /** Imports a file of findings. */
    async upload(path) {
      const form = new FormData();
      form.append("csvFile", new Blob([readFileSync(path)]), basename(path));
      const headers = { Authorization: `Bearer ${admin}` };
      const { status } = await fetch(`${server.url}/api/vulnerabilities/import?wait=true`, { method: "POST", headers, body: form });
      if (status !== 200) throw new Error(`the import was answered with ${status}`);
    },
    alert: (alert) => post("/api/events/system_alert", alert, admin),
    /** Begins so many at a time that no producer is refused. */
    async beginMany(count) {
      for (let begun = 0; begun < count; begun += PRODUCERS) {
        await Promise.all(Array.from({ length: Math.min(PRODUCERS, count - begun) }, () => begin()));
      }
    },
    /** Reports on one session after the other, so many times a second, until `until` resolves; gives how many were sent. */
    async reportAll(perSecond, until) {
      let over = false;
      void Promise.resolve(until).then(() => (over = true));
      const start = performance.now();
      let sent = 0;
      const waiting = new Set();
      while (!over) {
        const due = Math.floor(((performance.now() - start) / 1000) * perSecond);
        for (; sent < due; sent += 1) {
          const index = (sent * 7) % ids.length;
          const round = Math.floor(sent / ids.length) + 1;
          const progress = Math.min(0.999, round / 200 + (index % 10) / 1_000);
          const metadata = { processed_rows: Math.floor(progress * 10_000), current_step: STEPS[round % STEPS.length] };
          const answer = report(index, progress, metadata).finally(() => waiting.delete(answer));
          waiting.add(answer);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await Promise.all(waiting);
      return sent;
    },
    /** Opens the page as somebody who may do everything; by another way than the direct one, if `url` names one. */
    async open(browser, { url = server.url, hash = "", ...options } = {}) {
      const before = async (page) => {
        await page.request.post(`${server.url}/api/login`, { data: { token: admin }, headers: { Origin: server.url } });
        await options.before?.(page);
      };
      const opened = await openPage(browser, `${url}/${hash}`, { ...options, before });
      await live(opened.page);
      return opened;
    },
    async stop() {
      agent.destroy();
      await server.stop();
    },
  };
}

/** Runs `body` with a page, and a server that has so many sessions. `options.isCut` puts a proxy between them, to be cut. */
export async function withCrowd(browser, count, options, body) {
  const folder = scratchFolder();
  const crowd = await startCrowd(folder.path);
  const proxy = options.isCut ? await startProxy(crowd.url) : null;
  try {
    await crowd.beginMany(count);
    await options.filled?.(crowd, folder.path);
    const { page, problems } = await crowd.open(browser, { url: proxy?.url, ...options });
    await body({ page, crowd, proxy, folder: folder.path });
    // A lost connection is told on the console.
    if (!proxy) assert.deepEqual(problems, []);
  } finally {
    await Promise.all(browser.contexts().map((context) => context.close()));
    await proxy?.stop();
    await crowd.stop();
    folder.remove();
  }
}
