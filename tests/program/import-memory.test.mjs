// What imports take of memory: packed files, those among them that unpack to much more than anybody needs, and four at a time.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import zlib from "node:zlib";
import { findings, manyRows, nessusCsv, runProgram, startProgram, upload } from "./support.mjs";

const MIB = 1024 * 1024;
/** What an upload, and what four at a time may add to the memory of the program. */
const MAX_GROWTH_MIB = 12;
const MAX_GROWTH_OF_FOUR_MIB = 23;

const importAndWait = (program, bytes) => upload(program, bytes, { filename: "scan.csv.gz", query: "?wait=true" });
const total = async (program) => (await program.call("GET", "/api/vulnerabilities?limit=1")).body.total;

/** The largest size that the program has had so far, in MiB. */
function peakMib(program) {
  const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${program.pid}/status`, "utf8"));
  return kib / 1024;
}

/** A gzip file of `head`, and then of as many MiB of one letter. */
function bomb(head, letter, mib) {
  const member = zlib.gzipSync(Buffer.alloc(16 * MIB, letter));
  return Buffer.concat([zlib.gzipSync(head), ...Array(mib / 16).fill(member)]);
}

test("I6 a packed file is imported as what is in it", async (t) => {
  const program = await startProgram(t);
  const { status, body } = await importAndWait(program, zlib.gzipSync(nessusCsv(manyRows("packed-host", 4))));
  assert.deepEqual([status, body.vendor, body.summary?.new_vulnerabilities], [200, "nessus", 4], JSON.stringify(body));
  assert.equal((await findings(program, "packed-host")).total, 4);
});

for (const [what, letter, quote] of [
  ["one row without end", "x", ""],
  ["one cell without end", "\n", '"'],
]) {
  test(`I6 a small file that unpacks to ${what} fails and takes no memory`, async (t) => {
    const program = await startProgram(t);
    await importAndWait(program, zlib.gzipSync(nessusCsv(manyRows("before-host", 3))));
    const file = bomb(nessusCsv(manyRows("bomb-host", 3)) + quote, letter, 64);
    assert.ok(file.length < MIB / 8);
    const before = peakMib(program);
    const { status, body } = await importAndWait(program, file);
    assert.deepEqual([status, body.error.code], [422, "CSV_PARSING_ERROR"]);
    assert.ok(body.error.recovery_suggestions.length > 0);
    assert.equal(await total(program), 3);
    const growth = peakMib(program) - before;
    assert.ok(growth < MAX_GROWTH_MIB, `${growth} MiB`);
  });
}

test("four uploads at a time take a few MiB each", async (t) => {
  const program = await startProgram(t);
  const { stdout: csv } = await runProgram(["generate", "--bytes", "2500000", "--seed", "7"]);
  const before = peakMib(program);
  const labels = ["one", "two", "three", "four"];
  const answers = await Promise.all(labels.map((label) => upload(program, csv, { query: `?wait=true&vendor=${label}` })));
  for (const { status, body } of answers) assert.deepEqual([status, body.summary?.validation_errors], [200, 0], JSON.stringify(body));
  const growth = peakMib(program) - before;
  assert.ok(growth < MAX_GROWTH_OF_FOUR_MIB, `${growth} MiB`);
});
