// Engine.IO over HTTP long-polling, seen from a raw socket: handshake, error answers, polls and posts.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PollingSession, RawConnection, request, requestBytes, RS } from "./support/http.mjs";
import { sharedServer } from "./support/server.mjs";
import { sleep, until } from "./support/wait.mjs";
import { RawWebSocket } from "./support/websocket.mjs";

const server = sharedServer("engine_echo");
const get = (target, options) => request(server.port, "GET", target, options);

const ERRORS = [
  "Transport unknown",
  "Session ID unknown",
  "Bad handshake method",
  "Bad request",
  "Forbidden",
  "Unsupported protocol version",
];

function assertError(answer, code) {
  assert.equal(answer.status, 400);
  assert.match(answer.headers["content-type"], /^application\/json/);
  assert.deepEqual(JSON.parse(answer.body), { code, message: ERRORS[code] });
}

describe("handshake", () => {
  test("B20 the open packet is compact JSON with its five keys in order", async () => {
    const { answer, handshake } = await PollingSession.open(server);
    assert.equal(answer.body, `0${JSON.stringify(handshake)}`);
    assert.deepEqual(Object.keys(handshake), ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]);
    assert.deepEqual(handshake.upgrades, ["websocket"]);
  });

  test("B17 a session id is 20 characters of base64url and never comes twice", async () => {
    const ids = new Set();
    for (let i = 0; i < 50; i++) ids.add((await PollingSession.open(server)).sid);
    assert.equal(ids.size, 50);
    for (const sid of ids) assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
  });

  test("B13 anything below the path opens a session, the order of parameters is free", async () => {
    for (const target of ["/engine.io/foo?EIO=4&transport=polling", "/engine.io/?transport=polling&t=abc&EIO=4"]) {
      assert.equal((await get(target)).status, 200, target);
    }
  });

  test("B13 B15 other paths are not served, nor the path without its slash", async () => {
    for (const target of ["/", "/engine.io?EIO=4&transport=polling", "/socket.io/?EIO=4&transport=polling"]) {
      const answer = await get(target);
      assert.ok(answer.status >= 400 && answer.status < 500, `${target} answered ${answer.status}`);
    }
  });
});

describe("B1 B4 B5 B7 B8 B12 error answers", () => {
  const cases = [
    ["no transport", "GET", "?EIO=4", 0],
    ["an unknown transport", "GET", "?EIO=4&transport=pigeon", 0],
    ["a transport named like a JavaScript property", "GET", "?EIO=4&transport=constructor", 0],
    ["a transport named __proto__", "GET", "?EIO=4&transport=__proto__", 0],
    ["an unknown transport, even by POST", "POST", "?EIO=4&transport=pigeon", 0],
    ["an unknown session", "GET", "?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA", 1],
    ["an unknown session by POST", "POST", "?EIO=4&transport=polling&sid=nobody", 1],
    ["a handshake by POST", "POST", "?EIO=4&transport=polling", 2],
    ["a handshake by PUT", "PUT", "?EIO=4&transport=polling", 2],
    ["a handshake by OPTIONS", "OPTIONS", "?EIO=4&transport=polling", 2],
    ["the WebSocket transport without a WebSocket request", "GET", "?EIO=4&transport=websocket", 3],
    ["no protocol version", "GET", "?transport=polling", 5],
    ["protocol version 3", "GET", "?EIO=3&transport=polling", 5],
    ["protocol version 9", "GET", "?EIO=9&transport=polling", 5],
    ["a protocol version that is no number", "GET", "?EIO=abc&transport=polling", 5],
  ];
  for (const [what, method, query, code] of cases) {
    test(`${what}: code ${code}`, async () => {
      assertError(await request(server.port, method, `/engine.io/${query}`), code);
    });
  }

  test("HEAD: the status of an error and not one byte of body", async () => {
    const connection = await RawConnection.open(server.port);
    connection.write(requestBytes("HEAD", "/engine.io/?EIO=4&transport=polling"));
    const answer = await connection.response({ bodiless: true });
    assert.equal(answer.status, 400);
    connection.write(requestBytes("GET", "/engine.io/?EIO=4&transport=polling", { headers: { Connection: "close" } }));
    assert.equal((await connection.response())?.status ?? 200, 200);
    connection.destroy();
  });

  test("B6 polling a session that lives on a WebSocket: code 3, and the session goes on", async () => {
    const socket = await RawWebSocket.session(server);
    assertError(await get(`/engine.io/?EIO=4&transport=polling&sid=${socket.handshake.sid}`), 3);
    socket.send("4still here");
    assert.equal(await socket.text(), "4still here");
    socket.destroy();
  });

  test("B49 PUT and DELETE on a session are refused and do it no harm", async () => {
    const session = await PollingSession.open(server);
    for (const method of ["PUT", "DELETE"]) {
      assertError(await request(server.port, method, session.target), 2);
    }
    await session.post("4alive");
    assert.equal((await session.poll()).body, "4alive");
  });

  test("parameter values in percent-encoding are understood, broken ones are refused", async () => {
    assert.equal((await get("/engine.io/?EIO=4&transport=p%6flling")).status, 200);
    assert.equal((await get("/engine.io/?EIO=4&transport=polling%zz")).status, 400);
  });
});

