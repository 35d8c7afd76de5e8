// Imports that cannot be stored: files that may not grow, and a disk that is full.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { manyRows, nessusCsv, runProgram, startProgram, temporaryFolder, upload } from "./support.mjs";

const total = async (program) => (await program.call("GET", "/api/vulnerabilities?limit=1")).body.total;
const importAndWait = (program, csv) => upload(program, csv, { query: "?wait=true" });

/** Imports hosts of 300 findings until that fails; each is stored whole or not at all. */
async function importUntilFull(program) {
  for (let hosts = 0; hosts < 200; hosts++) {
    const rows = manyRows(`full-host-${hosts}`, 300).map((row) => ({ ...row, solution: "Update it. ".repeat(20) }));
    const { status, body } = await importAndWait(program, nessusCsv(rows));
    if (status !== 200) {
      assert.deepEqual([status, body.error.code], [422, "STORAGE_ERROR"]);
      assert.ok(body.error.recovery_suggestions.length > 0);
      assert.equal(await total(program), hosts * 300);
      return body;
    }
  }
  return assert.fail("it never got full");
}

/** It still answers, and its history tells how the import ended. */
async function goesOn(program, { importId, sessionId }) {
  assert.equal((await program.call("GET", "/healthz")).status, 200);
  assert.equal((await program.call("GET", `/api/sessions/${sessionId}`)).body.session.status, "error");
  const { import: entry } = (await program.call("GET", `/api/imports/${importId}`)).body;
  assert.deepEqual([entry.status, entry.error.code], ["error", "STORAGE_ERROR"]);
}

test("a file that may not grow further fails the import and not the program", async (t) => {
  const program = await startProgram(t, { fileKib: 2000 });
  const { stdout: large } = await runProgram(["generate", "--bytes", "20000000", "--seed", "2"]);
  const { status, body } = await importAndWait(program, large);
  assert.deepEqual([status, body.error.code], [422, "STORAGE_ERROR"]);
  assert.equal(await total(program), 0);
  await goesOn(program, body);
  await goesOn(program, await importUntilFull(program));
});

test("on a full disk imports are stored whole or not at all, and once there is room again they go on", async (t) => {
  const disk = temporaryFolder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    return t.skip("no leave to mount a small disk on this machine");
  }
  t.after(() => execFileSync("umount", ["--lazy", disk]));
  const dataDir = path.join(disk, "data");
  const ballast = path.join(disk, "ballast");
  fs.writeFileSync(ballast, Buffer.alloc(1_000_000));
  const program = await startProgram(t, { dataDir });
  const failed = await importUntilFull(program);
  await goesOn(program, failed);
  const stored = await total(program);
  fs.rmSync(ballast);
  const { status, body } = await importAndWait(program, nessusCsv(manyRows("room-host", 5)));
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(await total(program), stored + 5);
  await program.end("SIGKILL");
  const again = await startProgram(t, { dataDir });
  assert.equal(await total(again), stored + 5);
  await goesOnAfterRestart(again, failed);
});

async function goesOnAfterRestart(program, { importId }) {
  const { import: entry } = (await program.call("GET", `/api/imports/${importId}`)).body;
  assert.deepEqual([entry.status, entry.error.code], ["error", "STORAGE_ERROR"]);
}
