// From polling to WebSocket, seen from raw sockets: the probe, what goes wrong on the way, and what comes after.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PollingSession, RS } from "./support/http.mjs";
import { sharedServer } from "./support/server.mjs";
import { sleep, until } from "./support/wait.mjs";
import { frame, OP, RawWebSocket, requestUpgrade } from "./support/websocket.mjs";

const server = sharedServer("engine_echo");
const probe = (session, options) => RawWebSocket.open(server.port, session.upgradeTarget, options);

async function probed(session) {
  const socket = await probe(session);
  socket.send("2probe");
  assert.equal(await socket.text(), "3probe");
  return socket;
}

async function upgraded(session) {
  const socket = await probed(session);
  socket.send("5");
  return socket;
}

/** The session still works on polling: a message comes back in a poll. */
async function assertPolls(session, text) {
  assert.equal((await session.post(`4${text}`)).body, "ok");
  const packets = (await session.collect(1)).flat();
  assert.deepEqual(packets.filter((packet) => packet !== "6"), [`4${text}`]);
}

describe("the upgrade", () => {
  test("B61 nothing is sent first; 2probe is answered 3probe; after 5 messages come on the WebSocket", async () => {
    const session = await PollingSession.open(server);
    const socket = await probe(session);
    assert.deepEqual(await socket.settled(), []);
    socket.send("2probe");
    assert.equal(await socket.text(), "3probe");
    socket.send("5");
    socket.send("4hello");
    socket.send(Buffer.of(9, 8));
    assert.equal(await socket.text(), "4hello");
    assert.deepEqual(await socket.message(), Buffer.of(9, 8));
    socket.destroy();
  });

  test("B62 a poll that waits when the probe comes is answered with a noop", async () => {
    const session = await PollingSession.open(server);
    const waiting = await session.startPoll();
    await sleep(30);
    const socket = await probed(session);
    assert.equal((await waiting.response({ limitMs: 2000 })).body, "6");
    socket.destroy();
  });

  test("B62 a poll that comes between the probe and 5 is answered with a noop", async () => {
    const session = await PollingSession.open(server);
    const socket = await probed(session);
    assert.equal((await session.poll({ limitMs: 2000 })).body, "6");
    socket.send("5");
    socket.send("4on");
    assert.equal(await socket.text(), "4on");
    socket.destroy();
  });

  test("probe, 5 and messages may come in one segment with the request", async () => {
    const session = await PollingSession.open(server);
    const early = ["2probe", "5", "4a", "4b"].map((payload) => frame({ payload }));
    const socket = await probe(session, { early });
    for (const expected of ["3probe", "4a", "4b"]) assert.equal(await socket.text(), expected);
    socket.destroy();
  });

  test("B67 messages posted between the probe and 5 are answered once, in order, here or there", async () => {
    const session = await PollingSession.open(server);
    const socket = await probed(session);
    await session.post(`4one${RS}4two`);
    await session.post("4three");
    socket.send("5");
    socket.send("4four");
    for (const expected of ["4one", "4two", "4three", "4four"]) assert.equal(await socket.text(), expected);
    assert.deepEqual(await socket.settled(), []);
    socket.destroy();
  });

  test("B61 what was queued before the upgrade comes on the WebSocket, more than one poll would carry", async () => {
    const session = await PollingSession.open(server);
    const texts = Array.from({ length: 40 }, (_, i) => `4${i}`);
    for (let i = 0; i < 40; i += 10) await session.post(texts.slice(i, i + 10).join(RS));
    const socket = await upgraded(session);
    for (const text of texts) assert.equal(await socket.text(), text);
    socket.destroy();
  });

  test("the heartbeat and the close packet work after the upgrade", async () => {
    const session = await PollingSession.open(server);
    const socket = await upgraded(session);
    socket.send("1");
    assert.equal((await socket.closed(3000)).code, 1005);
    assert.equal((await session.poll()).status, 400);
  });
});

