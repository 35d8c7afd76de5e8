// `--max-payload`: what is too much for one post or one WebSocket message, and what just fits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PollingSession, RawConnection, requestBytes } from "./support/http.mjs";
import { sharedServer } from "./support/server.mjs";
import { OP, RawWebSocket } from "./support/websocket.mjs";

const MAX = 1000;
const server = sharedServer("engine_echo", ["--max-payload", String(MAX)]);

test("B50 a post of exactly the limit passes", async () => {
  const session = await PollingSession.open(server);
  const text = `4${"x".repeat(MAX - 1)}`;
  assert.equal((await session.post(text)).body, "ok");
  assert.equal((await session.poll()).body, text);
});

test("B50 a post of one byte more is answered 413 without a body", async () => {
  const session = await PollingSession.open(server);
  const answer = await session.post("x".repeat(MAX + 1));
  assert.deepEqual([answer.status, answer.body], [413, ""]);
});

test("B50 the limit counts bytes, not characters", async () => {
  const session = await PollingSession.open(server);
  assert.equal((await session.post(`4${"ä".repeat(MAX / 2)}`)).status, 413);
});

test("B50 a chunked post is answered 413 at the first chunk that crosses the limit", async () => {
  const session = await PollingSession.open(server);
  const connection = await RawConnection.open(server.port);
  connection.write(requestBytes("POST", session.target, { headers: { "Transfer-Encoding": "chunked" } }));
  for (let i = 0; i < 3; i++) connection.write(`1f4\r\n${"4".repeat(500)}\r\n`);
  // The request goes on for ever as far as the server knows.
  assert.equal((await connection.response()).status, 413);
  connection.destroy();
});

test("a declared length above the limit is answered 413, with Expect as well", async () => {
  const session = await PollingSession.open(server);
  const connection = await RawConnection.open(server.port);
  const headers = { "Content-Length": MAX * 5, Expect: "100-continue" };
  connection.write(requestBytes("POST", session.target, { headers }));
  let answer = await connection.response();
  if (answer.status === 100) {
    connection.write("4".repeat(MAX * 5));
    answer = await connection.response();
  }
  assert.equal(answer.status, 413);
  connection.destroy();
});

test("a length beyond all reason is refused and costs nothing", async () => {
  const session = await PollingSession.open(server);
  for (const length of ["1000000000000", "18446744073709551615", "99999999999999999999999999"]) {
    const connection = await RawConnection.open(server.port);
    connection.write(requestBytes("POST", session.target, { headers: { "Content-Length": length } }));
    connection.write("4".repeat(MAX + 1));
    const answer = await connection.response();
    assert.ok([400, 413].includes(answer.status), `${length} answered ${answer.status}`);
    connection.destroy();
  }
});

test("a WebSocket message of exactly the limit passes", async () => {
  const socket = await RawWebSocket.session(server);
  const text = `4${"x".repeat(MAX - 1)}`;
  socket.send(text);
  assert.equal(await socket.text(), text);
  socket.send(Buffer.alloc(MAX, 7));
  assert.deepEqual(await socket.message(), Buffer.alloc(MAX, 7));
  socket.destroy();
});

test("B58 a WebSocket message over the limit closes with 1009", async () => {
  const socket = await RawWebSocket.session(server);
  socket.send("x".repeat(MAX + 1));
  assert.equal((await socket.closed()).code, 1009);
});

test("a frame header that claims too much closes with 1009 before any payload came", async () => {
  for (const length of [MAX + 1, 70_000, 2 ** 40]) {
    const socket = await RawWebSocket.session(server);
    socket.sendFrame({ opcode: OP.text, length });
    assert.equal((await socket.closed()).code, 1009, `${length} bytes`);
  }
});

test("B59 the limit holds for the sum of the fragments", async () => {
  const fits = await RawWebSocket.session(server);
  fits.sendFrame({ payload: `4${"x".repeat(499)}`, fin: false });
  fits.sendFrame({ opcode: OP.continuation, payload: "y".repeat(500) });
  assert.equal((await fits.text()).length, MAX);
  fits.destroy();

  const crosses = await RawWebSocket.session(server);
  crosses.sendFrame({ payload: `4${"x".repeat(499)}`, fin: false });
  crosses.sendFrame({ opcode: OP.continuation, payload: "y".repeat(501), fin: false });
  assert.equal((await crosses.closed()).code, 1009);
});

test("the others go on after somebody was refused", async () => {
  const good = await RawWebSocket.session(server);
  const bad = await RawWebSocket.session(server);
  bad.send("x".repeat(MAX * 10));
  await bad.closed();
  good.send("4fine");
  assert.equal(await good.text(), "4fine");
  good.destroy();
});
