// Starts the example servers under test and ends them again.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before } from "node:test";
import { within } from "./wait.mjs";

const VARIABLES = { echo: "PULSEWHEEL_ECHO", engine_echo: "PULSEWHEEL_ENGINE_ECHO" };

/** Path of the example's binary, from the environment: a variable of its own, or the folder of all examples. */
export function binary(kind) {
  const variable = VARIABLES[kind] ?? "PULSEWHEEL_EXAMPLES";
  const path = process.env[variable];
  if (!path) throw new Error(`set ${variable} to the path of the built example "${kind}", or of the folder that holds it`);
  return VARIABLES[kind] ? path : join(path, kind);
}

/** Runs the example to its end, for command lines that it should refuse. */
export async function runToExit(kind, args) {
  const child = spawn(binary(kind), args, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  try {
    const status = await within(new Promise((resolve) => child.once("close", resolve)), "end of the process");
    return { status, stdout, stderr };
  } finally {
    child.kill("SIGKILL");
  }
}

/**
 * A running example: `port` and `origin` as its first line tells them, `path` of its endpoint.
 * `stop()` asks it to end and asserts that it ends well; `kill()` gives it no chance.
 */
export async function startServer(kind, flags = [], listen = "127.0.0.1:0") {
  // The host's own loop of this one leaves SIGTERM as it is.
  const goodEnd = kind === "embedded_loop" ? { status: null, signal: "SIGTERM" } : { status: 0, signal: null };
  const child = spawn(binary(kind), ["--listen", listen, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const exit = new Promise((resolve) => child.once("exit", (status, signal) => resolve({ status, signal })));
  const line = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
      if (stdout.includes("\n")) resolve(stdout.slice(0, stdout.indexOf("\n")));
    });
    exit.then(({ status }) => reject(new Error(`${kind} ended with ${status} before it listened: ${stderr}`)));
  });
  let firstLine;
  try {
    firstLine = await within(line, `first line of ${kind}`);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  const [, host, port] = /^listening on http:\/\/(.+):(\d+)$/.exec(firstLine) ?? [];
  assert.ok(port, `first line on stdout: ${firstLine}`);
  return {
    host,
    port: Number(port),
    origin: `http://${host}:${port}`,
    path: kind === "engine_echo" ? "/engine.io/" : "/socket.io/",
    pid: child.pid,
    firstLine,
    /** All that it has written so far. */
    written: () => ({ stdout, stderr }),
    async stop() {
      child.kill("SIGTERM");
      const end = await within(exit, `end of ${kind} after SIGTERM`).catch((error) => {
        child.kill("SIGKILL");
        throw error;
      });
      assert.deepEqual(end, goodEnd, `${kind} ended badly: ${stderr}`);
      assert.doesNotMatch(stderr, /panicked/);
    },
    async kill() {
      child.kill("SIGKILL");
      await within(exit, `end of ${kind} after SIGKILL`);
    },
  };
}

/** One server for all tests of the calling file or `describe` block. Fields are there once tests run. */
export function sharedServer(kind, flags = []) {
  const shared = {};
  before(async () => Object.assign(shared, await startServer(kind, flags)));
  after(async () => shared.stop?.());
  return shared;
}

/** One server for one test. */
export async function ownServer(t, kind, flags = []) {
  const server = await startServer(kind, flags);
  t.after(() => server.stop());
  return server;
}
