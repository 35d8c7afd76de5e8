// Imports that do not go through: cancelled, aborted, too large, too many at once, killed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RawConnection } from "../interop/support/http.mjs";
import {
  assertError,
  command,
  findings,
  importAndWatch,
  manyRows,
  multipart,
  nessusCsv,
  runProgram,
  sleep,
  slowUpload,
  startProgram,
  temporaryFolder,
  TERMINAL,
  until,
  upload,
  watcher,
} from "./support.mjs";

/** A program with a client that watches it. */
async function world(t, options) {
  const program = await startProgram(t, options);
  return { program, socket: await watcher(t, program) };
}

/** The id of the session that the upload of this file made. */
const sessionOf = (socket, filename) =>
  until(
    () => socket.log.find(([name, payload]) => name === "session_created" && payload.metadata.filename === filename)?.[1].sessionId,
    `session of ${filename}`,
  );

const history = async (program, sessionId) =>
  (await program.call("GET", "/api/imports?limit=100")).body.items.find((item) => item.sessionId === sessionId);

for (const [way, cancel] of [
  ["over HTTP", (program, socket, id) => program.call("POST", `/api/sessions/${id}/cancel`, {}).then(({ status }) => assert.equal(status, 200))],
  ["over Socket.IO", (program, socket, id) => command(socket, "cancel_session", { sessionId: id }).then(({ ok }) => assert.equal(ok, true))],
]) {
  test(`cancelling during the upload ${way}: the answer is still 202 and the findings are as they were`, async (t) => {
    const { program, socket } = await world(t);
    const rows = manyRows("cancel-host", 3000);
    await importAndWatch(socket, program, nessusCsv(rows.slice(0, 10)));
    const csv = nessusCsv(rows);
    const half = Math.floor(csv.length / 2);
    const slow = slowUpload(program, { csvBytes: csv.length, filename: "cancelled.csv" });
    await slow.write(csv.slice(0, half));
    const id = await sessionOf(socket, "cancelled.csv");
    await cancel(program, socket, id);
    const [name, payload] = await socket.ended(id);
    assert.deepEqual([name, payload.cancelled, payload.reason, payload.cleanup_performed], ["import_cancelled", true, "user_requested", true]);
    const { processed_rows, completion_percentage } = payload.partial_results;
    assert.ok(Number.isInteger(processed_rows) && processed_rows <= rows.length);
    assert.ok(completion_percentage >= 0 && completion_percentage <= 1);
    await slow.write(csv.slice(half));
    slow.end();
    const answer = await slow.answer();
    assert.deepEqual([answer.status, answer.body.sessionId], [202, id]);
    assert.equal((await findings(program, "cancel-host")).total, 10);
    assert.equal((await history(program, id)).status, "cancelled");
    assertError(await program.call("GET", `/api/sessions/${id}`), 410, "SESSION_CANCELLED");
    assert.equal(socket.session(id).filter(([event]) => TERMINAL.includes(event)).length, 1);
    assert.ok(!socket.log.some(([event, data]) => event === "data_updated" && data.source.import_id === answer.body.importId));
  });
}

test("an upload that breaks off ends its session once and leaves the findings alone", async (t) => {
  const { program, socket } = await world(t);
  const csv = nessusCsv(manyRows("abort-host", 2000));
  const slow = slowUpload(program, { csvBytes: csv.length, filename: "aborted.csv" });
  await slow.write(csv.slice(0, csv.length / 2));
  const id = await sessionOf(socket, "aborted.csv");
  slow.abort();
  const [name] = await socket.ended(id);
  assert.match(name, /^import_(error|cancelled)$/);
  assert.equal((await findings(program, "abort-host")).total, 0);
  assert.notEqual((await history(program, id)).status, "running");
  const next = await importAndWatch(socket, program, nessusCsv(manyRows("abort-host", 5)));
  assert.equal(next.payload.summary.new_vulnerabilities, 5);
});

test("a declared length above the limit is 413 at once, asked with Expect or not", async (t) => {
  const { program } = await world(t);
  const { head, type } = multipart();
  for (const expect of ["", "Expect: 100-continue\r\n"]) {
    const connection = await RawConnection.open(program.port);
    connection.write(
      `POST /api/vulnerabilities/import HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${type}\r\nContent-Length: 200000000\r\n${expect}\r\n${expect ? "" : head}`,
    );
    const answer = await connection.response();
    assert.equal(answer.status, 413);
    assert.equal(JSON.parse(answer.body).error.code, "PAYLOAD_TOO_LARGE");
    connection.destroy();
  }
  assert.deepEqual((await program.call("GET", "/api/sessions")).body.sessions, []);
});