describe("answers to polls and posts", () => {
  test("B30 B32 B38 carry exactly the headers that clients and caches need", async () => {
    const session = await PollingSession.open(server);
    const posted = await session.post("4häh", { headers: { "Content-Type": "text/plain;charset=UTF-8" } });
    const polled = await session.poll();
    assert.deepEqual([posted.status, posted.body, polled.status, polled.body], [200, "ok", 200, "4häh"]);
    assert.equal(posted.headers["content-type"], "text/html");
    assert.equal(posted.headers["content-length"], "2");
    assert.equal(polled.headers["content-type"], "text/plain; charset=UTF-8");
    assert.equal(polled.headers["content-length"], "5", "the length counts bytes");
    for (const { headers } of [session.answer, posted, polled]) {
      assert.equal(headers["cache-control"], "no-store");
      assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith("access-control-")), []);
      assert.equal(headers["set-cookie"], undefined);
    }
  });

  test("B40 three packets in one post come back in one poll, separated by 0x1e", async () => {
    const session = await PollingSession.open(server);
    assert.equal((await session.post(["4one", "4two", "4three"].join(RS))).body, "ok");
    assert.equal((await session.poll()).body, `4one${RS}4two${RS}4three`);
  });

  test("binary travels as b and base64 in both directions, next to text", async () => {
    const session = await PollingSession.open(server);
    await session.post(`4text${RS}bAAECAwT/${RS}b`);
    assert.equal((await session.poll()).body, `4text${RS}bAAECAwT/${RS}b`);
  });

  test("a message may be empty", async () => {
    const session = await PollingSession.open(server);
    await session.post(`4${RS}4x`);
    assert.equal((await session.poll()).body, `4${RS}4x`);
  });

  test("B41 a waiting poll is answered as soon as there is something", async () => {
    const session = await PollingSession.open(server);
    const waiting = await session.startPoll();
    await sleep(30);
    await session.post("4now");
    assert.equal((await waiting.response()).body, "4now");
  });

  test("B40 fifty queued messages come in order, at most 16 in one poll", async () => {
    const session = await PollingSession.open(server);
    const sent = Array.from({ length: 50 }, (_, i) => `4message ${i}`);
    for (let i = 0; i < 50; i += 10) await session.post(sent.slice(i, i + 10).join(RS));
    const polls = await session.collect(50);
    assert.deepEqual(polls.flat(), sent);
    assert.ok(Math.max(...polls.map((packets) => packets.length)) <= 16, `packets per poll: ${polls.map((p) => p.length)}`);
  });

  test("B51 text of any language survives, cut anywhere between two chunks", async () => {
    const session = await PollingSession.open(server);
    const text = "4Grüße, мир, 世界, 👩‍🚀 \u2028 \u0000";
    const body = Buffer.from(text);
    for (let cut = 1; cut < body.length; cut++) {
      const connection = await RawConnection.open(server.port);
      connection.write(requestBytes("POST", session.target, { headers: { "Content-Length": body.length } }));
      connection.write(body.subarray(0, cut));
      await sleep(1);
      connection.write(body.subarray(cut));
      assert.equal((await connection.response()).body, "ok");
      assert.equal((await session.poll()).body, text);
      connection.destroy();
    }
  });

  test("B51 a post in chunked transfer encoding, one byte a chunk, cut inside characters", async () => {
    const session = await PollingSession.open(server);
    const headers = { "Transfer-Encoding": "chunked" };
    const chunks = [...Buffer.from("4größer 🚀")].flatMap((byte) => [Buffer.from("1;note=x\r\n"), Buffer.of(byte), Buffer.from("\r\n")]);
    const body = Buffer.concat([...chunks, Buffer.from("0\r\nX-Trailer: ignored\r\n\r\n")]);
    assert.equal((await session.post(body, { headers })).body, "ok");
    assert.equal((await session.poll()).body, "4größer 🚀");
  });

  test("B48 an unasked pong, a noop and an open packet are ignored", async () => {
    const session = await PollingSession.open(server);
    await session.post(`6${RS}0${RS}4x`);
    assert.equal((await session.poll()).body, "4x");
  });
});

