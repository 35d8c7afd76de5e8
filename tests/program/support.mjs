// Runs the program `pulsewheel serve` and talks to it as a browser, a script or curl would.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { client } from "../interop/support/clients.mjs";
import { once, until, within } from "../interop/support/wait.mjs";

export { once, sleep, until, within } from "../interop/support/wait.mjs";

export const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const TERMINAL = ["import_complete", "import_error", "import_cancelled"];
export const UNKNOWN_ID = "00000000-0000-4000-8000-000000000000";

export function programFile() {
  const file = process.env.PULSEWHEEL_BIN;
  if (!file) throw new Error("set PULSEWHEEL_BIN to the path of the built program pulsewheel");
  return file;
}

const folders = [];
process.once("exit", () => folders.forEach((folder) => fs.rmSync(folder, { recursive: true, force: true })));

/** A folder that goes with this process, when no program can be using it any more. */
export function temporaryFolder() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "pulsewheel-test-"));
  folders.push(folder);
  return folder;
}

/** A wall clock of the test's own for programs with this environment, set by `faketime`'s offsets such as `+8d`; `null` where that is not on this machine. */
export function wallClock() {
  const library = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1"].find((file) => fs.existsSync(file));
  if (!library) return null;
  const clock = path.join(temporaryFolder(), "clock");
  const set = (offset) => fs.writeFileSync(clock, `${offset}\n`);
  set("+0");
  return { set, env: { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" } };
}

/** Runs the program to its end; gives status and output. */
export async function runProgram(args, { input, env } = {}) {
  const child = spawn(programFile(), args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  const chunks = { stdout: [], stderr: [] };
  for (const name of ["stdout", "stderr"]) child[name].on("data", (chunk) => chunks[name].push(chunk));
  child.stdin.end(input);
  try {
    const status = await within(new Promise((resolve) => child.once("close", resolve)), "end of the program", 60_000);
    return { status, stdout: Buffer.concat(chunks.stdout), stderr: Buffer.concat(chunks.stderr).toString() };
  } finally {
    child.kill("SIGKILL");
  }
}

/**
 * A running program. Ends with the test, and has to end well unless it was killed. No file of it may be larger than `fileKib` kibibytes,
 * if that is given.
 */
export async function startProgram(t, { dataDir, flags = [], listen = "127.0.0.1:0", fileKib, env = {} } = {}) {
  const folder = dataDir ?? temporaryFolder();
  const args = ["serve", "--listen", listen, "--data-dir", folder, ...flags];
  const [file, before] = fileKib ? ["bash", ["-c", `ulimit -f ${fileKib} && exec "$0" "$@"`, programFile()]] : [programFile(), []];
  const child = spawn(file, [...before, ...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const exit = new Promise((resolve) => child.once("exit", (status, signal) => resolve({ status, signal })));
  let running = true;
  exit.then(() => (running = false));
  const end = async (signal) => {
    child.kill(signal);
    return within(exit, `end of the program after ${signal}`).finally(() => child.kill("SIGKILL"));
  };
  t.after(async () => {
    if (!running) return;
    assert.deepEqual(await end("SIGTERM"), { status: 0, signal: null }, stderr);
    assert.doesNotMatch(stderr, /panicked/);
  });
  const line = new Promise((resolve, reject) => {
    let stdout = "";
    child.once("error", reject);
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
      if (stdout.includes("\n")) resolve(stdout.slice(0, stdout.indexOf("\n")));
    });
    exit.then(({ status }) => reject(new Error(`the program ended with ${status}: ${stderr}`)));
  });
  const firstLine = await within(line, "first line");
  const [, origin, port] = /^listening on (http:\/\/.+:(\d+))$/.exec(firstLine) ?? assert.fail(firstLine);
  const call = (method, target, body, headers = {}) => api(origin, method, target, body, headers);
  /** Waits for something in the log. */
  const logged = (pattern) => until(() => pattern.test(stderr), `${pattern} in the log`);
  return { origin, port: Number(port), path: "/socket.io/", folder, pid: child.pid, end, call, log: () => stderr, logged };
}

/** One request of the HTTP interface: status, headers and the JSON that came back. */
export async function api(origin, method, target, body, headers = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const answer = await fetch(origin + target, { method, headers: { ...json, ...headers }, body: payload });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === "" ? null : JSON.parse(text) };
}

export function assertError(answer, status, code) {
  assert.deepEqual([answer.status, answer.body?.error?.code], [status, code], JSON.stringify(answer.body));
  assert.equal(typeof answer.body.error.message, "string");
  assert.notEqual(answer.body.error.message, "");
  assert.match(answer.headers.get("content-type"), /^application\/json/);
}

/** A Socket.IO client that notes every event of the program. */
export async function watcher(t, program, options = { transports: ["websocket"] }) {
  const socket = client(t, program, options);
  if (!socket.connected) await once(socket, "connect");
  /** Events of one session in their order, as [name, payload]; `data_updated` is found by its import. */
  socket.session = (sessionId, importId) =>
    socket.log.filter(([name, payload]) => payload?.sessionId === sessionId || (name === "data_updated" && payload.source?.import_id === importId));
  socket.terminal = (sessionId) => socket.session(sessionId).find(([name]) => TERMINAL.includes(name));
  /** The terminal event of a session, as [name, payload]. */
  socket.ended = (sessionId, limitMs = 30_000) => until(() => socket.terminal(sessionId), "terminal event", limitMs);
  return socket;
}

/** A program and a watcher for all tests of a file; `close` ends both. */
export async function openWorld() {
  const cleanups = [];
  const file = { after: (cleanup) => cleanups.unshift(cleanup) };
  const program = await startProgram(file);
  const socket = await watcher(file, program);
  const close = async () => {
    for (const cleanup of cleanups) await cleanup();
  };
  return { program, socket, close };
}

/** Acknowledged answer of a Socket.IO command. */
export const command = (socket, name, ...args) => socket.timeout(10_000).emitWithAck(name, ...args);

/** Uploads with Node's own fetch; `fields` are [name, value] in their order, the file is named "csvFile". */
export async function upload(program, csv, { filename = "scan.csv", before = [], after = [], query = "", headers = {} } = {}) {
  const form = new FormData();
  for (const [name, value] of before) form.append(name, value);
  form.append("csvFile", new Blob([csv], { type: "text/csv" }), filename);
  for (const [name, value] of after) form.append(name, value);
  const answer = await fetch(`${program.origin}/api/vulnerabilities/import${query}`, { method: "POST", headers, body: form });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

/** Uploads, waits for the end, and gives the answer, all events of the session and the terminal one. */
export async function importAndWatch(socket, program, csv, options) {
  const answer = await upload(program, csv, options);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const { sessionId, importId } = answer.body;
  const [name, payload] = await socket.ended(sessionId);
  if (name === "import_complete") {
    await until(() => socket.session(sessionId, importId).some(([event]) => event === "data_updated"), "data_updated");
  }
  return { answer: answer.body, name, payload, events: socket.session(sessionId, importId) };
}

const BOUNDARY = "----pulsewheel-test-boundary";

/** The bytes of a multipart form around a file, for uploads that are written piece by piece. */
export function multipart({ before = [], filename = "scan.csv" } = {}) {
  const part = (disposition, value) => `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n${value}\r\n`;
  const fields = before.map(([name, value]) => part(`name="${name}"`, `\r\n${value}`)).join("");
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="csvFile"; filename="${filename}"\r\nContent-Type: text/csv\r\n\r\n`;
  return { head: fields + head, tail: `\r\n--${BOUNDARY}--\r\n`, type: `multipart/form-data; boundary=${BOUNDARY}` };
}

/** An upload in the test's own hands. `csvBytes` declares the file's length; without it the body is chunked. */
export function slowUpload(program, { csvBytes, headers: more, ...form } = {}) {
  const { head, tail, type } = multipart(form);
  const headers = { "Content-Type": type, ...more };
  if (csvBytes !== undefined) headers["Content-Length"] = Buffer.byteLength(head) + csvBytes + Buffer.byteLength(tail);
  const request = http.request(`${program.origin}/api/vulnerabilities/import`, { method: "POST", headers, agent: false });
  const answer = new Promise((resolve, reject) => {
    request.once("error", reject);
    request.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.once("end", () => resolve({ status: response.statusCode, headers: response.headers, body: JSON.parse(text) }));
    });
  });
  const closed = new Promise((_, reject) => {
    request.once("close", () => reject(Object.assign(new Error("the connection is closed"), { code: "ECONNRESET" })));
  });
  // Tests that abort an upload do not look at its answer.
  for (const promise of [answer, closed]) promise.catch(() => {});
  request.write(head);
  return {
    request,
    answer: () => within(answer, "answer to the upload", 60_000),
    /**
     * Resolves once the piece has left this process, so that a server that reads slowly slows the test down. Node never calls back
     * for what is written between the end of an early answer and the end of the connection: then the latter counts.
     */
    write: (piece) => {
      const written = new Promise((resolve, reject) => request.write(piece, (error) => (error ? reject(error) : resolve())));
      return within(Promise.race([written, closed]), "upload", 60_000);
    },
    end: () => request.end(tail),
    abort: () => request.destroy(),
  };
}

export const NESSUS_HEADER = "Plugin ID,CVE,CVSS v3.0 Base Score,Risk,Host,Protocol,Port,Name,Synopsis,Description,Solution,See Also,Plugin Output\n";

/** One row of a Nessus export, with values for what the test does not care about. */
export function nessusRow({ id = 1000, cve = "", cvss = "7.5", risk = "High", host = "10.0.0.1", port = 443, name = "A finding", solution = "Update it." } = {}) {
  const cell = (value) => `"${String(value).replaceAll('"', '""')}"`;
  return `${[id, cve, cvss, risk, host, "tcp", port, name, "Short.", "Long text.", solution, "", "output"].map(cell).join(",")}\n`;
}

export const nessusCsv = (rows) => NESSUS_HEADER + rows.map(nessusRow).join("");

/** `count` rows that differ in their plugin, all on one host. */
export const manyRows = (host, count) => Array.from({ length: count }, (_, i) => ({ host, id: 5000 + i, name: `Finding ${i}` }));

/** How many findings of a host the program knows; `more` narrows it down. */
export async function findings(program, host, more = "") {
  const answer = await program.call("GET", `/api/vulnerabilities?host=${encodeURIComponent(host)}&limit=1000${more}`);
  assert.equal(answer.status, 200);
  return answer.body;
}

export const keysOf = (value) => Object.keys(value).sort();
export const sorted = (...names) => names.sort();

/** Numbers of a summary that are not zero. */
export const counts = (summary) => Object.fromEntries(Object.entries(summary).filter(([, count]) => typeof count === "number" && count !== 0));

/** session_created < import_progress* < exactly one terminal event < data_updated after a completion. */
export function assertOrder(events) {
  const names = events.map(([name]) => name);
  const middle = names.slice(1, names.at(-1) === "data_updated" ? -2 : -1);
  assert.equal(names[0], "session_created", `${names}`);
  assert.ok(middle.every((name) => name === "import_progress"), `${names}`);
  assert.equal(names.filter((name) => TERMINAL.includes(name)).length, 1, `${names}`);
  const seqs = events.map(([, payload]) => payload.seq).filter((seq) => seq !== undefined);
  seqs.forEach((seq, index) => assert.ok(Number.isInteger(seq) && (index === 0 || seq > seqs[index - 1]), `seq ${seqs}`));
}
