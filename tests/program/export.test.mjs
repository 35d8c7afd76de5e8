// Files of findings, however many there are: they are made while they are sent, as fast as they are taken.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RawConnection } from "../interop/support/http.mjs";
import { anonymousMib, descriptors } from "../attacks/support/proc.mjs";
import { assertError, manyRows, nessusCsv, once, startProgram, until, upload } from "./support.mjs";

const HOSTS = 40;
const ROWS_PER_HOST = 500;
const COUNT = HOSTS * ROWS_PER_HOST;
const SOLUTION = `Update it, "really"; ${"and read what is new, ".repeat(15)}`;

let program;
const cleanups = [];
before(async () => {
  program = await startProgram({ after: (cleanup) => cleanups.unshift(cleanup) });
  const rows = Array.from({ length: HOSTS }, (_, host) => manyRows(`host-${host}`, ROWS_PER_HOST)).flat();
  const csv = nessusCsv(rows.map((row) => ({ ...row, solution: SOLUTION })));
  const answer = await upload(program, csv, { query: "?wait=true" });
  assert.equal(answer.body.summary?.new_vulnerabilities, COUNT, JSON.stringify(answer.body));
});
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

const save = (target, options) => fetch(program.origin + target, options);

/** A request for a file on a connection that takes nothing of it. */
async function deaf(t, target) {
  const connection = await RawConnection.open(program.port);
  t.after(() => connection.destroy());
  connection.socket.pause();
  connection.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  return connection;
}

/** All bytes that come until the connection ends, as text. */
const toEnd = async (connection) => (await connection.rest(60_000)).toString();

/** A small file, or the refusal of it: more of one caller than two are not on their way at a time. */
const few = async () => {
  const answer = await program.call("GET", "/api/vulnerabilities.json?host=nobody");
  if (answer.status === 200) return answer;
  assertError(answer, 429, "RATE_LIMIT_EXCEEDED");
  assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  return answer;
};

test("JSON has every finding once, in its order", async () => {
  for (const query of ["", "?sort=title"]) {
    const answer = await save(`/api/vulnerabilities.json${query}`);
    assert.equal(answer.headers.get("content-length"), null);
    const text = await answer.text();
    assert.ok(text.length > 10_000_000, `${text.length} bytes`);
    const found = JSON.parse(text);
    assert.deepEqual([found.length, new Set(found.map(({ id }) => id)).size], [COUNT, COUNT]);
    const keys = found.map(({ id, title }) => (query ? title : -id));
    assert.ok(keys.every((key, index) => index === 0 || keys[index - 1] <= key), query);
    assert.equal(found[COUNT - 1].solution, SOLUTION.trim());
  }
});

test("CSV has a line for each finding, and is an import again", async () => {
  const whole = await (await save("/api/vulnerabilities.csv")).text();
  assert.equal(whole.split("\r\n").length, COUNT + 2);
  const { body } = await upload(program, whole, { query: "?wait=true&dryRun=true&vendor=saved" });
  assert.equal(body.summary?.new_vulnerabilities, COUNT, JSON.stringify(body));
  const few = await (await save("/api/vulnerabilities.csv?host=host-7")).text();
  assert.equal(few.split("\r\n").length, ROWS_PER_HOST + 2);
  assert.equal((await (await save("/api/vulnerabilities.csv?host=nobody")).text()).split("\r\n").length, 2);
  assert.deepEqual(await (await save("/api/vulnerabilities.json?host=nobody")).json(), []);
});

test("HEAD has the same head and no body, and the connection goes on", async (t) => {
  const connection = await RawConnection.open(program.port);
  t.after(() => connection.destroy());
  const head = "HEAD /api/vulnerabilities.csv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  connection.write(`${head}${head}GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
  const text = await toEnd(connection);
  const heads = text.split(/(?=HTTP\/1\.1 )/);
  assert.equal(heads.length, 3, text);
  assert.equal(heads[0], heads[1]);
  assert.match(heads[0], /\r\nContent-Disposition: attachment/);
  assert.match(heads[0], /\r\nTransfer-Encoding: chunked\r\n/);
  assert.ok(heads[0].endsWith("\r\n\r\n"));
  assert.match(heads[2], /"status":"ok"/);
});

