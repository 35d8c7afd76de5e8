// HTTP/1.1 itself: connections, pipelining, Expect, and requests whose end two readers could see at different places.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PollingSession, RawConnection, request, requestBytes } from "./support/http.mjs";
import { sharedServer } from "./support/server.mjs";
import { sleep } from "./support/wait.mjs";

const server = sharedServer("engine_echo");
const HANDSHAKE = "/engine.io/?EIO=4&transport=polling";

/** Sends bytes on a connection of their own; gives all that the server answers until it closes. */
async function answerTo(bytes) {
  const connection = await RawConnection.open(server.port);
  connection.write(bytes);
  const all = (await connection.rest()).toString("latin1");
  connection.destroy();
  return all;
}

const statusLines = (text) => text.match(/HTTP\/1\.[01] \d{3}/g) ?? [];

describe("connections", () => {
  test("twenty requests go over one connection", async () => {
    const connection = await RawConnection.open(server.port);
    const ids = new Set();
    for (let i = 0; i < 20; i++) {
      connection.write(requestBytes("GET", HANDSHAKE));
      ids.add(JSON.parse((await connection.response()).body.slice(1)).sid);
    }
    assert.equal(ids.size, 20);
    connection.destroy();
  });

  test("requests sent without waiting are answered in their order", async () => {
    const session = await PollingSession.open(server);
    const connection = await RawConnection.open(server.port);
    connection.write(
      Buffer.concat([
        requestBytes("POST", session.target, { body: "4first" }),
        requestBytes("GET", session.target),
        requestBytes("GET", "/engine.io/?EIO=4&transport=pigeon"),
        requestBytes("POST", session.target, { body: "4second" }),
        requestBytes("GET", session.target),
      ]),
    );
    const bodies = [];
    for (let i = 0; i < 5; i++) bodies.push((await connection.response()).body);
    assert.deepEqual([bodies[0], bodies[1], bodies[3], bodies[4]], ["ok", "4first", "ok", "4second"]);
    assert.equal(JSON.parse(bodies[2]).code, 0);
    connection.destroy();
  });

  test("a refused request leaves the connection usable or closes it, never half", async () => {
    const connection = await RawConnection.open(server.port);
    connection.write(requestBytes("POST", `${HANDSHAKE}&sid=nobody`, { body: "4lost" }));
    assert.equal((await connection.response()).status, 400);
    connection.write(requestBytes("GET", HANDSHAKE));
    const next = await connection.response();
    if (next !== null) assert.equal(next.status, 200);
    connection.destroy();
  });

  test("Connection: close is honoured", async () => {
    const all = await answerTo(requestBytes("GET", HANDSHAKE, { headers: { Connection: "close" } }));
    assert.match(all, /^HTTP\/1\.1 200 /);
    assert.match(all, /connection: close/i);
  });

  test("an HTTP/1.0 client gets its answer and the end of the connection", async () => {
    const all = await answerTo(`GET ${HANDSHAKE} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n`);
    assert.match(all, /^HTTP\/1\.[01] 200 /);
    assert.match(all, /\r\n\r\n0\{/);
    assert.doesNotMatch(all, /transfer-encoding/i);
  });

  test("a request may arrive byte by byte", async () => {
    const session = await PollingSession.open(server);
    const connection = await RawConnection.open(server.port);
    for (const byte of requestBytes("POST", session.target, { body: "4slow ö" })) {
      connection.write(Buffer.of(byte));
      await sleep(0);
    }
    assert.equal((await connection.response()).body, "ok");
    assert.equal((await session.poll()).body, "4slow ö");
    connection.destroy();
  });

  test("header names are understood in any case, values with any space around them", async () => {
    const session = await PollingSession.open(server);
    const connection = await RawConnection.open(server.port);
    connection.write(`POST ${session.target} HTTP/1.1\r\nhOST:127.0.0.1\r\ncontent-LENGTH: \t 3 \r\n\r\n4hi`);
    assert.equal((await connection.response()).body, "ok");
    connection.destroy();
  });
});

describe("Expect: 100-continue", () => {
  test("is answered with 100, and then with the answer", async () => {
    const session = await PollingSession.open(server);
    const connection = await RawConnection.open(server.port);
    const headers = { "Content-Length": 7, Expect: "100-continue" };
    connection.write(requestBytes("POST", session.target, { headers }));
    assert.equal((await connection.response()).status, 100);
    connection.write("4waited");
    const answer = await connection.response();
    assert.deepEqual([answer.status, answer.body], [200, "ok"]);
    assert.equal((await session.poll()).body, "4waited");
    connection.destroy();
  });

  test("is no trouble when the body comes along at once", async () => {
    const session = await PollingSession.open(server);
    const connection = await RawConnection.open(server.port);
    connection.write(requestBytes("POST", session.target, { headers: { Expect: "100-continue" }, body: "4hasty" }));
    let answer = await connection.response();
    if (answer.status === 100) answer = await connection.response();
    assert.equal(answer.body, "ok");
    connection.destroy();
  });
});

describe("a body is never taken for a request", () => {
  const hidden = requestBytes("GET", HANDSHAKE);

  test("of a POST that is refused", async () => {
    const bytes = requestBytes("POST", `${HANDSHAKE}&sid=nobody`, { body: hidden });
    const all = await answerTo(Buffer.concat([bytes, requestBytes("GET", HANDSHAKE, { headers: { Connection: "close" } })]));
    assert.match(all, /^HTTP\/1\.1 400 /);
    assert.ok(statusLines(all).length <= 2, all);
  });

  test("of a GET that has one", async () => {
    const bytes = requestBytes("GET", "/engine.io/?EIO=4&transport=pigeon", { body: hidden });
    const all = await answerTo(Buffer.concat([bytes, requestBytes("GET", HANDSHAKE, { headers: { Connection: "close" } })]));
    assert.ok(statusLines(all).length <= 2, all);
  });
});

describe("a request that two readers could understand differently is answered 400 and the connection closed", () => {
  const post = (lines, body = "") => `POST ${HANDSHAKE}&sid=nobody HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n${body}`;
  const get = (lines) => `GET ${HANDSHAKE} HTTP/1.1\r\n${lines}\r\n\r\n`;
  const cases = {
    "Content-Length beside Transfer-Encoding": post("Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    "Transfer-Encoding beside Content-Length": post("Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\n"),
    "two different lengths": post("Content-Length: 2\r\nContent-Length: 3", "4xy"),
    "two lengths in one field": post("Content-Length: 2, 3", "4xy"),
    "a length with a sign": post("Content-Length: +5", "4xxxx"),
    "a negative length": post("Content-Length: -1"),
    "a hexadecimal length": post("Content-Length: 0x5", "4xxxx"),
    "a length with a space in it": post("Content-Length: 1 0", "4xxxxxxxxx"),
    "an empty length": post("Content-Length:"),
    "a space before the colon": post("Content-Length : 5", "4xxxx"),
    "a space before the colon of any field": get("Host: a\r\nX-Any : 1"),
    "a folded field": get("Host: a\r\nX-Any: 1\r\n and more"),
    "a field line without colon": get("Host: a\r\nnonsense"),
    "a field without a name": get("Host: a\r\n: nonsense"),
    "a zero byte in a field": get("Host: a\r\nX-Any: a\0b"),
    "a bare CR in a field": get("Host: a\r\nX-Any: a\rTransfer-Encoding: chunked"),
    "an unknown transfer encoding": post("Transfer-Encoding: xchunked", "0\r\n\r\n"),
    "chunked that is not the last encoding": post("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
    "Transfer-Encoding twice": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
    "a chunk size with a sign": post("Transfer-Encoding: chunked", "+2\r\n4x\r\n0\r\n\r\n"),
    "a chunk size with a prefix": post("Transfer-Encoding: chunked", "0x2\r\n4x\r\n0\r\n\r\n"),
    "a chunk size that is no number": post("Transfer-Encoding: chunked", "zz\r\n4x\r\n0\r\n\r\n"),
    "an empty chunk size": post("Transfer-Encoding: chunked", "\r\n4x\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": post("Transfer-Encoding: chunked", "10000000000000002\r\n4x\r\n0\r\n\r\n"),
    "a chunk longer than its size": post("Transfer-Encoding: chunked", "2\r\n4xyz\r\n0\r\n\r\n"),
    "no Host": get("X-Any: 1"),
    "no method": ` ${HANDSHAKE} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "a control character in the method": `G\x01T ${HANDSHAKE} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "a space in the target": `GET /engine.io/ ?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n`,
  };
  for (const [what, bytes] of Object.entries(cases)) {
    test(what, async () => {
      const all = await answerTo(bytes);
      const lines = statusLines(all);
      // A framing that is well-formed but unknown may also be "not implemented".
      const allowed = /encoding/i.test(what) ? /400|501/ : /400/;
      if (what.startsWith("a chunk") || what.startsWith("an empty chunk")) {
        // The session is unknown: that may be found out before the chunks are read.
        assert.ok(lines.length >= 1 && lines.every((line) => / 4\d\d$/.test(line)), all);
      } else {
        assert.equal(lines.length, 1, all);
        assert.match(lines[0], allowed);
      }
    });
  }

  test("bad chunks in a post to a living session", async () => {
    for (const chunks of ["+2\r\n4x\r\n0\r\n\r\n", "zz\r\n", "2\r\n4xyz\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "2;\0\r\n4x\r\n0\r\n\r\n"]) {
      const session = await PollingSession.open(server);
      const all = await answerTo(requestBytes("POST", session.target, { headers: { "Transfer-Encoding": "chunked" } }) + chunks);
      assert.ok(statusLines(all).every((line) => line.endsWith("400")), `${JSON.stringify(chunks)}: ${all}`);
      assert.ok((await session.poll()).status === 400, "the session is over");
    }
  });

  test("a bare LF for a line end is refused, or read as one line end by everybody", async () => {
    const all = await answerTo(`GET ${HANDSHAKE} HTTP/1.1\nHost: a\nConnection: close\n\n`);
    assert.equal(statusLines(all).length, 1);
    assert.match(all, /^HTTP\/1\.1 (200|400) /);
  });

  test("endless chunk extensions are cut off", async () => {
    const session = await PollingSession.open(server);
    const connection = await RawConnection.open(server.port);
    connection.write(requestBytes("POST", session.target, { headers: { "Transfer-Encoding": "chunked" } }));
    connection.write(`1;${"x".repeat(200_000)}`);
    const answer = await connection.response();
    assert.ok(answer === null || (answer.status >= 400 && answer.status < 500), `status ${answer?.status}`);
    connection.destroy();
  });
});

describe("a request head out of bounds", () => {
  const tooMuch = {
    "an endless target": `GET ${HANDSHAKE}&x=${"x".repeat(200_000)}`,
    "an endless field": `GET ${HANDSHAKE} HTTP/1.1\r\nHost: a\r\nX-Any: ${"x".repeat(200_000)}`,
    "fields without end": `GET ${HANDSHAKE} HTTP/1.1\r\nHost: a\r\n${"X-Any: 1\r\n".repeat(20_000)}`,
  };
  for (const [what, bytes] of Object.entries(tooMuch)) {
    test(`${what} is answered 400, 414 or 431 and the connection closed`, async () => {
      const all = await answerTo(bytes);
      // The server may close while we still send: the reset can eat its answer.
      if (all !== "") assert.match(all, /^HTTP\/1\.1 (400|414|431) /);
    });
  }

  test("thirty fields of a usual size pass", async () => {
    const headers = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`X-Field-${i}`, "v".repeat(100)]));
    assert.equal((await request(server.port, "GET", HANDSHAKE, { headers })).status, 200);
  });

  test("something that is not HTTP/1 is turned away", async () => {
    for (const bytes of [
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      `GET ${HANDSHAKE} HTTP/3.0\r\nHost: a\r\n\r\n`,
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x0d, 0x0a, 0x0d, 0x0a]),
      "hello\r\n\r\n",
    ]) {
      const all = await answerTo(bytes);
      if (all !== "") assert.match(all, /^HTTP\/1\.1 (400|505) /);
    }
    assert.equal((await request(server.port, "GET", HANDSHAKE)).status, 200);
  });
});
