// Files packed with gzip, those among them that unpack to much more than anybody needs.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import zlib from "node:zlib";
import { findings, manyRows, nessusCsv, startProgram, upload } from "./support.mjs";

const MIB = 1024 * 1024;
/** What an upload may add to the memory of the program. */
const MAX_GROWTH_MIB = 12;

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
  return Buffer.concat([zlib.gzipSync(head), ...Array(Math.ceil(mib / 16)).fill(member)]);
}

test("a packed file is imported as what is in it", async (t) => {
  const program = await startProgram(t);
  const { status, body } = await importAndWait(program, zlib.gzipSync(nessusCsv(manyRows("packed-host", 4))));
  assert.deepEqual([status, body.vendor, body.summary?.new_vulnerabilities], [200, "nessus", 4], JSON.stringify(body));
  assert.equal((await findings(program, "packed-host")).total, 4);
});

for (const [what, tail, code] of [
  ["empty rows without end", ["\n", 1040], "PAYLOAD_TOO_LARGE"],
  ["one row without end", ["x", 64], "CSV_PARSING_ERROR"],
  ["one cell without end", ["\n", 64, '"'], "CSV_PARSING_ERROR"],
]) {
  test(`a small file that unpacks to ${what} fails and takes no memory`, async (t) => {
    const program = await startProgram(t);
    await importAndWait(program, zlib.gzipSync(nessusCsv(manyRows("before-host", 3))));
    const [letter, mib, quote = ""] = tail;
    const file = bomb(nessusCsv(manyRows("bomb-host", 3)) + quote, letter, mib);
    assert.ok(file.length < 2 * MIB);
    const before = peakMib(program);
    const { status, body } = await importAndWait(program, file);
    assert.deepEqual([status, body.error.code], [422, code]);
    assert.ok(body.error.recovery_suggestions.length > 0);
    assert.equal(await total(program), 3);
    const growth = peakMib(program) - before;
    assert.ok(growth < MAX_GROWTH_MIB, `${growth} MiB`);
  });
}