describe("after the upgrade", () => {
  test("B66 polls and posts get 400 and the session is unharmed", async () => {
    const session = await PollingSession.open(server);
    const socket = await upgraded(session);
    assert.deepEqual(await socket.settled(), []);
    for (const answer of [await session.poll(), await session.post("4lost")]) {
      assert.equal(answer.status, 400);
      assert.equal(JSON.parse(answer.body).code, 3);
    }
    socket.send("4alive");
    assert.equal(await socket.text(), "4alive");
    socket.destroy();
  });

  test("B64 a second WebSocket with the session's id is closed while the first goes on", async () => {
    const session = await PollingSession.open(server);
    const socket = await upgraded(session);
    assert.deepEqual(await socket.settled(), []);
    const second = await probe(session);
    assert.ok([1005, 1006].includes((await second.closed()).code));
    socket.send("4alive");
    assert.equal(await socket.text(), "4alive");
    socket.destroy();
  });

  test("the same when 5 and the next connection arrive together", async () => {
    for (let i = 0; i < 20; i++) {
      const session = await PollingSession.open(server);
      const socket = await probed(session);
      socket.send("5");
      const [late, second] = await Promise.all([session.poll(), requestUpgrade(server.port, session.upgradeTarget)]);
      assert.equal(late.status, 400);
      if (second.answer?.status === 101) await new RawWebSocket(second.connection).closed();
      second.connection.destroy();
      socket.send(`4alive ${i}`);
      assert.equal(await socket.text(), `4alive ${i}`);
      socket.destroy();
    }
  });

  test("the end of the WebSocket is the end of the session", async () => {
    const session = await PollingSession.open(server);
    const socket = await upgraded(session);
    socket.destroy();
    await until(async () => JSON.parse((await session.poll()).body).code === 1, "end of the session");
  });
});

describe("an upgrade that fails leaves polling alone", { concurrency: 2 }, () => {
  test("B63 the first frame is neither probe nor upgrade: that WebSocket is closed", async () => {
    for (const first of ["4hello", "2", "2other", "junk", Buffer.of(1)]) {
      const session = await PollingSession.open(server);
      const socket = await probe(session);
      socket.send(first);
      await socket.closed(3000);
      await assertPolls(session, "polling goes on");
    }
  });

  test("B63 the probing WebSocket breaks before the probe, after it, or with a close frame", async () => {
    const session = await PollingSession.open(server);
    const early = await probe(session);
    early.connection.socket.resetAndDestroy();
    await assertPolls(session, "after a reset");
    const late = await probed(session);
    late.destroy();
    await assertPolls(session, "after a break");
    const polite = await probed(session);
    polite.sendFrame({ opcode: OP.close });
    await polite.closed();
    await assertPolls(session, "after a close frame");
  });

  test("polls wait again once a probing WebSocket has gone, and a new attempt may succeed", async () => {
    const session = await PollingSession.open(server);
    const failed = await probed(session);
    failed.sendFrame({ opcode: OP.close });
    await failed.closed();
    const waiting = await session.startPoll();
    let answered = false;
    const poll = waiting.response().then((answer) => ((answered = true), answer));
    await sleep(250);
    assert.equal(answered, false, "the poll waits");
    const socket = await probed(session);
    assert.equal((await poll).body, "6");
    socket.send("5");
    socket.send("4made it");
    assert.equal(await socket.text(), "4made it");
    socket.destroy();
  });

  test("B64 a second attempt while one is running is closed, and the first is unharmed", async () => {
    const session = await PollingSession.open(server);
    const first = await probed(session);
    const second = await probe(session);
    second.send("2probe");
    assert.deepEqual((await second.closed()).texts, []);
    first.send("5");
    first.send("4first");
    assert.equal(await first.text(), "4first");
    first.destroy();
  });

  test("a wrong frame on the probing WebSocket", async () => {
    const session = await PollingSession.open(server);
    const socket = await probed(session);
    socket.sendFrame({ payload: "5", masked: false });
    assert.equal((await socket.closed()).code, 1002);
    await assertPolls(session, "polling goes on");
  });

  test("B68 a session that closes while a WebSocket is probing takes it along", async () => {
    const session = await PollingSession.open(server);
    const socket = await probed(session);
    assert.equal((await session.post("1")).body, "ok");
    await socket.closed();
    assert.equal((await session.poll()).status, 400);
  });

  test("B65 without 5 within ten seconds that WebSocket is closed", async () => {
    const session = await PollingSession.open(server);
    const socket = await probed(session);
    await assertPolls(session, "while probing");
    await socket.closed(14_000);
    await assertPolls(session, "polling goes on");
  });
});