test("an undeclared length above the limit ends in 413 and import_error", async (t) => {
  const { program, socket } = await world(t);
  const slow = slowUpload(program, { filename: "endless.csv" });
  // One row with a long cell again and again: a hundred megabytes that are quick to read.
  await slow.write(nessusCsv([{ host: "endless-host" }]));
  const row = nessusCsv([{ host: "endless-host", solution: "x".repeat(500_000) }]).split("\n")[1];
  const piece = `${row}\n`.repeat(2);
  try {
    for (let bytes = 0; bytes < 110_000_000; bytes += piece.length) await slow.write(piece);
    slow.end();
  } catch (error) {
    // The connection may be closed once the answer is out.
    assert.match(error.code, /ECONNRESET|EPIPE|ERR_STREAM/);
  }
  const id = await sessionOf(socket, "endless.csv");
  const [name, payload] = await socket.ended(id, 60_000);
  assert.deepEqual([name, payload.error?.code], ["import_error", "PAYLOAD_TOO_LARGE"]);
  const answer = await slow.answer().catch((error) => error);
  if (!(answer instanceof Error)) assertError({ ...answer, headers: new Headers(answer.headers) }, 413, "PAYLOAD_TOO_LARGE");
  assert.equal((await findings(program, "endless-host")).total, 0);
});

test("a sender that goes on beyond the limit gets its answer all the same", async (t) => {
  const { program } = await world(t, { flags: ["--max-upload-bytes", "3000000"] });
  const row = nessusCsv([{ host: "beyond-host", solution: "x".repeat(50_000) }]).split("\n")[1];
  for (let round = 0; round < 5; round++) {
    const slow = slowUpload(program);
    const sending = (async () => {
      await slow.write(nessusCsv([{ host: "beyond-host" }]));
      for (let bytes = 0; bytes < 20_000_000; bytes += row.length) await slow.write(`${row}\n`);
    })();
    // It ends with the connection.
    sending.catch(() => {});
    const { status, body } = await slow.answer();
    assert.deepEqual([status, body.error.code], [413, "PAYLOAD_TOO_LARGE"]);
    slow.abort();
    await sending.catch(() => {});
  }
});

test("a stranger can't update, complete or fail a running import; it ends right", async (t) => {
  const { program, socket } = await world(t);
  const csv = nessusCsv(manyRows("strange-host", 500));
  const half = Math.floor(csv.length / 2);
  const slow = slowUpload(program, { csvBytes: csv.length, filename: "strange.csv" });
  await slow.write(csv.slice(0, half));
  const id = await sessionOf(socket, "strange.csv");
  for (const [verb, body] of [
    ["progress", { progress: 1, metadata: { processed_rows: 1_000_000_000 } }],
    ["complete", { result: { total_processed: 1_000_000_000 } }],
    ["error", { error: "it broke" }],
  ]) {
    assertError(await program.call("POST", `/api/sessions/${id}/${verb}`, body), 409, "SESSION_MANAGED");
  }
  assertError(await program.call("DELETE", `/api/sessions/${id}`), 409, "SESSION_ACTIVE");
  await slow.write(csv.slice(half));
  slow.end();
  assert.equal((await slow.answer()).status, 202);
  const [name, payload] = await socket.ended(id);
  assert.deepEqual([name, payload.total_processed], ["import_complete", 500]);
  assertError(await program.call("POST", `/api/sessions/${id}/complete`, {}), 409, "SESSION_ENDED");
});

