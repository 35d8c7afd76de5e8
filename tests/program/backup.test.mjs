// Backups of a running program, and what comes back.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { findings, manyRows, nessusCsv, runProgram, startProgram, temporaryFolder, upload } from "./support.mjs";

const importAndWait = (program, host) => upload(program, nessusCsv(manyRows(host, 30)), { query: "?wait=true" });

test("a backup of a running program comes back as it was, and what was there since is kept beside", async (t) => {
  const dataDir = temporaryFolder();
  const file = path.join(temporaryFolder(), "backup");
  const program = await startProgram(t, { dataDir });
  assert.equal((await importAndWait(program, "early")).status, 200);
  const { sessionId } = (await program.call("POST", "/api/sessions", {})).body;
  const before = Date.now();
  const made = await runProgram(["backup", file, "--data-dir", dataDir]);
  assert.deepEqual([made.status, made.stderr], [0, ""]);
  const noted = Number(fs.readFileSync(path.join(dataDir, "last-backup"), "utf8"));
  assert.ok(noted >= before && noted <= Date.now(), `${noted}`);
  assert.equal((await importAndWait(program, "late")).status, 200);
  const refused = await runProgram(["restore", file, "--data-dir", dataDir]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /^pulsewheel: .*in use by another process\n$/);
  await program.end("SIGTERM");
  const restored = await runProgram(["restore", file, "--data-dir", dataDir]);
  assert.equal(restored.status, 0, restored.stderr);
  const [, kept] = /^what was there is in (.+)\n$/.exec(restored.stdout.toString());
  const again = await startProgram(t, { dataDir });
  assert.equal((await findings(again, "early")).total, 30);
  assert.equal((await findings(again, "late")).total, 0);
  assert.equal((await again.call("GET", `/api/sessions/${sessionId}`)).status, 200);
  const earlier = await startProgram(t, { dataDir: kept });
  assert.equal((await findings(earlier, "late")).total, 30);
});

test("what is no backup is refused with one clear line, and changes nothing", async () => {
  const dataDir = temporaryFolder();
  const file = path.join(temporaryFolder(), "file");
  for (const args of [["restore", file], ["backup", file]]) {
    const { status, stderr } = await runProgram([...args, "--data-dir", dataDir]);
    assert.equal(status, 1);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
  fs.writeFileSync(file, "no database");
  assert.equal((await runProgram(["restore", file, "--data-dir", dataDir])).status, 1);
  assert.equal((await runProgram(["backup"])).status, 2);
});

test("a backup takes the place of a file alone, and of no pipe or device", async (t) => {
  const { folder } = await startProgram(t);
  const pipe = path.join(temporaryFolder(), "pipe");
  execFileSync("mkfifo", [pipe]);
  const { status, stderr } = await runProgram(["backup", pipe, "--data-dir", folder]);
  assert.deepEqual([status, stderr.includes("no regular file")], [1, true], stderr);
  assert.ok(fs.statSync(pipe).isFIFO());
});
