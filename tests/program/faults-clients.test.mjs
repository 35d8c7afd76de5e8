// Clients that stop, say nothing, or are gone without a word: others are served, and who comes back hears the newest.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import { RawConnection } from "../interop/support/http.mjs";
import { serves } from "./faults.mjs";
import { sleep, startProgram, until, watcher, within } from "./support.mjs";

/** A client in a process of its own; `newest` is the progress that it has heard of. */
async function ownProcess(t, program, transport) {
  const child = fork(new URL("../interop/support/stopped-client.mjs", import.meta.url), [program.origin, transport], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  t.after(() => child.kill("SIGKILL"));
  const it = { child, isConnected: false, newest: new Map() };
  child.on("message", ({ connected, sessionId, progress }) => {
    if (connected) it.isConnected = true;
    else it.newest.set(sessionId, progress);
  });
  await until(() => it.isConnected, "connection of a process", 60_000);
  return it;
}

const descriptors = (program) => fs.readdirSync(`/proc/${program.pid}/fd`).length;

test("twenty clients that are stopped while a hundred updates a second go on hear the newest when they are continued", async (t) => {
  const program = await startProgram(t);
  const healthy = await watcher(t, program);
  const stopped = await Promise.all(Array.from({ length: 20 }, (_, i) => ownProcess(t, program, i % 4 === 0 ? "polling" : "websocket")));
  const ids = [];
  for (let i = 0; i < 4; i++) ids.push((await program.call("POST", "/api/sessions", { metadata: { text: "x".repeat(4_000) } })).body.sessionId);
  for (const { child } of stopped) process.kill(child.pid, "SIGSTOP");
  const UPDATES = 1_000;
  for (let i = 1; i <= UPDATES; i++) {
    const { status } = await program.call("POST", `/api/sessions/${ids[i % ids.length]}/progress`, { progress: i / (UPDATES + 1) });
    assert.equal(status, 202);
    await sleep(10);
  }
  const newest = new Map(ids.map((id, index) => [id, (UPDATES - ((UPDATES - index) % ids.length)) / (UPDATES + 1)]));
  const heardBy = (socket, id) => socket.session(id).findLast(([name]) => name === "import_progress")?.[1].progress;
  for (const [id, progress] of newest) await until(() => heardBy(healthy, id) === progress, "the newest at the healthy client");
  for (const { child } of stopped) process.kill(child.pid, "SIGCONT");
  for (const { newest: heard } of stopped) {
    for (const [id, progress] of newest) await until(() => heard.get(id) === progress, `the newest of ${id}, not ${heard.get(id)}`, 60_000);
  }
  await serves(program, "after-the-stop");
});

test("clients that are gone without a word, in the middle of what is sent to them, harm nobody", async (t) => {
  const program = await startProgram(t);
  const healthy = await watcher(t, program);
  const before = descriptors(program);
  const { sessionId } = (await program.call("POST", "/api/sessions", {})).body;
  let updates = 0;
  const update = async () => {
    updates += 1;
    assert.equal((await program.call("POST", `/api/sessions/${sessionId}/progress`, { progress: updates / 1_000 })).status, 202);
  };
  for (let wave = 0; wave < 5; wave++) {
    const peers = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const peer = await RawConnection.open(program.port);
        peer.write(
          "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        );
        assert.match(await peer.textUntil("\r\n\r\n", "handshake"), /^HTTP\/1\.1 101 /);
        // Joins the namespace: a masked text frame "40", its mask all zeros.
        peer.socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30]));
        await peer.bytes(2, "what is sent to it");
        return peer;
      }),
    );
    await update();
    // Half of them are reset; the others are closed with something unread in them, which the kernel answers with a reset, too.
    peers.forEach((peer, index) => (index % 2 ? peer.socket.resetAndDestroy() : peer.destroy()));
    for (let i = 0; i < 10; i++) await update();
  }
  const heard = () => healthy.session(sessionId).findLast(([name]) => name === "import_progress")?.[1].progress;
  await until(() => heard() === updates / 1_000, "the newest at the healthy client");
  await until(() => descriptors(program) <= before + 5, "the descriptors to be back");
  await serves(program, "after-the-resets");
});

test("peers that connect and say nothing get nothing, and leave room for others", async (t) => {
  const program = await startProgram(t);
  const silent = await Promise.all(Array.from({ length: 200 }, () => RawConnection.open(program.port)));
  t.after(() => silent.forEach((peer) => peer.destroy()));
  await until(() => descriptors(program) > 200, "all of them");
  const socket = await watcher(t, program);
  await within(serves(program, "beside-the-silent"), "the import", 60_000);
  assert.ok(socket.connected);
  assert.ok(silent.every((peer) => !peer.ended));
});
