// WebSocket (RFC 6455) under Engine.IO: the opening handshake, frames right and wrong, the closing handshake.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { describe, test } from "node:test";
import { RawConnection, request, requestBytes } from "./support/http.mjs";
import { sharedServer } from "./support/server.mjs";
import { sleep } from "./support/wait.mjs";
import { acceptKey, closePayload, frame, OP, RawWebSocket, requestUpgrade, upgradeHeaders } from "./support/websocket.mjs";

const server = sharedServer("engine_echo");
const TARGET = "/engine.io/?EIO=4&transport=websocket";

describe("opening handshake", () => {
  test("B53 the answer has the three fields it needs and nothing else", async () => {
    const key = crypto.randomBytes(16).toString("base64");
    const { connection, answer } = await requestUpgrade(server.port, TARGET, { headers: { "Sec-WebSocket-Key": key } });
    assert.equal(answer.status, 101);
    assert.deepEqual(Object.keys(answer.headers).sort(), ["connection", "sec-websocket-accept", "upgrade"]);
    assert.equal(answer.headers.upgrade.toLowerCase(), "websocket");
    assert.equal(answer.headers.connection.toLowerCase(), "upgrade");
    assert.equal(answer.headers["sec-websocket-accept"], acceptKey(key));
    connection.destroy();
  });

  test("B20 B55 the open packet is the first frame and offers no upgrade", async () => {
    const socket = await RawWebSocket.session(server);
    assert.deepEqual(Object.keys(socket.handshake), ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]);
    assert.deepEqual(socket.handshake.upgrades, []);
    assert.match(socket.handshake.sid, /^[A-Za-z0-9_-]{20}$/);
    socket.destroy();
  });

  test("field values are matched in any case and as lists", async () => {
    const headers = { Connection: "keep-alive, UPGRADE", Upgrade: "WebSocket" };
    const socket = await RawWebSocket.session(server, { headers });
    socket.destroy();
  });

  test("B53 of several subprotocols the first one is chosen", async () => {
    const headers = { "Sec-WebSocket-Protocol": "chat, superchat" };
    const { connection, answer } = await requestUpgrade(server.port, TARGET, { headers });
    assert.deepEqual([answer.status, answer.headers["sec-websocket-protocol"]], [101, "chat"]);
    connection.destroy();
  });

  test("B54 an offered compression is not taken", async () => {
    const headers = { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits, constructor" };
    const { connection, answer } = await requestUpgrade(server.port, TARGET, { headers });
    assert.deepEqual([answer.status, answer.headers["sec-websocket-extensions"]], [101, undefined]);
    connection.destroy();
  });

  test("any Origin may open a WebSocket, since none is configured", async () => {
    const socket = await RawWebSocket.session(server, { headers: { Origin: "http://example.org" } });
    socket.destroy();
  });

  test("handshake and frames may arrive byte by byte", async () => {
    const connection = await RawConnection.open(server.port);
    const bytes = [requestBytes("GET", TARGET, { headers: upgradeHeaders() }), frame({ payload: "4slow" }), frame({ opcode: OP.ping, payload: "p" })];
    for (const byte of Buffer.concat(bytes)) {
      connection.write(Buffer.of(byte));
      await sleep(0);
    }
    assert.equal((await connection.response()).status, 101);
    const socket = new RawWebSocket(connection);
    assert.match(await socket.text(), /^0\{/);
    assert.equal(await socket.text(), "4slow");
    assert.equal((await socket.readFrame()).opcode, OP.pong);
    socket.destroy();
  });

  test("frames may come along with the request, in the same segment", async () => {
    const early = [frame({ payload: "4early" }), frame({ opcode: OP.binary, payload: Buffer.of(1, 2) })];
    const socket = await RawWebSocket.session(server, { early });
    assert.equal(await socket.text(), "4early");
    assert.deepEqual(await socket.message(), Buffer.of(1, 2));
    socket.destroy();
  });
});

describe("B2 B9 B10 B11 refusals are 400 with a plain message, and the connection is closed", () => {
  const cases = [
    ["an unknown transport", "?EIO=4&transport=pigeon", {}, /^Transport unknown$/],
    ["the polling transport", "?EIO=4&transport=polling", {}, /^Bad request$/],
    ["an unknown session", "?EIO=4&transport=websocket&sid=nobody", {}, /^Session ID unknown$/],
    ["another protocol version", "?EIO=3&transport=websocket", {}, /^Unsupported protocol version$/],
    ["no protocol version", "?transport=websocket", {}, /^Unsupported protocol version$/],
    ["an unknown version of WebSocket", "?EIO=4&transport=websocket", { "Sec-WebSocket-Version": "99" }, /./],
    ["no key", "?EIO=4&transport=websocket", { "Sec-WebSocket-Key": null }, /./],
    ["a key of the wrong length", "?EIO=4&transport=websocket", { "Sec-WebSocket-Key": "c2hvcnQ=" }, /./],
  ];
  for (const [what, query, headers, message] of cases) {
    test(what, async () => {
      const { connection, answer } = await requestUpgrade(server.port, `/engine.io/${query}`, { headers });
      assert.equal(answer.status, 400);
      assert.match(answer.headers["content-type"], /^text\/html/i);
      assert.equal(answer.headers.connection.toLowerCase(), "close");
      assert.equal(Number(answer.headers["content-length"]), answer.bytes.length);
      assert.match(answer.body, message);
      if (headers["Sec-WebSocket-Version"]) assert.match(answer.headers["sec-websocket-version"], /\b13\b/);
      assert.equal((await connection.rest()).length, 0);
    });
  }

  test("a request for another path is refused or closed, never upgraded", async () => {
    const { connection, answer } = await requestUpgrade(server.port, "/elsewhere/?EIO=4&transport=websocket");
    assert.ok(answer === null || (answer.status >= 400 && answer.status < 500), `status ${answer?.status}`);
    connection.destroy();
  });

  test("a request that asks for no upgrade is an ordinary one", async () => {
    const answer = await request(server.port, "GET", TARGET, { headers: { Connection: "keep-alive" } });
    assert.deepEqual([answer.status, JSON.parse(answer.body).code], [400, 3]);
  });
});

describe("messages", () => {
  test("B55 text comes back as text with its packet type, binary as bare binary", async () => {
    const socket = await RawWebSocket.session(server);
    socket.send("4grüße 👩‍🚀");
    socket.send(Buffer.of(0, 1, 2, 255));
    socket.send("4");
    socket.send(Buffer.alloc(0));
    assert.equal(await socket.text(), "4grüße 👩‍🚀");
    assert.deepEqual(await socket.message(), Buffer.of(0, 1, 2, 255));
    assert.equal(await socket.text(), "4");
    assert.deepEqual(await socket.message(), Buffer.alloc(0));
    socket.destroy();
  });

  test("lengths around every boundary of the header", async () => {
    const socket = await RawWebSocket.session(server);
    for (const length of [1, 124, 125, 126, 127, 65534, 65535, 65536, 65537, 500_000]) {
      const text = `4${"x".repeat(length - 1)}`;
      socket.send(text);
      assert.ok((await socket.text()) === text, `${length} bytes`);
    }
    socket.destroy();
  });

  test("a thousand frames in one segment come back in order", async () => {
    const socket = await RawWebSocket.session(server);
    const texts = Array.from({ length: 1000 }, (_, i) => `4${i}`);
    socket.connection.write(Buffer.concat(texts.map((payload) => frame({ payload }))));
    for (const text of texts) assert.equal(await socket.text(), text);
    socket.destroy();
  });

  test("B59 fragments make one message, with pings between them answered at once", async () => {
    const socket = await RawWebSocket.session(server);
    socket.sendFrame({ payload: "4fr", fin: false });
    socket.sendFrame({ opcode: OP.ping, payload: "one" });
    socket.sendFrame({ opcode: OP.continuation, payload: "ag", fin: false });
    socket.sendFrame({ opcode: OP.continuation, payload: "", fin: false });
    socket.sendFrame({ opcode: OP.pong, payload: "unasked" });
    const pong = await socket.readFrame();
    assert.deepEqual([pong.opcode, pong.payload.toString()], [OP.pong, "one"]);
    socket.sendFrame({ opcode: OP.continuation, payload: "ment" });
    assert.equal(await socket.text(), "4fragment");
    socket.destroy();
  });

  test("fragments of binary, and a character cut between two fragments", async () => {
    const socket = await RawWebSocket.session(server);
    socket.sendFrame({ opcode: OP.binary, payload: Buffer.of(1, 2), fin: false });
    socket.sendFrame({ opcode: OP.continuation, payload: Buffer.of(3) });
    assert.deepEqual(await socket.message(), Buffer.of(1, 2, 3));
    const rocket = Buffer.from("4🚀");
    socket.sendFrame({ payload: rocket.subarray(0, 3), fin: false });
    socket.sendFrame({ opcode: OP.continuation, payload: rocket.subarray(3) });
    assert.equal(await socket.text(), "4🚀");
    socket.destroy();
  });

  test("a ping of 125 bytes is answered with the same payload", async () => {
    const socket = await RawWebSocket.session(server);
    const payload = crypto.randomBytes(125);
    socket.sendFrame({ opcode: OP.ping, payload });
    const pong = await socket.readFrame();
    assert.deepEqual([pong.opcode, pong.payload], [OP.pong, payload]);
    socket.destroy();
  });

  test("B57 0x, an upgrade packet, a noop and an unasked pong are ignored", async () => {
    const socket = await RawWebSocket.session(server);
    for (const packet of ["0x", "5", "6", "3"]) socket.send(packet);
    socket.send("4alive");
    assert.equal(await socket.text(), "4alive");
    socket.destroy();
  });
});

describe("B56 B57 packets that end the session, with a close frame without a status", () => {
  for (const [what, packet] of [
    ["a close packet", "1"],
    ["a ping", "2"],
    ["a probe on a session that is no upgrade", "2probe"],
    ["an unknown type", "7"],
    ["junk", "abc"],
  ]) {
    test(what, async () => {
      const socket = await RawWebSocket.session(server);
      socket.send(packet);
      assert.equal((await socket.closed(3000)).code, 1005);
      const after = await request(server.port, "GET", `/engine.io/?EIO=4&transport=polling&sid=${socket.handshake.sid}`);
      assert.equal(JSON.parse(after.body).code, 1);
    });
  }
});

describe("B58 frames that break the rules", () => {
  const cases = [
    ["an unmasked frame", 1002, { payload: "4x", masked: false }],
    ["an unmasked ping", 1002, { opcode: OP.ping, masked: false }],
    ["the first reserved bit", 1002, { payload: "4x", rsv: 4 }],
    ["the second reserved bit", 1002, { payload: "4x", rsv: 2 }],
    ["the third reserved bit", 1002, { payload: "4x", rsv: 1 }],
    ["an unknown data opcode", 1002, { opcode: 3, payload: "4x" }],
    ["an unknown control opcode", 1002, { opcode: 11, payload: "4x" }],
    ["a continuation of nothing", 1002, { opcode: OP.continuation, payload: "x" }],
    ["a ping of more than 125 bytes", 1002, { opcode: OP.ping, payload: "x".repeat(126) }],
    ["a ping in fragments", 1002, { opcode: OP.ping, payload: "x", fin: false }],
    ["a close frame of more than 125 bytes", 1002, { opcode: OP.close, payload: closePayload(1000, "x".repeat(124)) }],
    ["a close frame with half a code", 1002, { opcode: OP.close, payload: Buffer.of(3) }],
    ["a close code that may not travel", 1002, { opcode: OP.close, payload: closePayload(1005) }],
    ["a close code out of range", 1002, { opcode: OP.close, payload: closePayload(999) }],
    ["a close reason that is no UTF-8", 1007, { opcode: OP.close, payload: Buffer.of(0x03, 0xe8, 0xff) }],
    ["text that is no UTF-8", 1007, { payload: Buffer.of(0x34, 0xc3, 0x28) }],
    ["text that ends inside a character", 1007, { payload: Buffer.of(0x34, 0xf0, 0x9f) }],
    ["text with an encoded surrogate", 1007, { payload: Buffer.of(0x34, 0xed, 0xa0, 0x80) }],
  ];
  for (const [what, code, options] of cases) {
    test(`${what}: ${code}`, async () => {
      const socket = await RawWebSocket.session(server);
      socket.sendFrame(options);
      assert.equal((await socket.closed()).code, code);
    });
  }

  test("a new message inside a fragmented one: 1002", async () => {
    const socket = await RawWebSocket.session(server);
    socket.sendFrame({ payload: "4x", fin: false });
    socket.sendFrame({ payload: "4y" });
    assert.equal((await socket.closed()).code, 1002);
  });

  test("what comes after the bad frame is not answered", async () => {
    const socket = await RawWebSocket.session(server);
    socket.connection.write(Buffer.concat([frame({ payload: "4bad", rsv: 4 }), frame({ payload: "4late" })]));
    assert.deepEqual(await socket.closed(), { code: 1002, reason: "", texts: [] });
  });
});

describe("closing handshake", () => {
  for (const code of [1000, 1001, 3000, 4001, 4999]) {
    test(`B58 close code ${code} is echoed and the connection ends`, async () => {
      const socket = await RawWebSocket.session(server);
      socket.sendFrame({ opcode: OP.close, payload: closePayload(code, "bye") });
      const got = await socket.readFrame();
      assert.deepEqual([got.opcode, got.payload.readUInt16BE()], [OP.close, code]);
      await socket.connection.rest();
    });
  }

  test("a close frame without a code is answered with one without", async () => {
    const socket = await RawWebSocket.session(server);
    socket.sendFrame({ opcode: OP.close });
    assert.equal((await socket.closed()).code, 1005);
  });

  test("nothing is answered to a message that comes after the close frame", async () => {
    const socket = await RawWebSocket.session(server);
    socket.connection.write(Buffer.concat([frame({ opcode: OP.close, payload: closePayload(1000) }), frame({ payload: "4late" })]));
    assert.deepEqual(await socket.closed(), { code: 1000, reason: "", texts: [] });
  });

  test("a connection that breaks ends the session", async () => {
    const socket = await RawWebSocket.session(server);
    socket.connection.socket.resetAndDestroy();
    await sleep(50);
    const after = await request(server.port, "GET", `/engine.io/?EIO=4&transport=polling&sid=${socket.handshake.sid}`);
    assert.equal(JSON.parse(after.body).code, 1);
  });
});
