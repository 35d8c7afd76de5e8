// The program under a service manager: sockets that are handed over, what the manager is told, and its watchdog.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { programFile, temporaryFolder, until, within } from "./support.mjs";

const MANAGER = fileURLToPath(new URL("manager.py", import.meta.url));

/** The program under a manager of the tests' own; `said` has the lines that the manager printed. */
function startManaged(t, notifyPath, flags = []) {
  const command = [programFile(), "serve", "--data-dir", temporaryFolder(), ...flags];
  const manager = spawn("python3", [MANAGER, notifyPath, ...command], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  manager.stdout.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  const exit = new Promise((resolve) => manager.once("exit", resolve));
  t.after(async () => {
    manager.kill("SIGTERM");
    await within(exit, "end of the manager").finally(() => manager.kill("SIGKILL"));
  });
  const said = () => text.split("\n");
  const count = (line) => said().filter((it) => it === line).length;
  const starts = () => [...text.matchAll(/^port (\d+) pid (\d+)$/gm)].map(([, port, pid]) => ({ port: Number(port), pid: Number(pid) }));
  return { said, count, starts };
}

/** One request on a connection of its own: its status, or the code of the error. */
const request = (port) =>
  new Promise((resolve) => {
    const sent = http.get({ host: "127.0.0.1", port, path: "/healthz", agent: false }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode));
    });
    sent.once("error", (error) => resolve(error.code));
  });

test("a restart refuses no connection where the manager has the socket", async (t) => {
  const managed = startManaged(t, path.join(temporaryFolder(), "notify"));
  await until(() => managed.count("READY=1") === 1, "the program to be ready");
  const [{ port }] = managed.starts();
  let goesOn = true;
  const statuses = new Map();
  const ask = async () => {
    while (goesOn) {
      const status = await request(port);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  const asking = [ask(), ask(), ask()];
  for (const restarts of [1, 2, 3]) {
    process.kill(managed.starts().at(-1).pid, "SIGTERM");
    await until(() => managed.count("READY=1") === restarts + 1, "the next to be ready");
    const before = statuses.get(200);
    await until(() => statuses.get(200) > before + 10, "answers of the next");
  }
  goesOn = false;
  await Promise.all(asking);
  assert.deepEqual([...statuses.keys()], [200]);
  assert.equal(managed.count("STOPPING=1"), 3);
  assert.equal(managed.count("ended 0"), 3);
});

test("the loop itself tells the watchdog that it runs, also under an abstract name", async (t) => {
  const managed = startManaged(t, `@pulsewheel-test-${process.pid}`);
  await until(() => managed.count("WATCHDOG=1") >= 2, "signs of life");
  assert.ok(managed.said().indexOf("READY=1") < managed.said().indexOf("WATCHDOG=1"));
});

test("reading the token file again is told too", async (t) => {
  const tokens = path.join(temporaryFolder(), "tokens");
  fs.writeFileSync(tokens, "admin 0123456789abcdef0123456789abcdef ada\n");
  const managed = startManaged(t, path.join(temporaryFolder(), "notify"), ["--token-file", tokens]);
  await until(() => managed.count("READY=1") === 1, "the program to be ready");
  process.kill(managed.starts()[0].pid, "SIGHUP");
  await until(() => managed.count("RELOADING=1") === 1 && managed.count("READY=1") === 2, "the file to be read");
});

test("systemd-socket-activate starts the program with the first connection", async (t) => {
  try {
    execFileSync("systemd-socket-activate", ["--version"], { stdio: "ignore" });
  } catch {
    return t.skip("systemd-socket-activate is not on this machine");
  }
  const taken = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address();
  await new Promise((resolve) => taken.close(resolve));
  const args = ["-l", `127.0.0.1:${port}`, programFile(), "serve", "--data-dir", temporaryFolder()];
  const child = spawn("systemd-socket-activate", args, { stdio: ["ignore", "pipe", "pipe"] });
  const exit = new Promise((resolve) => child.once("exit", resolve));
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk) => (stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk) => (stderr += chunk));
  t.after(async () => {
    child.kill("SIGTERM");
    await within(exit, "end of the program").finally(() => child.kill("SIGKILL"));
  });
  await until(() => stderr.includes("Listening on"), "the socket");
  assert.equal(await request(port), 200);
  await until(() => stdout.includes("\n"), "the first line");
  assert.equal(stdout.split("\n")[0], `listening on http://127.0.0.1:${port}`);
});