test("four uploads are read side by side, a fifth is turned away; the four end well", async (t) => {
  const { program, socket } = await world(t);
  const files = Array.from({ length: 4 }, (_, i) => ({ name: `queue-${i}.csv`, csv: nessusCsv(manyRows(`queue-${i}`, 3000)), sent: 0 }));
  const send = (file, length) => {
    const piece = file.csv.slice(file.sent, file.sent + length);
    file.sent += piece.length;
    if (piece) file.slow.write(piece);
  };
  for (const file of files) {
    file.slow = slowUpload(program, { csvBytes: file.csv.length, filename: file.name });
    send(file, 1000);
  }
  // Slow, but fast enough not to be cut.
  const dripping = setInterval(() => files.forEach((file) => send(file, 2000)), 500);
  t.after(() => clearInterval(dripping));
  for (const file of files) file.id = await sessionOf(socket, file.name);
  const session = async (id) => (await program.call("GET", `/api/sessions/${id}`)).body.session;
  for (const { id } of files) await until(async () => (await session(id)).processed_rows > 0, "rows of each upload");
  const running = (await program.call("GET", "/api/imports")).body.items;
  assert.deepEqual(running.map(({ status }) => status), ["running", "running", "running", "running"]);
  const fifth = await upload(program, "host,title,severity\na,x,Low\n");
  assertError(fifth, 503, "SERVER_OVERLOAD");
  assert.ok(Number(fifth.headers.get("retry-after")) > 0);
  clearInterval(dripping);
  for (const file of files) {
    send(file, Infinity);
    file.slow.end();
  }
  for (const { id, slow } of files) {
    const answer = await slow.answer();
    assert.deepEqual([answer.status, answer.body.sessionId], [202, id]);
    const [name, payload] = await socket.ended(id);
    assert.deepEqual([name, payload.summary?.new_vulnerabilities], ["import_complete", 3000]);
  }
  assert.equal((await upload(program, "host,title,severity\na,x,Low\n")).status, 202);
});

test("cancelling one of two imports that are read", async (t) => {
  const { program, socket } = await world(t);
  const csv = nessusCsv(manyRows("waiting-host", 30));
  const first = slowUpload(program, { csvBytes: csv.length, filename: "runs.csv" });
  first.write(csv.slice(0, 300));
  const running = await sessionOf(socket, "runs.csv");
  const second = slowUpload(program, { csvBytes: csv.length, filename: "waits.csv" });
  second.write(csv.slice(0, 300));
  const waiting = await sessionOf(socket, "waits.csv");
  assert.equal((await program.call("POST", `/api/sessions/${waiting}/cancel`, {})).status, 200);
  assert.equal((await socket.ended(waiting))[0], "import_cancelled");
  for (const slow of [first, second]) {
    slow.write(csv.slice(300));
    slow.end();
  }
  assert.equal((await first.answer()).status, 202);
  assert.equal((await second.answer()).status, 202);
  assert.equal((await socket.ended(running))[0], "import_complete");
});

test("an import that the program was killed in is interrupted in the history, and nothing of it is kept", async (t) => {
  const dataDir = temporaryFolder();
  const { program, socket } = await world(t, { dataDir });
  await importAndWatch(socket, program, nessusCsv(manyRows("killed-host", 4)));
  const csv = nessusCsv(manyRows("killed-host", 5000));
  const slow = slowUpload(program, { csvBytes: csv.length, filename: "killed.csv" });
  slow.request.on("error", () => {});
  await slow.write(csv.slice(0, csv.length - 1000));
  const id = await sessionOf(socket, "killed.csv");
  await until(async () => (await program.call("GET", `/api/sessions/${id}`)).body.session.processed_rows > 0, "rows of the import");
  socket.disconnect();
  await program.end("SIGKILL");
  const again = await startProgram(t, { dataDir });
  assert.equal((await findings(again, "killed-host")).total, 4);
  const entry = await history(again, id);
  assert.deepEqual([entry.status, entry.filename, entry.summary], ["interrupted", "killed.csv", null]);
  const watching = await watcher(t, again);
  const { payload } = await importAndWatch(watching, again, nessusCsv(manyRows("killed-host", 6)));
  assert.deepEqual([payload.summary.unchanged, payload.summary.new_vulnerabilities], [4, 2]);
});

test("an import that runs when the program is asked to end does not hold it up", async (t) => {
  const { program, socket } = await world(t);
  const csv = nessusCsv(manyRows("ended-host", 500));
  const slow = slowUpload(program, { csvBytes: csv.length, filename: "ended.csv" });
  slow.request.on("error", () => {});
  await slow.write(csv.slice(0, 1000));
  await sessionOf(socket, "ended.csv");
  socket.disconnect();
  assert.deepEqual(await program.end("SIGTERM"), { status: 0, signal: null });
});

test("commands of other clients are answered while a large file is imported", async (t) => {
  const { program, socket } = await world(t);
  const { stdout } = await runProgram(["generate", "--bytes", "10000000", "--seed", "3"]);
  let done = false;
  const running = importAndWatch(socket, program, stdout).then((end) => ((done = true), end));
  const other = await watcher(t, program);
  let answers = 0;
  while (!done) {
    const answer = await command(other, "list_sessions", {});
    assert.equal(answer.ok, true);
    answers++;
    // No more than one client may ask for in a second.
    await sleep(2);
  }
  assert.equal((await running).name, "import_complete");
  assert.ok(answers > 5, `${answers} answers during the import`);
});
