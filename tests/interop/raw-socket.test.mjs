// Socket.IO packets seen from a raw WebSocket or raw polling: connecting, acks, attachments, and packets that break the rules.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PollingSession, request, RS } from "./support/http.mjs";
import { ownServer, sharedServer } from "./support/server.mjs";
import { sleep, until } from "./support/wait.mjs";
import { RawWebSocket } from "./support/websocket.mjs";

const server = sharedServer("echo");

/** A WebSocket that has joined `namespace` and taken in the CONNECT answer and the `auth` event. */
async function joined(namespace = "/", on = server) {
  const socket = await RawWebSocket.session(on);
  await join(socket, namespace);
  return socket;
}

async function join(socket, namespace = "/", payload = "") {
  const prefix = namespace === "/" ? "" : `${namespace},`;
  socket.send(`40${prefix}${payload}`);
  const answer = await socket.text();
  assert.ok(answer.startsWith(`40${prefix}{"sid":"`), answer);
  assert.equal(await socket.text(), `42${prefix}["auth",${payload || "{}"}]`);
  return JSON.parse(answer.slice(2 + prefix.length)).sid;
}

/** Sends an event and takes in the same event coming back. */
async function assertAlive(socket, prefix = "") {
  socket.send(`42${prefix}["echo","alive"]`);
  assert.equal(await socket.text(), `42${prefix}["echo","alive"]`);
}

/** A polling session that the server has closed: at most a close packet is left to fetch. */
async function assertClosing(session) {
  const answer = await session.poll();
  if (answer.status === 200) assert.equal(answer.body.split(RS).at(-1), "1");
  else assert.equal(answer.status, 400);
  await until(() => session.isOver(), "end of the session");
}

