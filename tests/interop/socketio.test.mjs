// The official JavaScript client over polling, over WebSocket, and from one to the other.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Manager } from "socket.io-client";
import { ack, client, connected, BASE64_TRANSPORTS, echo, eventsOf, settled, TRANSPORTS } from "./support/clients.mjs";
import { sharedServer } from "./support/server.mjs";
import { once, sleep, until } from "./support/wait.mjs";

const server = sharedServer("echo");
const TEXTS = ["", "plain", "Grüße, мир, 世界, 👩‍🚀", 'quote " backslash \\ slash / \u2028 \u0000 \x1e', "\ud83d"];

let rooms = 0;
const newRoom = () => `room ${process.pid} ${rooms++}`;

for (const [way, options] of Object.entries({ ...TRANSPORTS, ...BASE64_TRANSPORTS })) {
  describe(`over ${way}`, () => {
    test("the auth payload arrives, and {} without one", async (t) => {
      const auth = { token: "geheim ä", list: [1, { deep: null }] };
      const [named, nameless] = [await connected(t, server, { ...options, auth }), await connected(t, server, options)];
      assert.deepEqual(eventsOf(named, "auth"), [[auth]]);
      assert.deepEqual(eventsOf(nameless, "auth"), [[{}]]);
      assert.match(named.id, /^[A-Za-z0-9_-]{20}$/);
      assert.notEqual(named.id, nameless.id);
    });

    test("namespaces share one connection and keep apart", async (t) => {
      const manager = new Manager(server.origin, { ...options, forceNew: true });
      const [main, custom] = [manager.socket("/"), manager.socket("/custom", { auth: { in: "custom" } })];
      t.after(() => [main, custom].forEach((socket) => socket.disconnect()));
      const auths = await Promise.all([once(main, "auth"), once(custom, "auth")]);
      assert.deepEqual(auths, [[{}], [{ in: "custom" }]]);
      assert.notEqual(main.id, custom.id);
      main.on("message-back", () => assert.fail("an event of another namespace"));
      assert.deepEqual(await echo(custom, 1), [1]);
      custom.disconnect();
      main.off("message-back");
      assert.deepEqual(await echo(main, 2), [2]);
    });

    test("B93 an unknown namespace is refused", async (t) => {
      const socket = client(t, server, options, "/no/such?namespace=1");
      const [error] = await once(socket, "connect_error");
      assert.equal(error.message, "Invalid namespace");
      assert.equal(socket.connected, false);
    });

    test("every JSON type and every text comes back unchanged", async (t) => {
      const socket = await connected(t, server, options);
      const args = [null, true, false, 0, -1, 1.5, 1e21, 2 ** 53 - 1, "", [], {}, [[1, [2, { a: [null] }]]], { "": { "key ü": 1 } }];
      assert.deepEqual(await echo(socket, ...args), args);
      assert.deepEqual(await echo(socket), []);
      for (const text of TEXTS) assert.deepEqual(await echo(socket, text, { [text]: text }), [text, { [text]: text }]);
    });

    test("texts and buffers near the limit come back unchanged", async (t) => {
      const socket = await connected(t, server, options);
      const text = "ä世🚀".repeat(50_000);
      assert.ok((await echo(socket, text))[0] === text);
      const buffer = Buffer.alloc(500_000, "0123456789");
      assert.ok(buffer.equals((await echo(socket, buffer))[0]));
    });

    test("binary at any depth comes back in its place", async (t) => {
      const socket = await connected(t, server, options);
      const bytes = Buffer.from([0, 1, 2, 253, 254, 255]);
      const [back] = await echo(socket, { list: [bytes, { deep: new Uint8Array([9, 8]) }], empty: Buffer.alloc(0), text: "t" });
      assert.deepEqual(back, { list: [bytes, { deep: Buffer.of(9, 8) }], empty: Buffer.alloc(0), text: "t" });
      assert.deepEqual(await echo(socket, bytes, 1, bytes), [bytes, 1, bytes]);
    });

    test("B153 an event named by a number is handled and acknowledged", async (t) => {
      const socket = await connected(t, server, options);
      assert.deepEqual(await ack(socket, 7, "x"), ["x"]);
      assert.deepEqual(await ack(socket, 7, Buffer.of(1)), [Buffer.of(1)]);
    });

    test("B154 connecting, disconnecting and connecting at once leads in, and harms no other namespace", async (t) => {
      const manager = new Manager(server.origin, { ...options, forceNew: true });
      const [main, custom] = [manager.socket("/"), manager.socket("/custom")];
      t.after(() => [main, custom].forEach((socket) => socket.disconnect()));
      main.on("disconnect", (reason) => assert.fail(`disconnected: ${reason}`));
      await Promise.all([once(main, "auth"), once(custom, "auth")]);
      custom.disconnect();
      let connections = 0;
      custom.on("connect", () => connections++);
      // As a component of React does that is mounted twice.
      custom.connect();
      custom.disconnect();
      custom.connect();
      assert.deepEqual(await echo(custom, 1), [1]);
      assert.deepEqual(await echo(main, 2), [2]);
      assert.equal(connections, 1);
      main.off("disconnect");
    });

    test("acks carry the same arguments, with binary and without any", async (t) => {
      const socket = await connected(t, server, options);
      assert.deepEqual(await ack(socket, "message-with-ack", 1, "zwei", [3], { four: null }), [1, "zwei", [3], { four: null }]);
      assert.deepEqual(await ack(socket, "message-with-ack"), []);
      assert.deepEqual(await ack(socket, "message-with-ack", { b: [Buffer.of(1)] }, "x"), [{ b: [Buffer.of(1)] }, "x"]);
    });

    test("the server asks and gets its answer, with binary too", async (t) => {
      const socket = await connected(t, server, options);
      const questions = [];
      socket.on("question", (...args) => {
        const reply = args.pop();
        questions.push(args);
        reply("answer to", ...args, Buffer.of(args.length));
      });
      for (const args of [["what?"], [], [{ deep: [Buffer.of(7)] }, 2]]) {
        const answer = once(socket, "answer");
        socket.emit("ask", ...args);
        assert.deepEqual(await answer, ["answer to", ...args, Buffer.of(args.length)]);
        assert.deepEqual(questions.at(-1), args);
      }
    });

    test("B104 a room's messages reach its members except the sender, who need not be one", async (t) => {
      const [a, b, outsider] = await Promise.all([0, 1, 2].map(() => connected(t, server, options)));
      const room = newRoom();
      assert.deepEqual(await ack(a, "join", room), []);
      assert.deepEqual(await ack(b, "join", room), []);
      a.emit("to-room", room, "from a", Buffer.of(1));
      outsider.emit("to-room", room, "from outside", { x: 1 });
      await until(() => eventsOf(b, "room-message").length === 2 && eventsOf(a, "room-message").length === 1, "room messages");
      assert.deepEqual(eventsOf(a, "room-message"), [["from outside", { x: 1 }]]);
      assert.deepEqual(new Set(eventsOf(b, "room-message").map(([from]) => from)), new Set(["from a", "from outside"]));
      assert.deepEqual(await ack(b, "leave", room), []);
      a.emit("to-room", room, "after b left");
      outsider.emit("to-room", room, "last");
      await until(() => eventsOf(a, "room-message").length === 2, "the last room message");
      await Promise.all([settled(a), settled(b), settled(outsider)]);
      assert.equal(eventsOf(b, "room-message").length, 2);
      assert.deepEqual(eventsOf(outsider, "room-message"), []);
    });

    test("B105 joining twice delivers once, leaving a room never joined does nothing", async (t) => {
      const [a, b] = [await connected(t, server, options), await connected(t, server, options)];
      const room = newRoom();
      await ack(a, "join", room);
      await ack(a, "join", room);
      await ack(b, "leave", room);
      await ack(b, "leave", newRoom());
      b.emit("to-room", room, "once");
      b.emit("to-room", newRoom(), "nobody");
      await settled(b);
      await settled(a);
      assert.deepEqual(eventsOf(a, "room-message"), [["once"]]);
    });

    test("everybody is in a room named by the own id", async (t) => {
      const [a, b] = [await connected(t, server, options), await connected(t, server, options)];
      a.emit("to-room", b.id, "for you");
      a.emit("to-room", a.id, "not for the sender");
      assert.deepEqual(await until(() => eventsOf(b, "room-message")[0], "message"), ["for you"]);
      await settled(a);
      assert.deepEqual(eventsOf(a, "room-message"), []);
    });

    test("rooms are forgotten when a client goes", async (t) => {
      const [a, b] = [await connected(t, server, options), await connected(t, server, options)];
      const room = newRoom();
      await ack(a, "join", room);
      a.disconnect();
      a.connect();
      await once(a, "connect");
      b.emit("to-room", room, "anybody?");
      await settled(b);
      await settled(a);
      assert.deepEqual(eventsOf(a, "room-message"), []);
    });

    test("a broadcast reaches everybody in the namespace, the sender too, and nobody else", async (t) => {
      const sockets = await Promise.all([0, 1, 2].map(() => connected(t, server, options)));
      const custom = await connected(t, server, options, "/custom");
      const mark = newRoom();
      sockets[0].emit("broadcast", mark, { bytes: Buffer.of(1, 2) }, [null]);
      for (const socket of sockets) {
        const got = await until(() => eventsOf(socket, "broadcast").find(([first]) => first === mark), "broadcast");
        assert.deepEqual(got, [mark, { bytes: Buffer.of(1, 2) }, [null]]);
      }
      await settled(custom);
      assert.deepEqual(eventsOf(custom, "broadcast"), []);
    });

    test("B77 kick from one namespace: told so, no reconnection, the other namespace stays", async (t) => {
      const manager = new Manager(server.origin, { ...options, forceNew: true, reconnectionDelay: 20 });
      const [main, custom] = [manager.socket("/"), manager.socket("/custom")];
      t.after(() => [main, custom].forEach((socket) => socket.disconnect()));
      await Promise.all([once(main, "auth"), once(custom, "auth")]);
      main.emit("kick", false);
      assert.equal((await once(main, "disconnect"))[0], "io server disconnect");
      assert.deepEqual(await echo(custom, "here"), ["here"]);
      await sleep(100);
      assert.deepEqual([main.connected, main.active, custom.connected], [false, false, true]);
      main.connect();
      await once(main, "connect");
    });

    test("B78 kick from the server: told so in every namespace, no reconnection", async (t) => {
      const manager = new Manager(server.origin, { ...options, forceNew: true, reconnectionDelay: 20 });
      const [main, custom] = [manager.socket("/"), manager.socket("/custom")];
      t.after(() => [main, custom].forEach((socket) => socket.disconnect()));
      await Promise.all([once(main, "auth"), once(custom, "auth")]);
      const reasons = Promise.all([once(main, "disconnect"), once(custom, "disconnect")]);
      main.emit("kick", true);
      assert.deepEqual((await reasons).map(([reason]) => reason), ["io server disconnect", "io server disconnect"]);
      await sleep(100);
      assert.deepEqual([main.connected, custom.connected], [false, false]);
    });

    test("a flood comes complete and in order", async (t) => {
      const socket = await connected(t, server, options);
      socket.emit("flood", 2000, 17);
      socket.emit("flood", 5);
      await until(() => eventsOf(socket, "flood-message").length === 2005, "flood", 30_000);
      const expected = [...Array.from({ length: 2000 }, (_, i) => [i + 17]), [0], [1], [2], [3], [4]];
      assert.deepEqual(eventsOf(socket, "flood-message"), expected);
    });

    test("B109 of volatile messages some may miss, none is swapped, and the normal one after them comes", async (t) => {
      const socket = await connected(t, server, options);
      socket.emit("volatile", 50);
      await until(() => eventsOf(socket, "volatile-done").length > 0, "volatile-done");
      assert.deepEqual(eventsOf(socket, "volatile-done"), [[50]]);
      const came = eventsOf(socket, "volatile-message").map(([number]) => number);
      assert.ok(came.every((number, index) => index === 0 || number > came[index - 1]), `${came}`);
      assert.ok(came.every((number) => Number.isInteger(number) && number >= 0 && number < 50));
      assert.equal(socket.log.at(-1)[0], "volatile-done");
    });

    test("one client's ticks reach all clients of the namespace", async (t) => {
      const sockets = await Promise.all(Array.from({ length: 5 }, () => connected(t, server, options, "/custom")));
      sockets[0].emit("tick-all", 40, 100);
      for (const socket of sockets) {
        await until(() => eventsOf(socket, "tick").length >= 40, "ticks");
        const ticks = eventsOf(socket, "tick");
        assert.deepEqual(ticks.map((args) => args.length), Array(40).fill(1));
        assert.ok(ticks.every(([text]) => typeof text === "string" && text.length === 100));
      }
    });

    test("events, acks and binary of one client are handled and arrive in the order sent", async (t) => {
      const socket = await connected(t, server, options);
      const order = [];
      socket.on("echo", (number) => order.push(number));
      const acks = [];
      for (let i = 0; i < 300; i++) {
        if (i % 3 === 0) socket.emit("echo", i, Buffer.of(i % 256));
        else if (i % 3 === 1) socket.emit("echo", i);
        else acks.push(ack(socket, "message-with-ack", i).then(() => order.push(i)));
      }
      await Promise.all(acks);
      await until(() => order.length === 300, "all answers");
      // An ack is noted one promise turn after its arrival: compare the kinds apart.
      const of = (kind) => order.filter((number) => (number % 3 === 2) === kind);
      for (const numbers of [of(true), of(false)]) assert.deepEqual(numbers, [...numbers].sort((x, y) => x - y));
    });

    test("a client that leaves is told so, and can come back", async (t) => {
      const socket = await connected(t, server, options);
      const first = socket.id;
      const left = once(socket, "disconnect");
      socket.disconnect();
      assert.equal((await left)[0], "io client disconnect");
      socket.connect();
      await once(socket, "connect");
      assert.notEqual(socket.id, first);
      assert.deepEqual(await echo(socket, "back"), ["back"]);
    });

    test("a lost connection is made again, with a new id and the events buffered meanwhile", async (t) => {
      const socket = await connected(t, server, options);
      const first = socket.id;
      const lost = once(socket, "disconnect");
      socket.io.engine.close();
      assert.equal((await lost)[0], "forced close");
      const answer = once(socket, "message-back");
      socket.emit("message", "buffered");
      assert.deepEqual(await answer, ["buffered"]);
      assert.notEqual(socket.id, first);
    });
  });
}
