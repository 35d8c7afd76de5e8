// Socket.IO packets seen from a raw WebSocket or raw polling: connecting, acks, attachments, values, kicks.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PollingSession, RS } from "./support/http.mjs";
import { assertAlive, join, joined } from "./support/packets.mjs";
import { sharedServer } from "./support/server.mjs";
import { sleep } from "./support/wait.mjs";
import { RawWebSocket } from "./support/websocket.mjs";

const server = sharedServer("echo");

describe("CONNECT", () => {
  test("B18 is answered with a Socket.IO id that is not the session's id, and auth comes next", async () => {
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

  test("B93 of an unknown namespace is refused; the connection stays and may try another", async () => {
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
    const socket = await joined(server);
    await join(socket, "/custom");
    socket.send('42/custom,["message","c"]');
    assert.equal(await socket.text(), '42/custom,["message-back","c"]');
    socket.send('42/custom,7["message-with-ack","c"]');
    assert.equal(await socket.text(), '43/custom,7["c"]');
    socket.send("41/custom,");
    await assertAlive(socket);
    socket.destroy();
  });

  test("B79 may come again after a DISCONNECT, with a new id", async () => {
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

describe("acks", () => {
  test("B88 a client's ids come back as given", async () => {
    const socket = await joined(server);
    for (const id of ["0", "1", "12", "4711", "9007199254740991", "9007199254740993", "18446744073709551615"]) {
      socket.send(`42${id}["message-with-ack",${id.length},"x"]`);
      assert.equal(await socket.text(), `43${id}[${id.length},"x"]`);
    }
    socket.destroy();
  });

  test("join and leave are acknowledged without arguments, and only if asked", async () => {
    const socket = await joined(server);
    socket.send('421["join","room"]');
    assert.equal(await socket.text(), "431[]");
    socket.send('422["leave","room"]');
    assert.equal(await socket.text(), "432[]");
    socket.send('42["join","room"]');
    await assertAlive(socket);
    socket.destroy();
  });

  test("B89 questions of the server carry different ids, answers are told apart", async () => {
    const socket = await joined(server);
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

  test("B92 travel after their header and come back in depth-first order", async () => {
    const socket = await joined(server);
    socket.send(`453-["echo",{"list":[${slot(0)},1,${slot(1)}],"more":{"deep":${slot(2)}}},"text"]`);
    for (const byte of [1, 2, 3]) socket.send(Buffer.of(byte));
    assert.equal(await socket.text(), `453-["echo",{"list":[${slot(0)},1,${slot(1)}],"more":{"deep":${slot(2)}}},"text"]`);
    for (const byte of [1, 2, 3]) assert.deepEqual(await socket.message(), Buffer.of(byte));
    socket.destroy();
  });

  test("may be named in any order", async () => {
    const socket = await joined(server);
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
    const socket = await joined(server, "/custom");
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
    const socket = await joined(server);
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
    const socket = await joined(server);
    socket.send(`451-["echo",${slot(0)}]`);
    socket.send("3");
    socket.send(Buffer.of(5));
    assert.equal(await socket.text(), `451-["echo",${slot(0)}]`);
    assert.deepEqual(await socket.message(), Buffer.of(5));
    socket.destroy();
  });

  test("B92 an object that only looks like a placeholder is left as it is", async () => {
    const socket = await joined(server);
    const event = '42["echo",{"_placeholder":false,"num":0}]';
    socket.send(event);
    assert.equal(await socket.text(), event);
    socket.destroy();
  });
});

describe("values", () => {
  test("B91 numbers, escapes, key order and odd keys come back with the same meaning", async () => {
    const socket = await joined(server);
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

  test("B91 half a surrogate pair is accepted as an escape and comes back", async () => {
    const socket = await joined(server);
    socket.send('42["echo","\\ud83d","\\ude00 x"]');
    assert.deepEqual(JSON.parse((await socket.text()).slice(2)), ["echo", "\ud83d", "\ude00 x"]);
    socket.destroy();
  });

  test("B91 what is echoed is the same JSON, digit by digit and escape by escape", async () => {
    const socket = await joined(server);
    for (const value of [
      "12345678901234567890123456789",
      "0.1000000000000000055511151231257827",
      "1E400",
      "-0.0",
      '"\\ud83d and \\u00e4 and \\/"',
      '{"\\ud83d":1,"a\\u0000b":2,"a":3,"a":4}',
    ]) {
      socket.send(`42["echo",${value}]`);
      assert.equal(await socket.text(), `42["echo",${value}]`);
    }
    socket.destroy();
  });

  test("spaces in the JSON are understood", async () => {
    const socket = await joined(server);
    socket.send('42[ "echo" , { "a" : [ 1 , 2 ] } ] ');
    assert.deepEqual(JSON.parse((await socket.text()).slice(2)), ["echo", { a: [1, 2] }]);
    socket.destroy();
  });
});

describe("kick", () => {
  test("B77 false: a DISCONNECT for this namespace, the others stay", async () => {
    const socket = await joined(server);
    await join(socket, "/custom");
    socket.send('42["kick",false]');
    assert.equal(await socket.text(), "41");
    await assertAlive(socket, "/custom,");
    socket.destroy();
  });

  test("B78 true: a DISCONNECT for every namespace, then the connection is closed", async () => {
    const socket = await joined(server);
    await join(socket, "/custom");
    socket.send('42["kick",true]');
    const { code, texts } = await socket.closed();
    assert.equal(code, 1005);
    assert.deepEqual(texts.sort(), ["41", "41/custom,"]);
  });

  for (const waits of [true, false]) {
    test(`B78 true over polling, ${waits ? "with" : "without"} a waiting poll: DISCONNECTs, a close packet in a poll of its own, 400`, async () => {
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
