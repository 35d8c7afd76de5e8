// Connections never take the descriptors that the program needs for its own files.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { importAndWait, missing, serves, startWith } from "./faults.mjs";
import { manyRows, multipart, nessusCsv, programFile, runProgram, startProgram, temporaryFolder, until, watcher, within } from "./support.mjs";

test("without descriptors nothing is promised that is not kept, and with some again all goes on", async (t) => {
  const skip = missing("prlimit", "--version");
  if (skip) return t.skip(skip);
  const program = await startProgram(t);
  const socket = await watcher(t, program, { transports: ["websocket"] });
  const limit = (files) => execFileSync("prlimit", ["--pid", String(program.pid), `--nofile=${files}:1024`]);
  const open = () => fs.readdirSync(`/proc/${program.pid}/fd`).length;
  for (let spare = 1; spare <= 5; spare++) {
    limit(open() + spare);
    const outcome = await within(importAndWait(program, `few-${spare}`), "an answer", 20_000).catch(() => null);
    if (outcome?.status === 202) assert.notEqual(outcome.body.importId, null);
    if (outcome && outcome.status !== 200) assert.ok([202, 422, 503].includes(outcome.status), JSON.stringify(outcome));
    limit(512);
  }
  await serves(program, "enough");
  assert.ok(socket.connected);
  const { items } = (await program.call("GET", "/api/imports")).body;
  assert.deepEqual(items.filter(({ status }) => !["completed", "error"].includes(status)), []);
});

/** Opens connections until the program takes no more; those that it has taken. */
async function takeAll(t, program) {
  const taken = [];
  for (;;) {
    const socket = net.connect(program.port, "127.0.0.1");
    t.after(() => socket.destroy());
    const answer = new Promise((resolve) => {
      socket.once("data", () => resolve(true));
      socket.once("error", () => resolve(false)).once("close", () => resolve(false));
    });
    socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (!(await within(answer, "an answer or an end"))) return taken;
    taken.push(socket);
  }
}

/** One request over a connection that is there: status and body. */
function requestOver(socket, method, target, { type, body } = {}) {
  const headers = { Host: "localhost", Connection: "keep-alive", ...(type ? { "Content-Type": type, "Content-Length": Buffer.byteLength(body) } : {}) };
  const answer = new Promise((resolve, reject) => {
    const request = http.request({ createConnection: () => socket, method, path: target, headers });
    request.once("error", reject).once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.once("end", () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
    });
    request.end(body);
  });
  return within(answer, `answer to ${method} ${target}`, 60_000);
}

test("where connections have all that they may, imports, queries, undos and backups still open their files", async (t) => {
  const dataDir = temporaryFolder();
  const program = await startWith(t, "ulimit -n 150 &&", { dataDir });
  const taken = await takeAll(t, program);
  assert.ok(taken.length >= 50 && taken.length < 150, `${taken.length}`);
  const { head, tail, type } = multipart();
  const importOver = (socket, host) => {
    const body = head + nessusCsv(manyRows(host, 2_000)) + tail;
    return requestOver(socket, "POST", "/api/vulnerabilities/import?wait=true", { type, body });
  };
  const imports = ["a", "b", "c", "d"].map((host, index) => importOver(taken[index], host));
  const targets = ["vulnerabilities?limit=1000", "history", "imports", "vulnerabilities/stats"];
  const queries = targets.map((target, index) => requestOver(taken[10 + index], "GET", `/api/${target}`));
  for (const { status } of await Promise.all(queries)) assert.equal(status, 200);
  const outcomes = await Promise.all(imports);
  for (const { status, body } of outcomes) {
    assert.equal(status, 200, JSON.stringify(body));
    assert.ok(Number.isInteger(body.importId));
  }
  const last = await importOver(taken[20], "e");
  assert.equal((await requestOver(taken[21], "DELETE", `/api/imports/${last.body.importId}`)).status, 200);
  const { status, stderr } = await runProgram(["backup", path.join(temporaryFolder(), "backup"), "--data-dir", dataDir]);
  assert.deepEqual([status, stderr], [0, ""]);
});

test("a limit of files that leaves nothing for connections is a clear error", () => {
  const args = ["-c", 'ulimit -n 40 && exec "$0" "$@"', programFile(), "serve", "--listen", "127.0.0.1:0", "--data-dir", temporaryFolder()];
  assert.throws(
    () => execFileSync("bash", args, { stdio: "pipe" }),
    ({ status, stderr }) => status === 1 && /^pulsewheel: .*40 files may be open/.test(stderr.toString()),
  );
});

test("a limit of files that may be raised is raised", async (t) => {
  const program = await startWith(t, "ulimit -S -n 128 &&");
  for (let i = 0; i < 200; i++) {
    const socket = net.connect(program.port, "127.0.0.1").on("error", () => {});
    t.after(() => socket.destroy());
  }
  await until(() => fs.readdirSync(`/proc/${program.pid}/fd`).length > 200, "all connections");
  assert.equal((await program.call("GET", "/healthz")).status, 200);
});
