// Measures what it costs that sessions outlive the program: creates and updates that are acknowledged in a second, on a disk and
// in memory, over one connection and over many.
//
// node benches/journal/measure.mjs PROGRAM [SECONDS]
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const [, , PROGRAM, SECONDS = "8"] = process.argv;
/** So many callers that the limits of one of them are never reached. */
const CALLERS = 200;
const tokenOf = (role, number) => `${role}-${String(number).padStart(40, "0")}`;

/** Starts the program with its data in a folder; gives its port, and what ends it. */
async function start(folder) {
  const tokens = path.join(folder, "tokens");
  const lines = Array.from({ length: CALLERS }, (_, number) => `producer ${tokenOf("producer", number)} caller${number}`);
  fs.writeFileSync(tokens, [`admin ${tokenOf("admin", 0)} admin`, ...lines, ""].join("\n"));
  const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", path.join(folder, "data"), "--token-file", tokens, "--log", "error"];
  const child = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise((resolve) => child.stdout.once("data", (data) => resolve(data.toString())));
  const port = Number(/:(\d+)\n/.exec(line)[1]);
  const end = () => new Promise((resolve) => child.once("exit", resolve) && child.kill("SIGTERM"));
  return { port, end };
}

/** One connection; `ask` sends a request and gives status and body of the answer. */
async function connect(port) {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  let received = "";
  let answered;
  socket.setEncoding("latin1").on("data", (data) => {
    received += data;
    const end = received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(received.slice(0, end))?.[1] ?? 0);
    if (received.length < end + 4 + length) return;
    const answer = { status: Number(received.slice(9, 12)), body: received.slice(end + 4, end + 4 + length) };
    received = received.slice(end + 4 + length);
    answered(answer);
  });
  const ask = (method, target, token, body = "") => {
    const head = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    socket.write(head + body);
    return new Promise((resolve) => (answered = resolve));
  };
  return { ask, end: () => socket.destroy() };
}

/** Repeats a step on each of so many connections for the time; gives how often it was done in a second. */
async function repeat(port, connections, step) {
  let count = 0;
  const until = performance.now() + Number(SECONDS) * 1_000;
  const work = async (index) => {
    const connection = await connect(port);
    const state = { index, turn: index };
    while (performance.now() < until) {
      await step(connection, state);
      count += 1;
      state.turn += connections;
    }
    connection.end();
  };
  await Promise.all(Array.from({ length: connections }, (_, index) => work(index)));
  return Math.round(count / Number(SECONDS));
}

function expect(answer, status) {
  if (answer.status !== status) throw new Error(`${answer.status} instead of ${status}: ${answer.body}`);
  return answer.body && JSON.parse(answer.body);
}

/** A session from its beginning to its end, which are three changes that have to last. */
async function wholeSession({ ask }, { turn }) {
  const token = tokenOf("producer", turn % CALLERS);
  const { sessionId } = expect(await ask("POST", "/api/sessions", token, "{}"), 201);
  expect(await ask("POST", `/api/sessions/${sessionId}/complete`, token, "{}"), 200);
  expect(await ask("DELETE", `/api/sessions/${sessionId}`, tokenOf("admin", 0)), 204);
}

/** The next progress of a session of the connection's own. */
async function update({ ask }, state) {
  const token = tokenOf("producer", state.index);
  state.id ??= expect(await ask("POST", "/api/sessions", token, "{}"), 201).sessionId;
  state.progress = Math.min(1, (state.progress ?? 0) + 1e-6);
  expect(await ask("POST", `/api/sessions/${state.id}/progress`, token, `{"progress":${state.progress}}`), 202);
}

for (const [place, parent] of [["disk", os.tmpdir()], ["memory", "/dev/shm"]]) {
  const folder = fs.mkdtempSync(path.join(parent, "pulsewheel-bench-"));
  const { port, end } = await start(folder);
  for (const connections of [1, 64]) {
    console.log(`${place}, ${connections} connections: ${await repeat(port, connections, wholeSession)} creates a second`);
  }
  console.log(`${place}, 64 connections: ${await repeat(port, 64, update)} updates a second`);
  await end();
  fs.rmSync(folder, { recursive: true });
}
