// Packets of the MessagePack parser, byte by byte.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PollingSession } from "./support/http.mjs";
import { sharedServer } from "./support/server.mjs";
import { RawWebSocket } from "./support/websocket.mjs";

const server = sharedServer("echo", ["--parser", "msgpack"]);

/** MessagePack of what the tests need: maps, arrays, short texts, small numbers, short binary. */
function pack(value) {
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.of(0xc4, value.length), value]);
  if (typeof value === "number") return Buffer.of(value);
  if (typeof value === "string") return Buffer.concat([Buffer.of(0xa0 | value.length), Buffer.from(value)]);
  if (Array.isArray(value)) {
    const head = value.length < 16 ? Buffer.of(0x90 | value.length) : Buffer.of(0xdc, 0, value.length);
    return Buffer.concat([head, ...value.map(pack)]);
  }
  const entries = Object.entries(value);
  return Buffer.concat([Buffer.of(0x80 | entries.length), ...entries.flat().map(pack)]);
}

const connect = pack({ type: 0, nsp: "/" });
const event = (...data) => pack({ type: 2, nsp: "/", data });

/** A WebSocket that has joined the main namespace. */
async function joined() {
  const socket = await RawWebSocket.session(server);
  socket.send(connect);
  await assertConnectAnswer(await socket.message());
  await socket.message();
  return socket;
}

/** The answer to CONNECT: a map of type, namespace and the socket's id, in whatever order. */
function assertConnectAnswer(packet) {
  assert.equal(packet[0] & 0xf0, 0x80, packet.toString("hex"));
  for (const part of [Buffer.concat([pack("type"), pack(0)]), Buffer.concat([pack("nsp"), pack("/")])]) {
    assert.ok(packet.includes(part), packet.toString("hex"));
  }
  assert.match(packet.toString("latin1"), /\xa3sid\xb4[\w-]{20}/);
}

test("B139 packets are maps in binary messages, and binary values stay in them, fifty too", async () => {
  const socket = await joined();
  const many = event("echo", ...Array.from({ length: 50 }, (_, i) => Buffer.of(i)));
  socket.send(many);
  const back = await socket.message();
  assert.ok(Buffer.isBuffer(back));
  const data = pack(["echo", ...Array.from({ length: 50 }, (_, i) => Buffer.of(i))]);
  assert.ok(back.includes(Buffer.concat([pack("data"), data])), back.toString("hex"));
  assert.ok(back.includes(Buffer.concat([pack("type"), pack(2)])), back.toString("hex"));
  socket.destroy();
});

test("B139 an acknowledgement has the id of its event and type 3", async () => {
  const socket = await joined();
  socket.send(pack({ type: 2, nsp: "/", id: 7, data: ["message-with-ack", Buffer.of(1)] }));
  const back = await socket.message();
  for (const part of [["type", 3], ["id", 7], ["data", [Buffer.of(1)]]]) {
    assert.ok(back.includes(Buffer.concat(part.map(pack))), back.toString("hex"));
  }
  socket.destroy();
});

test("B139 an unknown namespace is refused by type 4", async () => {
  const socket = await joined();
  socket.send(pack({ type: 0, nsp: "/nope" }));
  const back = await socket.message();
  for (const part of [["type", 4], ["nsp", "/nope"], ["data", { message: "Invalid namespace" }]]) {
    assert.ok(back.includes(Buffer.concat(part.map(pack))), back.toString("hex"));
  }
  socket.destroy();
});

test("B140 text and undecodable bytes close the connection, before and after joining", async () => {
  for (const wrong of ["40", '42["echo",1]', Buffer.of(0xc1), Buffer.of(1), pack({ type: 2 }), connect.subarray(0, 5)]) {
    for (const open of [RawWebSocket.session(server), joined()]) {
      const socket = await open;
      socket.send(wrong);
      const { code, texts } = await socket.closed(3000);
      assert.deepEqual([code, texts], [1005, []], `${wrong.toString("hex")}`);
    }
  }
});

test("B141 over polling packets travel as b and base64", async () => {
  const session = await PollingSession.open(server);
  assert.equal((await session.post(`b${connect.toString("base64")}`)).body, "ok");
  const [answer, auth] = (await session.collect(2)).flat();
  assert.match(answer, /^b/);
  assertConnectAnswer(Buffer.from(answer.slice(1), "base64"));
  assert.match(auth, /^b/);
  await session.post(`b${event("echo", "x").toString("base64")}`);
  const [echo] = (await session.collect(1)).flat();
  assert.ok(Buffer.from(echo.slice(1), "base64").includes(pack(["echo", "x"])), echo);
});
