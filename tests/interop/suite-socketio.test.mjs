// What test suites of Socket.IO clients ask of the server beside them, asked of the host that answers such suites.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Manager } from "socket.io-client";
import { client, eventsOf, TRANSPORTS } from "./support/clients.mjs";
import { sharedServer } from "./support/server.mjs";
import { once, sleep, until, within } from "./support/wait.mjs";

const host = sharedServer("suite_host");
const ID = /^[A-Za-z0-9_-]{20}$/;
const BYTES = Buffer.from("asdfasdf");

/** Emits an event and gives what it is acknowledged with. */
const ask = (socket, ...event) => within(socket.emitWithAck(...event), `ack of "${event[0]}"`);

for (const [way, options] of Object.entries(TRANSPORTS)) {
  describe(`a suite's client over ${way}`, () => {
    test("what is emitted before the connection arrives with it", async (t) => {
      const socket = client(t, host, options);
      socket.emit("hi");
      await once(socket, "hi");
      assert.equal(await ask(socket, "echo", 123), 123);
    });

    test("values and texts come as they are", async (t) => {
      const socket = client(t, host, options);
      socket.emit("false");
      // The last argument is the offset for a recovery.
      const [value, offset] = await once(socket, "false");
      assert.equal(value, false);
      assert.equal(typeof offset, "string");
      const texts = [];
      socket.on("takeUtf8", (text) => texts.push(text));
      socket.emit("getUtf8");
      await until(() => texts.length === 5, "five texts");
      assert.equal(texts[1], "Я Б Г Д Ж Й");
      assert.equal(texts[3], texts[4]);
      for (const value of [null, 1.5, "ä", [1, [2]], { a: { b: null } }]) {
        assert.deepEqual(await ask(socket, "echo", value), value);
      }
    });

    test("the host asks for acknowledgements itself", async (t) => {
      const socket = client(t, host, options);
      socket.on("ack", (answer) => answer(5, { test: true }));
      socket.emit("ack");
      await once(socket, "got it");
      socket.off("ack").on("ack", (answer) => answer(4, { test: true }));
      socket.on("got it", () => assert.fail("that was the wrong answer"));
      socket.emit("ack");
      await ask(socket, "echo", "after it");
      await ask(socket, "echo", "and once more");
    });

    test("dates are texts that mean a time", async (t) => {
      const socket = client(t, host, options);
      const before = Date.now();
      socket.emit("getDate");
      const [date] = await once(socket, "takeDate");
      socket.emit("getDateObj");
      const [object] = await once(socket, "takeDateObj");
      const acknowledged = await ask(socket, "getAckDate", { test: true });
      for (const text of [date, object.date, acknowledged]) {
        assert.equal(new Date(text).toJSON(), text);
        assert.ok(Math.abs(Date.parse(text) - before) < 60_000, text);
      }
    });

    test("binary values arrive in both directions and in their order", async (t) => {
      const socket = client(t, host, options);
      for (const [asked, answered] of [["doge", "doge"], ["getbin", "takebin"]]) {
        socket.emit(asked);
        const [bytes] = await once(socket, answered);
        assert.deepEqual(bytes, BYTES);
      }
      const buffer = Uint8Array.from(BYTES).buffer;
      const mixed = { hello: "lol", message: buffer, goodbye: "gotcha" };
      for (const [events, answered] of [
        [[["buffa", buffer]], "buffack"],
        [[["blob", BYTES]], "back"],
        [[["jsonbuff", mixed]], "jsonbuff-ack"],
        [[["jsonblob", mixed]], "jsonblob-ack"],
        [[["abuff1", buffer], ["abuff2", "please arrive second"]], "abuff2-ack"],
        [[["blob1", BYTES], ["blob2", "second"], ["blob3", BYTES]], "blob3-ack"],
      ]) {
        const answer = once(socket, answered);
        for (const event of events) socket.emit(...event);
        await answer;
      }
    });

    test("each namespace knows its clients by their ids", async (t) => {
      const manager = new Manager(host.origin, { ...options, forceNew: true });
      const [main, foo] = [manager.socket("/"), manager.socket("/foo")];
      t.after(() => [main, foo].forEach((socket) => socket.disconnect()));
      for (const socket of [main, foo]) {
        const id = await ask(socket, "getId");
        assert.match(id, ID);
        assert.equal(socket.id, id);
      }
      assert.notEqual(main.id, foo.id);
      foo.disconnect();
      assert.equal(foo.id, undefined);
      assert.equal(await ask(main, "echo", "still here"), "still here");
      foo.connect();
      assert.equal(await ask(foo, "getId"), foo.id);
    });

    test("the handshake has query and auth, each in its place", async (t) => {
      const query = { e: "f", "&a": "&=?a" };
      const root = client(t, host, { ...options, query });
      const seen = await ask(root, "getHandshake");
      assert.equal(seen.query.e, "f");
      assert.equal(seen.query["&a"], "&=?a");
      assert.equal(seen.query.EIO, "4");
      assert.deepEqual(seen.auth, {});
      assert.equal(seen.secure, false);
      assert.ok(seen.headers.host.endsWith(`:${host.port}`));
      const auth = (done) => done({ a: "b", c: { d: 1 } });
      const custom = client(t, host, { ...options, auth, query: "b=c&d=e" }, "/abc");
      const [handshake] = await once(custom, "handshake");
      assert.deepEqual(handshake.auth, { a: "b", c: { d: 1 } });
      assert.equal(handshake.query.a, undefined);
      assert.equal(handshake.query.b, "c");
      assert.equal(handshake.query.d, "e");
    });

    test("middlewares refuse, and the client does not try again by itself", async (t) => {
      for (const [more, namespace, message] of [
        [{}, "/no", "Auth failed (custom namespace)"],
        [{ query: { fail: "yes" } }, "/", "Auth failed (main namespace)"],
        [{}, "/nowhere", "Invalid namespace"],
      ]) {
        const socket = client(t, host, { ...options, ...more }, namespace);
        const [error] = await once(socket, "connect_error");
        assert.equal(error.message, message);
        assert.equal(socket.active, false);
      }
    });

    test("namespaces that do nothing can be joined", async (t) => {
      for (const namespace of ["/timeout_socket", "/valid", "/asd"]) {
        const socket = client(t, host, options, namespace);
        await once(socket, "connect");
        assert.match(socket.id, ID);
      }
    });

    test("an acknowledgement that nobody gives is an error after its time", async (t) => {
      const socket = client(t, host, options);
      await once(socket, "connect");
      await assert.rejects(socket.timeout(20).emitWithAck("unknown"), /operation has timed out/);
      assert.equal(await socket.timeout(15_000).emitWithAck("echo", 42), 42);
    });

    test("a connection that is lost comes back with the id and the events that it had", async (t) => {
      const socket = client(t, host, options);
      socket.emit("hi");
      await once(socket, "hi");
      const { id } = socket;
      const disconnected = once(socket, "disconnect");
      socket.io.engine.close();
      assert.equal((await disconnected)[0], "forced close");
      assert.equal(socket.id, undefined);
      socket.connect();
      assert.equal(await ask(socket, "echo", "back"), "back");
      assert.match(socket.id, ID);
      // A close by the client is a loss like others to the server, which keeps what it may come back to.
      assert.equal(socket.recovered, true);
      assert.equal(socket.id, id);
    });

    test("packets that are retried arrive once and in order", async (t) => {
      const socket = client(t, host, { ...options, retries: 10, ackTimeout: 5_000 });
      const order = [];
      for (const number of [1, 2, 3]) socket.emit("echo", number, (error, value) => order.push(error ?? value));
      await until(() => order.length === 3, "three acknowledgements");
      assert.deepEqual(order, [1, 2, 3]);
    });

    test("a packet that is never acknowledged is sent once, and once more for each retry", async (t) => {
      const socket = client(t, host, { ...options, retries: 3, ackTimeout: 100 });
      const error = await new Promise((resolve) => socket.emit("ack", resolve));
      assert.match(error.message, /timed out/);
      await until(() => eventsOf(socket, "ack").length === 4, "an answer to each of them");
    });

    test("a client that leaves while another connects harms nobody", async (t) => {
      const manager = new Manager(host.origin, { ...options, forceNew: true });
      const first = manager.socket("/asd");
      await once(first, "connect");
      const second = manager.socket("/valid");
      t.after(() => second.disconnect());
      first.disconnect();
      second.connect();
      await once(second, "connect");
      assert.equal(first.connected, false);
    });
  });
}

test("a client with no patience gives up before the host lets it in, and gets in when it has more", async (t) => {
  for (const transports of [["polling"], ["websocket"]]) {
    const hasty = client(t, host, { transports, timeout: 0, reconnection: false });
    const [error] = await once(hasty, "connect_error");
    assert.equal(error.message, "timeout");
    const patient = client(t, host, { transports, timeout: 15_000 });
    await once(patient, "connect");
  }
});

test("a volatile event is dropped without a connection and arrives with one", async (t) => {
  const socket = client(t, host, { transports: ["websocket"] });
  socket.volatile.emit("hi");
  let answers = 0;
  socket.on("hi", () => answers++);
  await once(socket, "connect");
  await ask(socket, "echo", "after it");
  assert.equal(answers, 0);
  await sleep(20);
  socket.volatile.emit("hi");
  await until(() => answers === 1, "the answer");
});

test("what cannot be decoded ends the engine, and the client comes back", async (t) => {
  const socket = client(t, host, { transports: ["websocket"] });
  await once(socket, "connect");
  const disconnected = once(socket, "disconnect");
  socket.io.engine.emit("data", "bad");
  assert.equal((await disconnected)[0], "parse error");
  await once(socket, "connect");
});