test("a client of HTTP/1.0 gets the file until its connection ends", async (t) => {
  const connection = await RawConnection.open(program.port);
  t.after(() => connection.destroy());
  connection.write("GET /api/vulnerabilities.json HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
  const [head, body] = (await toEnd(connection)).split("\r\n\r\n");
  assert.match(head, /\r\nConnection: close/);
  assert.doesNotMatch(head, /chunked|Content-Length/i);
  assert.equal(JSON.parse(body).length, COUNT);
});

test("what is imported meanwhile is not in the file", async (t) => {
  const own = await startProgram(t);
  const count = 6_000;
  const solution = SOLUTION.repeat(4);
  const send = async (rows) => {
    const answer = await upload(own, nessusCsv(rows.map((row) => ({ ...row, solution }))), { query: "?wait=true" });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  };
  const rows = manyRows("host", count);
  await send(rows);
  for (const target of ["/api/vulnerabilities.json", "/api/vulnerabilities.json?sort=title&status=active"]) {
    const before = await (await fetch(own.origin + target)).json();
    const connection = await RawConnection.open(own.port);
    t.after(() => connection.destroy());
    const { socket } = connection;
    connection.write(`GET ${target} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n`);
    await once(socket, "data");
    // The rest is taken so slowly that most of it is still to be made, and fast enough not to be cut.
    const pause = () => socket.pause();
    socket.on("data", pause).pause();
    const taking = setInterval(() => socket.resume(), 250);
    // One half goes, another comes, and the rest gets other titles.
    await send([...rows.slice(0, count / 2).map((row) => ({ ...row, name: `Z${row.name}` })), ...manyRows("other", count / 2)]);
    await send(rows);
    clearInterval(taking);
    socket.off("data", pause).resume();
    const [, body] = (await toEnd(connection)).split("\r\n\r\n");
    assert.deepEqual(JSON.parse(body), before);
  }
});

test("who takes nothing holds a piece and a place for some seconds, and nobody up", async (t) => {
  await save("/api/vulnerabilities.json").then((answer) => answer.text());
  const before = anonymousMib(program.pid);
  // On a busy machine the first of them may be gone before the last has come.
  const isFull = async () => {
    await Promise.all(Array.from({ length: 2 }, () => deaf(t, "/api/vulnerabilities.json")));
    return (await few()).status === 429;
  };
  await until(isFull, "a refusal", 60_000);
  assert.equal((await program.call("HEAD", "/api/vulnerabilities.csv")).status, 200, "a head is no file on its way");
  for (let round = 0; round < 20; round += 1) {
    assert.equal((await program.call("GET", "/api/vulnerabilities?limit=1")).status, 200);
    assert.equal((await program.call("GET", "/healthz")).status, 200);
  }
  const grown = anonymousMib(program.pid) - before;
  t.diagnostic(`${grown} MiB more`);
  assert.ok(grown < 4, `${grown} MiB more`);
  await until(async () => (await few()).status === 200, "a place", 60_000);
});

test("the place of one who has gone is free again, and all that it had open is closed", async (t) => {
  await save("/api/vulnerabilities.csv?host=nobody").then((answer) => answer.text());
  const open = () => descriptors({ pid: program.pid });
  const before = open();
  for (let round = 0; round < 3; round += 1) {
    // Those of the round before may still have some of the places.
    const connections = [];
    const isFull = async () => {
      connections.push(await deaf(t, "/api/vulnerabilities.csv"));
      return (await few()).status === 429;
    };
    await until(isFull, "a refusal", 60_000);
    for (const connection of connections) connection.socket.resetAndDestroy();
    await until(async () => (await few()).status === 200, "a place", 60_000);
  }
  await until(() => open() <= before, "descriptors as before", 60_000);
});

test("a server that goes lets a file come to its end", async (t) => {
  const own = await startProgram(t, { flags: ["--grace", "60s"] });
  const rows = manyRows("host", 4_000).map((row) => ({ ...row, solution: SOLUTION }));
  await upload(own, nessusCsv(rows), { query: "?wait=true" });
  const answer = await fetch(`${own.origin}/api/vulnerabilities.json`);
  const ended = own.end("SIGTERM");
  await own.logged(/asked to end/);
  assert.equal((await answer.json()).length, 4_000);
  assert.deepEqual(await ended, { status: 0, signal: null });
});
