// The heartbeat at --ping-interval 300 --ping-timeout 200: the server asks, the client has to answer.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PollingSession } from "./support/http.mjs";
import { ownServer, sharedServer } from "./support/server.mjs";
import { sleep } from "./support/wait.mjs";
import { RawWebSocket } from "./support/websocket.mjs";

const now = () => performance.now();
// Times count from before a request, as its answer may be read late. Timers of the test process may fire a little early, and its
// clock is not the server's.
const SLACK_MS = 20;

describe("with a ping every 300 ms and 200 ms to answer", { concurrency: 4 }, () => {
  const server = sharedServer("engine_echo", ["--ping-interval", "300", "--ping-timeout", "200"]);

  test("B70 the first ping on a WebSocket comes one interval after the handshake, never at once", async () => {
    const start = now();
    const socket = await RawWebSocket.session(server);
    assert.equal(await socket.text(), "2");
    assert.ok(now() - start > 300 - SLACK_MS, `after ${now() - start} ms`);
    socket.destroy();
  });

  test("B70 the first ping on polling comes one interval after the handshake, in the waiting poll", async () => {
    const start = now();
    const session = await PollingSession.open(server);
    assert.equal((await session.poll()).body, "2");
    assert.ok(now() - start > 300 - SLACK_MS, `after ${now() - start} ms`);
  });

  test("B73 a GET 500 ms after the handshake, without a pong before, is answered 400", async () => {
    // A server that was held up itself gives its clients their time once more, so not every attempt has to succeed.
    for (let attempt = 1, refused = 0; refused < 3; attempt++) {
      assert.ok(attempt <= 12, "sessions without a pong go on");
      const session = await PollingSession.open(server);
      await sleep(502);
      if ((await session.poll())?.status === 400) refused += 1;
    }
  });

  test("a poll that waits when the pong is overdue is answered or cut, and the session is over", async () => {
    const session = await PollingSession.open(server);
    assert.equal((await session.poll()).body, "2");
    const answer = await session.poll();
    assert.ok(answer === null || answer.status === 400 || answer.body === "1" || answer.body === "6", `answered ${answer?.body}`);
    assert.equal(await session.isOver(), true);
  });

  test("B72 a WebSocket without pongs is closed without a status", async () => {
    const start = now();
    const socket = await RawWebSocket.session(server);
    const { code, texts } = await socket.closed();
    assert.deepEqual([code, texts], [1005, ["2"]]);
    assert.ok(now() - start > 500 - SLACK_MS, `after ${now() - start} ms`);
  });

  test("B71 pongs keep a WebSocket alive, and the next ping counts from the pong", async () => {
    const socket = await RawWebSocket.session(server);
    for (let i = 0; i < 4; i++) {
      assert.equal(await socket.text(), "2");
      await sleep(120);
      const pong = now();
      socket.send("3");
      socket.send(`4still here ${i}`);
      assert.equal(await socket.text(), `4still here ${i}`);
      if (i < 3) continue;
      assert.equal(await socket.text(), "2");
      assert.ok(now() - pong > 300 - SLACK_MS, `next ping ${now() - pong} ms after the pong`);
    }
    socket.destroy();
  });

  test("pongs keep a polling session alive", async () => {
    const session = await PollingSession.open(server);
    for (let i = 0; i < 4; i++) {
      assert.equal((await session.poll()).body, "2");
      assert.equal((await session.post("3")).body, "ok");
    }
    await session.post("4alive");
    assert.equal((await session.poll()).body, "4alive");
  });

  test("B72 other traffic is no pong", async () => {
    const socket = await RawWebSocket.session(server);
    const chatter = setInterval(() => socket.send("4chatter"), 50);
    const { code, texts } = await socket.closed();
    clearInterval(chatter);
    assert.equal(code, 1005);
    assert.ok(texts.includes("4chatter"));
  });

  test("B72 a WebSocket pong frame is no Engine.IO pong", async () => {
    const socket = await RawWebSocket.session(server);
    const chatter = setInterval(() => socket.sendFrame({ opcode: 10, payload: "x" }), 50);
    const { code } = await socket.closed();
    clearInterval(chatter);
    assert.equal(code, 1005);
  });

  test("a pong before the ping does not count for it", async () => {
    const socket = await RawWebSocket.session(server);
    socket.send("3");
    const { code, texts } = await socket.closed();
    assert.deepEqual([code, texts], [1005, ["2"]]);
  });
});

test("B71 while a pong is missing no further ping is sent", async (t) => {
  const server = await ownServer(t, "engine_echo", ["--ping-interval", "200", "--ping-timeout", "5000"]);
  const socket = await RawWebSocket.session(server);
  await sleep(1500);
  assert.deepEqual(await socket.settled(), ["2"]);
  socket.send("3");
  assert.equal(await socket.text(), "2", "the heartbeat goes on after the pong");
  socket.destroy();
});
