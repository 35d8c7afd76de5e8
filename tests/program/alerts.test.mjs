// What the program tells people of itself: each thing once, and again when it has been well in between.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { nessusCsv, manyRows, runProgram, startProgram, temporaryFolder, until, upload, watcher } from "./support.mjs";

const alertsOf = (socket, category) => socket.log.filter(([name, alert]) => name === "system_alert" && alert.category === category).map(([, alert]) => alert);

test("a disk that gets full is told of once, and again when there was room in between", async (t) => {
  const disk = temporaryFolder();
  const mount = (...args) => execFileSync("mount", [...args, disk], { stdio: "ignore" });
  const resize = (size) => mount("-o", `remount,size=${size}`);
  try {
    mount("-t", "tmpfs", "-o", "size=2g", "tmpfs");
  } catch {
    return t.skip("no leave to mount a small disk on this machine");
  }
  t.after(() => execFileSync("umount", ["--lazy", disk]));
  const program = await startProgram(t, { dataDir: path.join(disk, "data") });
  const socket = await watcher(t, program);
  const told = (count) => until(() => alertsOf(socket, "system").length === count, `${count} alerts`, 60_000);
  resize("100m");
  await told(1);
  const [alert] = alertsOf(socket, "system");
  assert.deepEqual([alert.level, alert.action_required], ["warning", true]);
  assert.match(alert.message, /disk is nearly full/);
  assert.ok(!JSON.stringify(alert).includes(disk), "no path, since everybody gets it");
  assert.equal((await program.call("GET", "/healthz")).status, 200);
  resize("2g");
  await program.logged(/well again: disk/);
  resize("100m");
  await told(2);
});

test("imports that can't be stored are told of once, and again when one was stored in between", async (t) => {
  const program = await startProgram(t, { fileKib: 2000 });
  const socket = await watcher(t, program);
  const { stdout: large } = await runProgram(["generate", "--bytes", "20000000", "--seed", "2"]);
  const importing = async (csv) => (await upload(program, csv, { query: "?wait=true" })).body.error?.code;
  const small = nessusCsv(manyRows("alert-host", 3));
  for (const [csv, wanted] of [[large, 1], [large, 1], [small, 1], [large, 2]]) {
    assert.equal(await importing(csv), csv === large ? "STORAGE_ERROR" : undefined);
    // What was told before an alert that is asked for has come before it.
    const asked = alertsOf(socket, "maintenance").length + 1;
    await program.call("POST", "/api/events/system_alert", { level: "info", category: "maintenance", message: "asked for" });
    await until(() => alertsOf(socket, "maintenance").length === asked, "the alert that was asked for");
    assert.equal(alertsOf(socket, "system").length, wanted);
  }
  assert.equal(alertsOf(socket, "system")[0].level, "error");
});
