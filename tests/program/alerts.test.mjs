// What the program tells people of itself: each thing once, and again when it has been well in between.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { nessusCsv, manyRows, runProgram, startProgram, temporaryFolder, until, upload, wallClock, watcher } from "./support.mjs";

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

test("people are reminded of a backup seven days after the first start or the last backup, once each", async (t) => {
  const clock = wallClock();
  if (!clock) return t.skip("libfaketime is not on this machine");
  const { env } = clock;
  const dataDir = temporaryFolder();
  const program = await startProgram(t, { dataDir, env });
  const reminders = async () => {
    const { alerts } = (await program.call("GET", "/api/alerts")).body;
    return alerts.filter(({ message }) => /backed up/.test(message));
  };
  const told = (count) => until(async () => (await reminders()).length === count, `${count} reminders`, 60_000);
  const backUp = async () => {
    const { status, stderr } = await runProgram(["backup", path.join(temporaryFolder(), "backup"), "--data-dir", dataDir], { env });
    assert.deepEqual([status, stderr], [0, ""]);
  };
  const first = path.join(dataDir, "last-backup");
  await until(() => fs.existsSync(first), "the time of the first start");
  clock.set("+6d");
  assert.deepEqual(await reminders(), []);
  clock.set("+8d");
  await told(1);
  const [{ level, category, action_required: isWanted }] = await reminders();
  assert.deepEqual([level, category, isWanted], ["warning", "system", true]);
  clock.set("+20d");
  await backUp();
  await program.logged(/well again: backup/);
  assert.equal((await reminders()).length, 1);
  clock.set("+28d");
  await told(2);
});

test("a backup that was due before the server started is told of, and one that was made then is not", async (t) => {
  for (const [days, wanted] of [[6, 0], [8, 1]]) {
    const dataDir = temporaryFolder();
    fs.writeFileSync(path.join(dataDir, "last-backup"), `${Date.now() - days * 24 * 60 * 60 * 1000}\n`);
    const program = await startProgram(t, { dataDir });
    const told = async () => (await program.call("GET", "/api/alerts")).body.alerts.length;
    if (wanted > 0) await until(async () => (await told()) === wanted, "the reminder");
    assert.equal(await told(), wanted);
  }
});