describe("what ends a session", () => {
  test("B42 a second poll: it gets 400, the waiting one 200 with a close packet, later ones 400", async () => {
    const session = await PollingSession.open(server);
    const waiting = await session.startPoll();
    await sleep(30);
    assert.equal((await session.poll()).status, 400);
    const first = await waiting.response();
    assert.deepEqual([first.status, first.body], [200, "1"]);
    assert.equal((await session.poll()).status, 400);
  });

  test("B43 a second post while one is being received", async () => {
    const session = await PollingSession.open(server);
    const slow = await RawConnection.open(server.port);
    slow.write(requestBytes("POST", session.target, { headers: { "Content-Length": 10 } }));
    slow.write("4half");
    await sleep(50);
    assert.equal((await session.post("4other")).status, 400);
    assert.equal((await session.poll()).status, 400);
    slow.destroy();
  });

  test("B44 a poll that the client has given up", async () => {
    const session = await PollingSession.open(server);
    const waiting = await session.startPoll();
    await sleep(30);
    waiting.destroy();
    await until(() => session.isOver(), "end of the session");
  });

  test("B44 a post that breaks off", async () => {
    const session = await PollingSession.open(server);
    const slow = await RawConnection.open(server.port);
    slow.write(requestBytes("POST", session.target, { headers: { "Content-Length": 10 } }));
    slow.write("4half");
    await sleep(50);
    slow.destroy();
    await until(() => session.isOver(), "end of the session");
  });

  test("B52 a close packet: the waiting poll is answered with a noop, later ones 400", async () => {
    const session = await PollingSession.open(server);
    const waiting = await session.startPoll();
    await sleep(30);
    assert.equal((await session.post("1")).body, "ok");
    const answer = await waiting.response();
    assert.deepEqual([answer.status, answer.body], [200, "6"]);
    assertError(await session.poll(), 1);
  });

  test("B47 a ping from the client, who has only pongs to send", async () => {
    const session = await PollingSession.open(server);
    await session.post("2");
    assertError(await session.poll(), 1);
  });

  test("B45 a post of type application/octet-stream", async () => {
    const session = await PollingSession.open(server);
    const answer = await session.post("4x", { headers: { "Content-Type": "application/octet-stream" } });
    assert.equal(answer.status, 400);
    assertError(await session.poll(), 1);
  });

  for (const [what, body] of [
    ["an unknown packet type", "7x"],
    ["junk", "hello"],
    ["an empty body", ""],
    ["an empty packet between two good ones", `4a${RS}${RS}4b`],
  ]) {
    test(`B46 ${what}: 400, and the session is over`, async () => {
      const session = await PollingSession.open(server);
      assert.equal((await session.post(body)).status, 400);
      assertError(await session.poll(), 1);
    });
  }

  for (const [what, body] of [
    ["bad base64", "b!!!!"],
    ["bytes that are no UTF-8", Buffer.from([0x34, 0xc3, 0x28])],
  ]) {
    test(`${what} may be refused or repaired, and harms nobody else`, async () => {
      const [session, other] = [await PollingSession.open(server), await PollingSession.open(server)];
      const { status } = await session.post(body);
      assert.ok([200, 400].includes(status), `status ${status}`);
      assert.equal(await session.isOver(), status === 400);
      await other.post("4fine");
      assert.equal((await other.poll()).body, "4fine");
    });
  }
});
