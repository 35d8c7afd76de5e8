// Socket.IO packets that break the rules: which close the connection, which are ignored, and that nobody else notices.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PollingSession, request, RS } from "./support/http.mjs";
import { assertAlive, join, joined } from "./support/packets.mjs";
import { ownServer, sharedServer } from "./support/server.mjs";
import { sleep, until } from "./support/wait.mjs";
import { RawWebSocket } from "./support/websocket.mjs";

const server = sharedServer("echo");

/** A polling session that the server has closed: at most a close packet is left to fetch. */
async function assertClosing(session) {
  const answer = await session.poll();
  if (answer.status === 200) assert.equal(answer.body.split(RS).at(-1), "1");
  else assert.equal(answer.status, 400);
  await until(() => session.isOver(), "end of the session");
}

describe("B83 connections that are closed before they joined", () => {
  const first = [
    ["an event before CONNECT", '42["echo",1]'],
    ["an ack before CONNECT", "430[]"],
    ["a DISCONNECT before CONNECT", "41"],
    ["a CONNECT with an array", "40[]"],
    ["a CONNECT with a string", '40"x"'],
    ["a CONNECT with broken JSON", "40{"],
    ["a CONNECT with a comma only", "40,"],
    ["a CONNECT_ERROR", '44{"message":"no"}'],
    ["an empty message", "4"],
    ["an unknown type", "49"],
    ["a binary message", Buffer.of(1)],
  ];
  for (const [what, packet] of first) {
    test(what, async () => {
      const socket = await RawWebSocket.session(server);
      socket.send(packet);
      assert.deepEqual(await socket.closed(3000), { code: 1005, reason: "", texts: [] });
    });
  }

  test("the same over polling: later requests get 400", async () => {
    const session = await PollingSession.open(server);
    await session.post('42["echo",1]');
    await assertClosing(session);
  });
});

describe("B80 B84 B86 packets that close the connection of a client that had joined", () => {
  const TWO = '"_placeholder":true,"num"';
  const wrong = [
    ["an event for a namespace not joined", '42/custom,["echo",1]'],
    ["an event for a namespace that does not exist", '42/nope,["echo",1]'],
    ["type 7", "47"],
    ["type 9", '49["echo"]'],
    ["a type that is no digit", '4x["echo"]'],
    ["an empty packet", "4"],
    ["broken JSON", '42["echo",'],
    ["something after the JSON", '42["echo"]x'],
    ["an event without a payload", "42"],
    ["an event that is an object", '42{"a":1}'],
    ["an event that is a string", '42"echo"'],
    ["an empty event", "42[]"],
    ["an object for a name", '42[{"toString":1}]'],
    ["null for a name", "42[null]"],
    ["an array for a name", '42[["echo"]]'],
    ["an ack that is no array", '430{"a":1}'],
    ["a CONNECT_ERROR", '44{"message":"no"}'],
    ["a DISCONNECT with a payload", '41{"a":1}'],
    ["the reserved name connect", '42["connect"]'],
    ["the reserved name connect_error", '42["connect_error"]'],
    ["the reserved name disconnect", '42["disconnect"]'],
    ["the reserved name disconnecting", '42["disconnecting"]'],
    ["the reserved name newListener", '42["newListener"]'],
    ["the reserved name removeListener", '42["removeListener"]'],
    ["a binary message without a header", Buffer.of(1, 2)],
    ["text where an attachment is due", `451-["echo",{${TWO}:0}]`, '42["echo",1]'],
    ["a second header where an attachment is due", `451-["echo",{${TWO}:0}]`, `451-["echo",{${TWO}:0}]`],
    ["a placeholder out of range", `451-["echo",{${TWO}:5}]`, Buffer.of(1)],
    ["a placeholder below zero", `451-["echo",{${TWO}:-1}]`, Buffer.of(1)],
    ["a placeholder that is no number", `451-["echo",{${TWO}:"0"}]`, Buffer.of(1)],
    ["a binary event without a count", '45["echo"]'],
    ["a count without its dash", `451["echo",{${TWO}:0}]`],
    ["eleven attachments", `4511-["echo",${Array.from({ length: 11 }, (_, i) => `{${TWO}:${i}}`)}]`],
    ["a count beyond all reason", `4599999999999-["echo",{${TWO}:0}]`],
  ];
  for (const [what, ...packets] of wrong) {
    test(what, async () => {
      const socket = await joined(server);
      for (const packet of packets) socket.send(packet);
      const { code, texts } = await socket.closed(3000);
      assert.deepEqual([code, texts], [1005, []]);
    });
  }

  test("nobody else notices", async () => {
    const good = await joined(server);
    const bad = await joined(server);
    bad.send("49");
    await bad.closed();
    await assertAlive(good);
    good.destroy();
  });
});