describe("CONNECT", () => {
  test("is answered with a Socket.IO id that is not the session's id, and auth comes next", async () => {
    const socket = await RawWebSocket.session(server);
    const sid = await join(socket, "/", '{"token":"12\\u00e4","deep":{"list":[1,null]}}'.replace("\\u00e4", "ä"));
    assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
    assert.notEqual(sid, socket.handshake.sid);
    const other = await join(socket, "/custom");
    assert.notEqual(other, sid);
    socket.destroy();
  });

  test("answer and auth event come in one poll over polling", async () => {
    const session = await PollingSession.open(server);
    await session.post('40{"a":1}');
    const packets = (await session.collect(2)).flat();
    assert.match(packets[0], /^40\{"sid":"[^"]+"\}$/);
    assert.equal(packets[1], '42["auth",{"a":1}]');
  });

  test("of a namespace needs no comma and no payload", async () => {
    const socket = await RawWebSocket.session(server);
    socket.send("40/custom");
    assert.match(await socket.text(), /^40\/custom,\{"sid":"/);
    socket.destroy();
  });

  test("of an unknown namespace is refused; the connection stays and may try another", async () => {
    const socket = await RawWebSocket.session(server);
    for (const name of ["/nope", "/custom/sub", "/Custom", "/a/b?c=d", "/größe"]) {
      socket.send(`40${name},{"token":1}`);
      assert.equal(await socket.text(), `44${name},{"message":"Invalid namespace"}`);
    }
    await join(socket);
    await assertAlive(socket);
    socket.destroy();
  });

  test("events, acks and a DISCONNECT keep to their namespace", async () => {
    const socket = await joined();
    await join(socket, "/custom");
    socket.send('42/custom,["message","c"]');
    assert.equal(await socket.text(), '42/custom,["message-back","c"]');
    socket.send('42/custom,7["message-with-ack","c"]');
    assert.equal(await socket.text(), '43/custom,7["c"]');
    socket.send("41/custom,");
    await assertAlive(socket);
    socket.destroy();
  });

  test("may come again after a DISCONNECT, with a new id", async () => {
    const socket = await RawWebSocket.session(server);
    const first = await join(socket);
    socket.send("41");
    assert.deepEqual(await socket.settled(), [], "nothing is answered, the connection stays");
    assert.notEqual(await join(socket), first);
    socket.destroy();
  });

  test("of two namespaces in one post: both answers, each followed by its auth event", async () => {
    const session = await PollingSession.open(server);
    await session.post(`40${RS}40/custom,{"a":1}`);
    const packets = (await session.collect(4)).flat().map((packet) => packet.replace(/"sid":"[^"]+"/, ""));
    for (const [name, auth] of [["", "{}"], ["/custom,", '{"a":1}']]) {
      const own = packets.filter((packet) => packet.startsWith("/custom,", 2) === (name !== ""));
      assert.deepEqual(own, [`40${name}{}`, `42${name}["auth",${auth}]`]);
    }
  });
});

describe("connections that are closed before they joined", () => {
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

describe("packets that close the connection of a client that had joined", () => {
  const TWO = '"_placeholder":true,"num"';
  const wrong = [
    ["CONNECT twice", "40"],
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
      const socket = await joined();
      for (const packet of packets) socket.send(packet);
      const { code, texts } = await socket.closed(3000);
      assert.deepEqual([code, texts], [1005, []]);
    });
  }

  test("nobody else notices", async () => {
    const good = await joined();
    const bad = await joined();
    bad.send("49");
    await bad.closed();
    await assertAlive(good);
    good.destroy();
  });
});

describe("packets that are ignored", () => {
  for (const [what, packet] of [
    ["an ack nobody asked for", "439[]"],
    ["an ack without an id", "43[]"],
    ["an event nobody handles", '42["no-such-event",1]'],
    ["an event nobody handles that asks for an ack", '425["no-such-event",1]'],
    ["an event with a number for a name", "42[1,2]"],
    ["an event named error", '42["error",{"a":1}]'],
    ["an event named like a JavaScript property", '42["constructor","__proto__"]'],
  ]) {
    test(what, async () => {
      const socket = await joined();
      socket.send(packet);
      await assertAlive(socket);
      socket.destroy();
    });
  }

  test("an ack that comes twice is taken once", async () => {
    const socket = await joined();
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

describe("acks", () => {
  test("a client's ids come back as given", async () => {
    const socket = await joined();
    for (const id of ["0", "1", "12", "4711", "9007199254740991"]) {
      socket.send(`42${id}["message-with-ack",${id.length},"x"]`);
      assert.equal(await socket.text(), `43${id}[${id.length},"x"]`);
    }
    socket.destroy();
  });

  test("join and leave are acknowledged without arguments, and only if asked", async () => {
    const socket = await joined();
    socket.send('421["join","room"]');
    assert.equal(await socket.text(), "431[]");
    socket.send('422["leave","room"]');
    assert.equal(await socket.text(), "432[]");
    socket.send('42["join","room"]');
    await assertAlive(socket);
    socket.destroy();
  });

  test("questions of the server carry different ids, answers are told apart", async () => {
    const socket = await joined();
    const questions = [];
    for (const name of ["a", "b", "c"]) {
      socket.send(`42["ask","${name}"]`);
      questions.push(await socket.text());
    }
    const ids = questions.map((question) => /^42(\d+)\["question"/.exec(question)[1]);
    assert.equal(new Set(ids).size, 3);
    for (const index of [2, 0, 1]) {
      socket.send(`43${ids[index]}[${index}]`);
      assert.equal(await socket.text(), `42["answer",${index}]`);
    }
    socket.destroy();
  });
});

describe("attachments", () => {
  const slot = (num) => `{"_placeholder":true,"num":${num}}`;

  test("travel after their header and come back in depth-first order", async () => {
    const socket = await joined();
    socket.send(`453-["echo",{"list":[${slot(0)},1,${slot(1)}],"more":{"deep":${slot(2)}}},"text"]`);
    for (const byte of [1, 2, 3]) socket.send(Buffer.of(byte));
    assert.equal(await socket.text(), `453-["echo",{"list":[${slot(0)},1,${slot(1)}],"more":{"deep":${slot(2)}}},"text"]`);
    for (const byte of [1, 2, 3]) assert.deepEqual(await socket.message(), Buffer.of(byte));
    socket.destroy();
  });

  test("may be named in any order", async () => {
    const socket = await joined();
    socket.send(`452-["echo",${slot(1)},${slot(0)}]`);
    socket.send(Buffer.from("zero"));
    socket.send(Buffer.from("one"));
    const header = await socket.text();
    const buffers = [await socket.message(), await socket.message()];
    const named = JSON.parse(header.slice(4)).slice(1).map(({ num }) => buffers[num].toString());
    assert.deepEqual(named, ["one", "zero"]);
    socket.destroy();
  });

  test("in acks, both ways, and in a namespace", async () => {
    const socket = await joined("/custom");
    socket.send(`451-/custom,3["message-with-ack",${slot(0)}]`);
    socket.send(Buffer.of(7));
    assert.equal(await socket.text(), `461-/custom,3[${slot(0)}]`);
    assert.deepEqual(await socket.message(), Buffer.of(7));
    socket.send('42/custom,["ask"]');
    const [, id] = /^42\/custom,(\d+)\["question"\]$/.exec(await socket.text());
    socket.send(`461-/custom,${id}[${slot(0)}]`);
    socket.send(Buffer.of(8));
    assert.equal(await socket.text(), `451-/custom,["answer",${slot(0)}]`);
    assert.deepEqual(await socket.message(), Buffer.of(8));
    socket.destroy();
  });

  test("ten of them pass, and empty ones too", async () => {
    const socket = await joined();
    const event = `4510-["echo",${Array.from({ length: 10 }, (_, i) => slot(i))}]`;
    socket.send(event);
    for (let i = 0; i < 10; i++) socket.send(Buffer.alloc(i, i));
    assert.equal(await socket.text(), event);
    for (let i = 0; i < 10; i++) assert.deepEqual(await socket.message(), Buffer.alloc(i, i));
    socket.destroy();
  });

  test("over polling they are base64 after their header", async () => {
    const session = await PollingSession.open(server);
    await session.post("40");
    await session.collect(2);
    await session.post(`452-["echo",${slot(0)},${slot(1)}]${RS}bAQI=${RS}bAw==`);
    assert.deepEqual((await session.collect(3)).flat(), [`452-["echo",${slot(0)},${slot(1)}]`, "bAQI=", "bAw=="]);
  });

  test("a pong between header and attachment does not disturb", async () => {
    const socket = await joined();
    socket.send(`451-["echo",${slot(0)}]`);
    socket.send("3");
    socket.send(Buffer.of(5));
    assert.equal(await socket.text(), `451-["echo",${slot(0)}]`);
    assert.deepEqual(await socket.message(), Buffer.of(5));
    socket.destroy();
  });

  test("an object that only looks like a placeholder is left as it is", async () => {
    const socket = await joined();
    const event = '42["echo",{"_placeholder":false,"num":0}]';
    socket.send(event);
    assert.equal(await socket.text(), event);
    socket.destroy();
  });
});

describe("values", () => {
  test("numbers, escapes, key order and odd keys come back with the same meaning", async () => {
    const socket = await joined();
    const values = [
      '[0,-1,1.5,-0.25,1e21,9007199254740991,1e-7]',
      '{"z":1,"a":2,"":3,"with \\"quotes\\"":4,"\\u0000":5,"ключ":6}',
      '"tab\\tnewline\\nquote\\"slash\\/unicode\\u00e4\\ud83d\\ude80"',
      '[[],{},[[]],null,true,false,""]',
    ];
    for (const value of values) {
      socket.send(`42["echo",${value}]`);
      const [name, back] = JSON.parse((await socket.text()).slice(2));
      assert.equal(name, "echo");
      assert.equal(JSON.stringify(back), JSON.stringify(JSON.parse(value)));
    }
    socket.destroy();
  });

  test("half a surrogate pair is accepted as an escape and comes back", async () => {
    const socket = await joined();
    socket.send('42["echo","\\ud83d","\\ude00 x"]');
    assert.deepEqual(JSON.parse((await socket.text()).slice(2)), ["echo", "\ud83d", "\ude00 x"]);
    socket.destroy();
  });

  test("spaces in the JSON are understood", async () => {
    const socket = await joined();
    socket.send('42[ "echo" , { "a" : [ 1 , 2 ] } ] ');
    assert.deepEqual(JSON.parse((await socket.text()).slice(2)), ["echo", { a: [1, 2] }]);
    socket.destroy();
  });
});

describe("kick", () => {
  test("false: a DISCONNECT for this namespace, the others stay", async () => {
    const socket = await joined();
    await join(socket, "/custom");
    socket.send('42["kick",false]');
    assert.equal(await socket.text(), "41");
    await assertAlive(socket, "/custom,");
    socket.destroy();
  });

  test("true: a DISCONNECT for every namespace, then the connection is closed", async () => {
    const socket = await joined();
    await join(socket, "/custom");
    socket.send('42["kick",true]');
    const { code, texts } = await socket.closed();
    assert.equal(code, 1005);
    assert.deepEqual(texts.sort(), ["41", "41/custom,"]);
  });

  for (const waits of [true, false]) {
    test(`true over polling, ${waits ? "with" : "without"} a waiting poll: DISCONNECTs, a close packet in a poll of its own, 400`, async () => {
      const session = await PollingSession.open(server);
      await session.post(`40${RS}40/custom,`);
      await session.collect(4);
      const polls = [];
      const waiting = waits ? (await session.startPoll()).response() : null;
      await sleep(30);
      await session.post('42["kick",true]');
      for (let answer = await (waiting ?? session.poll()); answer.status === 200; answer = await session.poll()) {
        polls.push(answer.body.split(RS).filter((packet) => packet !== "6"));
      }
      assert.deepEqual(polls.flat(), ["41", "41/custom,", "1"]);
      // The JavaScript client handles a close at once and events a moment later: together they would look like a lost
      // connection, and it would come back.
      assert.deepEqual(polls.at(-1), ["1"]);
    });
  }
});

describe("with --connect-timeout 300", () => {
  const hasty = sharedServer("echo", ["--connect-timeout", "300"]);

  test("a connection that joins nothing is closed, neither early nor by a refused CONNECT's grace", async () => {
    const socket = await RawWebSocket.session(hasty);
    const start = performance.now();
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

  test("one that has joined stays, even when it leaves again", async () => {
    const socket = await joined("/", hasty);
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
  test("values nested fifty thousand deep do not end the server", async (t) => {
    const own = await ownServer(t, "echo");
    const depth = 50_000;
    for (const value of [`${"[".repeat(depth)}${"]".repeat(depth)}`, `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`]) {
      for (const packet of [`42["echo",${value}]`, `42["broadcast",${value}]`, `421["message-with-ack",${value}]`, `42["x",${value}]`]) {
        const socket = await joined("/", own);
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
      const socket = await joined("/custom");
      socket.send(whole.slice(0, cut));
      socket.send(Buffer.of(cut));
      socket.destroy();
    }
    const socket = await joined();
    await assertAlive(socket);
    socket.destroy();
  });

  test("a client with more than 4 MiB waiting for it is disconnected, the others are served", async () => {
    const good = await joined();
    const greedy = await joined("/custom");
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
