// How the program goes when it is asked to: who is told of what, and what is still done.
import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { RawConnection } from "../interop/support/http.mjs";
import { RawWebSocket } from "../interop/support/websocket.mjs";
import { findings, manyRows, nessusCsv, once, runProgram, slowUpload, startProgram, temporaryFolder, until, watcher, within } from "./support.mjs";

const refused = (port) =>
  new Promise((resolve) => {
    const socket = net.connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => socket.destroy() && resolve(false)).once("error", () => resolve(true));
  });

/** An upload of which the second half has not been sent, and its session. */
async function halfUploaded(t, program, socket, host) {
  const csv = nessusCsv(manyRows(host, 500));
  const slow = slowUpload(program, { csvBytes: csv.length });
  slow.request.on("error", () => {});
  t.after(() => slow.abort());
  await slow.write(csv.slice(0, csv.length / 2));
  await until(() => socket.log.some(([name]) => name === "session_created"), "session_created");
  return { slow, rest: csv.slice(csv.length / 2) };
}

test("clients are told, and sent away so that they come back by themselves", async (t) => {
  const dataDir = temporaryFolder();
  const program = await startProgram(t, { dataDir });
  const raw = await RawWebSocket.session(program);
  raw.send("40");
  assert.match(await raw.text(), /^40/);
  const sockets = [await watcher(t, program, { transports: ["websocket"] }), await watcher(t, program, { transports: ["polling"] })];
  const reasons = sockets.map((socket) => new Promise((resolve) => socket.once("disconnect", resolve)));
  const ended = program.end("SIGTERM");
  const closed = await raw.closed();
  assert.equal(closed.code, 1001);
  assert.ok(!closed.texts.includes("41"), "no DISCONNECT, after which clients stay away");
  for (const reason of await within(Promise.all(reasons), "the end of both connections")) assert.match(reason, /^transport (close|error)$/);
  assert.deepEqual(await ended, { status: 0, signal: null });
  // Who polls may be between two polls when the door is closed.
  const [, alert] = sockets[0].log.find(([name]) => name === "system_alert");
  assert.deepEqual([alert.level, alert.category], ["info", "maintenance"]);
  assert.match(alert.message, /going down/);
  const back = sockets.map((socket) => once(socket, "connect"));
  await startProgram(t, { dataDir, listen: `127.0.0.1:${program.port}` });
  await within(Promise.all(back), "both clients to be back", 30_000);
});

test("with --on-shutdown finish an upload goes on, and nobody new is let in meanwhile", async (t) => {
  const dataDir = temporaryFolder();
  const program = await startProgram(t, { dataDir, flags: ["--on-shutdown", "finish", "--grace", "60s"] });
  const socket = await watcher(t, program, { transports: ["websocket"], reconnection: false });
  const kept = await RawConnection.open(program.port);
  kept.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.equal((await kept.response()).headers.connection, undefined);
  const { slow, rest } = await halfUploaded(t, program, socket, "finish-host");
  const ended = program.end("SIGTERM");
  await until(() => socket.log.some(([name]) => name === "system_alert"), "system_alert");
  await until(() => refused(program.port), "the end of listening");
  kept.write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const answer = await kept.response();
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.connection, "close");
  await slow.write(rest);
  slow.end();
  assert.equal((await slow.answer()).status, 202);
  await until(() => socket.log.some(([name]) => name === "import_complete"), "import_complete");
  assert.deepEqual(await ended, { status: 0, signal: null });
  const again = await startProgram(t, { dataDir });
  assert.equal((await findings(again, "finish-host")).total, 500);
});

test("what has not finished within the grace is rolled back", async (t) => {
  const dataDir = temporaryFolder();
  const program = await startProgram(t, { dataDir, flags: ["--on-shutdown", "finish", "--grace", "300ms"] });
  const socket = await watcher(t, program, { transports: ["websocket"], reconnection: false });
  const { slow } = await halfUploaded(t, program, socket, "late-host");
  const ended = program.end("SIGTERM");
  const answer = await slow.answer();
  assert.deepEqual([answer.status, answer.body.error.code], [503, "SERVER_OVERLOAD"]);
  assert.deepEqual(await ended, { status: 0, signal: null });
  const [, payload] = socket.log.find(([name]) => name === "import_cancelled");
  assert.deepEqual([payload.reason, payload.cleanup_performed], ["server_shutdown", true]);
  const again = await startProgram(t, { dataDir });
  assert.equal((await findings(again, "late-host")).total, 0);
  assert.equal((await again.call("GET", "/api/imports")).body.items[0].status, "cancelled");
});

test("a time without a unit, or a choice that there is not, is a wrong command line", async () => {
  for (const flags of [["--grace", "10"], ["--on-shutdown", "wait"]]) {
    assert.equal((await runProgram(["serve", ...flags])).status, 2);
  }
});