describe("B85 B154 B155 packets that are ignored", () => {
  for (const [what, packet] of [
    ["an ack nobody asked for", "439[]"],
    ["an ack without an id", "43[]"],
    ["an event nobody handles", '42["no-such-event",1]'],
    ["an event nobody handles that asks for an ack", '425["no-such-event",1]'],
    ["an event with a number for a name that nobody handles", "42[1,2]"],
    ["an ack without a payload", "430"],
    ["CONNECT twice", "40"],
    ["an event named error", '42["error",{"a":1}]'],
    ["an event named like a JavaScript property", '42["constructor","__proto__"]'],
  ]) {
    test(what, async () => {
      const socket = await joined(server);
      socket.send(packet);
      await assertAlive(socket);
      socket.destroy();
    });
  }

  test("B85 an ack that comes twice is taken once", async () => {
    const socket = await joined(server);
    socket.send('42["ask","q"]');
    const question = await socket.text();
    const [, id] = /^42(\d+)\["question","q"\]$/.exec(question) ?? assert.fail(question);
    socket.send(`43${id}["first"]`);
    socket.send(`43${id}["second"]`);
    assert.equal(await socket.text(), '42["answer","first"]');
    await assertAlive(socket);
    socket.destroy();
  });
});

describe("with --connect-timeout 300", () => {
  const hasty = sharedServer("echo", ["--connect-timeout", "300"]);

  test("B81 B82 a connection that joins nothing is closed, neither early nor by a refused CONNECT's grace", async () => {
    const start = performance.now();
    const socket = await RawWebSocket.session(hasty);
    await sleep(150);
    socket.send("40/nope,");
    const { texts } = await socket.closed(5000);
    assert.deepEqual(texts, ['44/nope,{"message":"Invalid namespace"}']);
    const elapsed = performance.now() - start;
    assert.ok(elapsed > 280 && elapsed < 3000, `after ${elapsed} ms`);
  });

  test("so is one on polling", async () => {
    const session = await PollingSession.open(hasty);
    await sleep(450);
    await assertClosing(session);
  });

  test("B79 one that has joined stays, even when it leaves again", async () => {
    const socket = await joined(hasty);
    await sleep(450);
    await assertAlive(socket);
    socket.send("41");
    await sleep(450);
    assert.deepEqual(await socket.settled(), []);
    await join(socket);
    socket.destroy();
  });
});

describe("hostile packets", () => {
  test("B90 JSON may be nested 128 deep and no deeper", async () => {
    const nested = (depth) => `42["echo",${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}]`;
    const fits = await joined(server);
    fits.send(nested(128));
    assert.equal(await fits.text(), nested(128));
    fits.destroy();
    const tooDeep = await joined(server);
    tooDeep.send(nested(129));
    assert.deepEqual(await tooDeep.closed(3000), { code: 1005, reason: "", texts: [] });
  });

  test("B90 values nested fifty thousand deep do not end the server", async (t) => {
    const own = await ownServer(t, "echo");
    const depth = 50_000;
    for (const value of [`${"[".repeat(depth)}${"]".repeat(depth)}`, `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`]) {
      for (const packet of [`42["echo",${value}]`, `42["broadcast",${value}]`, `421["message-with-ack",${value}]`, `42["x",${value}]`]) {
        const socket = await joined(own);
        socket.send(packet);
        // Refused or answered, either is well: the server has to be there afterwards.
        await socket.readFrame();
        socket.destroy();
      }
      const socket = await RawWebSocket.session(own);
      socket.send(`40{"a":${value}}`);
      await socket.readFrame();
      socket.destroy();
    }
    assert.equal((await request(own.port, "GET", "/socket.io/?EIO=4&transport=polling")).status, 200);
  });

  test("packets cut at every byte, and every byte alone, do not end the server", async () => {
    const whole = '451-/custom,12["message-with-ack",{"größe":[null,{"_placeholder":true,"num":0}]},"\\ud83d"]';
    for (let cut = 1; cut <= whole.length; cut += 3) {
      const socket = await joined(server, "/custom");
      socket.send(whole.slice(0, cut));
      socket.send(Buffer.of(cut));
      socket.destroy();
    }
    const socket = await joined(server);
    await assertAlive(socket);
    socket.destroy();
  });

  test("a client with more than 4 MiB waiting for it is disconnected, the others are served", async () => {
    const good = await joined(server);
    const greedy = await joined(server, "/custom");
    greedy.connection.socket.pause();
    greedy.send('42/custom,["tick-all",400,60000]');
    await assertAlive(good);
    greedy.connection.socket.resume();
    const { texts } = await greedy.closed();
    assert.ok(texts.length < 400, `${texts.length} of 400 events came`);
    await assertAlive(good);
    good.destroy();
  });
});
