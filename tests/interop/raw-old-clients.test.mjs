// Version 3 of Engine.IO and the packets of Socket.IO 2, seen from raw sockets.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { request, requestBytes, RawConnection } from "./support/http.mjs";
import { sharedServer } from "./support/server.mjs";
import { sleep } from "./support/wait.mjs";
import { RawWebSocket } from "./support/websocket.mjs";

const server = sharedServer("echo", ["--allow-eio3"]);
const hasty = sharedServer("echo", ["--allow-eio3", "--ping-interval", "300", "--ping-timeout", "200"]);
const engineServer = sharedServer("engine_echo", ["--allow-eio3"]);

/** Packets of a text payload, `LENGTH:PACKET` one after the other. */
function packetsOf(payload) {
  const packets = [];
  for (let rest = payload; rest !== ""; ) {
    const [whole, length] = /^(\d+):/.exec(rest) ?? assert.fail(`not a payload: ${payload}`);
    packets.push(rest.slice(whole.length, whole.length + Number(length)));
    rest = rest.slice(whole.length + Number(length));
  }
  return packets;
}

const payloadOf = (...packets) => packets.map((packet) => `${packet.length}:${packet}`).join("");

class OldPolling {
  static async open(on) {
    const query = `${on.path}?EIO=3&transport=polling&b64=1`;
    const answer = await request(on.port, "GET", query);
    const packets = packetsOf(answer.body);
    const { sid } = JSON.parse(packets[0].slice(1));
    return Object.assign(new OldPolling(), { on, sid, target: `${query}&sid=${sid}`, first: packets });
  }

  async poll() {
    const answer = await request(this.on.port, "GET", this.target);
    assert.equal(answer.status, 200, answer.body);
    return packetsOf(answer.body);
  }

  async post(...packets) {
    const answer = await request(this.on.port, "POST", this.target, { body: payloadOf(...packets) });
    assert.deepEqual([answer.status, answer.body], [200, "ok"]);
  }

  /** The packets of as many polls as it takes. */
  async collect(count) {
    const packets = [...this.first.slice(1)];
    this.first = [];
    while (packets.length < count) packets.push(...(await this.poll()));
    return packets;
  }
}

/** A WebSocket of version 3, its open packet taken in. */
async function oldWebSocket(on) {
  const socket = await RawWebSocket.open(on.port, `${on.path}?EIO=3&transport=websocket`);
  socket.handshake = JSON.parse((await socket.text()).slice(1));
  return socket;
}

describe("B142 a session of version 3 joins the main namespace unasked", () => {
  test("by WebSocket", async () => {
    const socket = await oldWebSocket(server);
    assert.equal(await socket.text(), "40");
    assert.equal(await socket.text(), '42["auth",{}]');
    socket.destroy();
  });

  test("by polling", async () => {
    const session = await OldPolling.open(server);
    assert.match(session.first[0], /^0\{"sid":"[\w-]{20}","upgrades":\["websocket"\]/);
    assert.deepEqual(await session.collect(2), ["40", '42["auth",{}]']);
  });
});

describe("B143 the client sends the pings", { concurrency: 2 }, () => {
  test("they are answered, probes on an open WebSocket too", async () => {
    const socket = await oldWebSocket(server);
    await socket.text();
    await socket.text();
    for (const [ping, pong] of [["2", "3"], ["2probe", "3probe"]]) {
      socket.send(ping);
      assert.equal(await socket.text(), pong);
    }
    const session = await OldPolling.open(server);
    await session.collect(2);
    await session.post("2");
    assert.deepEqual(await session.poll(), ["3"]);
    socket.destroy();
  });

  test("without them the session ends after interval and timeout together", async () => {
    const start = performance.now();
    const socket = await oldWebSocket(hasty);
    const { code, texts } = await socket.closed();
    assert.deepEqual([code, texts], [1005, ["40", '42["auth",{}]']]);
    assert.ok(performance.now() - start > 480, `after ${performance.now() - start} ms`);
  });

  test("with them it goes on", async () => {
    const socket = await oldWebSocket(hasty);
    await socket.text();
    await socket.text();
    for (let i = 0; i < 5; i++) {
      await sleep(200);
      socket.send("2");
      assert.equal(await socket.text(), "3");
    }
    socket.destroy();
  });
});

test("B144 the query of a namespace is taken off its name and becomes the auth payload", async () => {
  const socket = await oldWebSocket(server);
  await socket.text();
  await socket.text();
  socket.send("40/custom?token=1&x=a%20b");
  assert.equal(await socket.text(), "40/custom,");
  assert.equal(await socket.text(), '42/custom,["auth",{"token":"1","x":"a b"}]');
  socket.destroy();
});

test("B146 an unknown namespace is told as text", async () => {
  const socket = await oldWebSocket(server);
  await socket.text();
  await socket.text();
  socket.send("40/nope?token=1");
  assert.equal(await socket.text(), '44/nope,"Invalid namespace"');
  socket.destroy();
});

describe("B147 binary and payloads of version 3", () => {
  test("a binary WebSocket frame has the type byte 4 first, both ways", async () => {
    const socket = await oldWebSocket(engineServer);
    socket.send(Buffer.of(4, 1, 2, 3));
    assert.deepEqual(await socket.message(), Buffer.of(4, 1, 2, 3));
    socket.destroy();
  });

  test("lengths in a text payload count UTF-16 units", async () => {
    const session = await OldPolling.open(engineServer);
    const answer = await request(engineServer.port, "POST", session.target, { body: "4:4é🚀5:4abcd" });
    assert.equal(answer.body, "ok");
    assert.deepEqual(await session.collect(2), ["4é🚀", "4abcd"]);
  });

  test("a payload with binary is octets, without b64=1", async () => {
    const query = `${engineServer.path}?EIO=3&transport=polling`;
    const opened = await request(engineServer.port, "GET", query);
    // Without binary even such a session gets text.
    const { sid } = JSON.parse(packetsOf(opened.body)[0].slice(1));
    const target = `${query}&sid=${sid}`;
    // 0 for text or 1 for binary, the length in decimal digits as bytes, 255, the packet.
    const payload = Buffer.concat([Buffer.of(0, 3, 255), Buffer.from("4hi"), Buffer.of(1, 1, 2, 255, 4), Buffer.alloc(11, 7)]);
    const connection = await RawConnection.open(engineServer.port);
    const headers = { "Content-Type": "application/octet-stream" };
    connection.write(requestBytes("POST", target, { headers, body: payload }));
    assert.equal((await connection.response()).body, "ok");
    connection.write(requestBytes("GET", target));
    const answer = await connection.response();
    assert.equal(answer.headers["content-type"], "application/octet-stream");
    assert.deepEqual(answer.bytes, payload);
    connection.destroy();
  });

  test("with b64=1 binary is base64", async () => {
    const session = await OldPolling.open(engineServer);
    await session.post("b4AQID");
    assert.deepEqual(await session.collect(1), ["b4AQID"]);
  });
});

test("B148 a broadcast reaches clients of both versions", async () => {
  const old = await oldWebSocket(server);
  await old.text();
  await old.text();
  const young = await RawWebSocket.session(server);
  young.send("40");
  await young.text();
  await young.text();
  young.send('451-["broadcast",{"_placeholder":true,"num":0}]');
  young.send(Buffer.of(9));
  const header = '451-["broadcast",{"_placeholder":true,"num":0}]';
  assert.deepEqual([await old.text(), await old.message()], [header, Buffer.of(4, 9)]);
  assert.deepEqual([await young.text(), await young.message()], [header, Buffer.of(9)]);
  old.destroy();
  young.destroy();
});
