// The examples that people copy from: a chat, private messages, todos, a tour, and the server in a host's own loop.
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { describe, test } from "node:test";
import { ack, client, eventsOf } from "./support/clients.mjs";
import { request } from "./support/http.mjs";
import { ownServer, runToExit, sharedServer, startServer } from "./support/server.mjs";
import { once, until, within } from "./support/wait.mjs";

/** A client that has been let in; these examples greet nobody with an event of their own. */
async function joined(t, server, options = {}) {
  const socket = client(t, server, options);
  await once(socket, "connect");
  return socket;
}

/** The event has come this many times; gives the arguments of each. */
async function received(socket, name, count) {
  await until(() => eventsOf(socket, name).length >= count, `${count} times "${name}"`);
  return eventsOf(socket, name);
}

for (const kind of ["chat", "private_messaging", "todo", "tour", "jobs", "embedded_loop"]) {
  test(`${kind} refuses flags it does not know and a command line without --listen`, async () => {
    for (const args of [[], ["--listen", "127.0.0.1:0", "--no-such-flag"]]) {
      const end = await runToExit(kind, args);
      assert.equal(end.status, 2);
      assert.match(end.stderr, /--listen|--no-such-flag/);
    }
  });
}

for (const kind of ["chat", "private_messaging"]) {
  test(`${kind} serves one page, and no file outside of the browser client`, async (t) => {
    const server = await ownServer(t, kind);
    const page = await request(server.port, "GET", "/");
    assert.equal(page.status, 200);
    assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
    assert.match(page.body, /<script src="\/socket\.io\/socket\.io\.js">/);
    for (const path of ["/index.html", "/socket.io/../package.json", "/socket.io/socket.io.js/../../package.json"]) {
      const answer = await request(server.port, "GET", path);
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
    }
  });
}

describe("chat", () => {
  const server = sharedServer("chat");
  let rooms = 0;
  const newRoom = () => `room ${(rooms += 1)}`;

  async function guest(t, name, room) {
    const socket = await joined(t, server);
    const [answer] = await ack(socket, "enter", name, room);
    assert.deepEqual(answer.users.at(-1), name);
    return socket;
  }

  test("whoever enters is told who is there, and the others are told of it", async (t) => {
    const room = newRoom();
    const ann = await joined(t, server);
    assert.deepEqual(await ack(ann, "enter", "Ann", room), [{ users: ["Ann"] }]);
    const bob = await joined(t, server);
    assert.deepEqual(await ack(bob, "enter", "Bob", room), [{ users: ["Ann", "Bob"] }]);
    assert.deepEqual(await received(ann, "entered", 1), [[{ name: "Bob" }]]);
    assert.deepEqual(bob.log, []);
  });

  test("what is said and who is typing reaches the others in that room and nobody else", async (t) => {
    const room = newRoom();
    const [ann, bob, cid] = [await guest(t, "Ann", room), await guest(t, "Bob", room), await guest(t, "Cid", newRoom())];
    ann.emit("typing", true);
    ann.emit("typing", false);
    assert.deepEqual(await ack(ann, "say", "Hello, Bob"), [{}]);
    assert.deepEqual(await received(bob, "said", 1), [[{ name: "Ann", text: "Hello, Bob" }]]);
    assert.deepEqual(eventsOf(bob, "typing"), [[{ name: "Ann", is_typing: true }], [{ name: "Ann", is_typing: false }]]);
    await ack(cid, "say", "alone");
    assert.deepEqual(cid.log, []);
    assert.deepEqual(ann.log, [["entered", { name: "Bob" }]]);
  });

  test("a change of room is told in both", async (t) => {
    const [here, there] = [newRoom(), newRoom()];
    const [ann, bob, cid] = [await guest(t, "Ann", here), await guest(t, "Bob", here), await guest(t, "Cid", there)];
    assert.deepEqual(await ack(bob, "enter", "Bob", there), [{ users: ["Cid", "Bob"] }]);
    assert.deepEqual(await received(ann, "left", 1), [[{ name: "Bob" }]]);
    assert.deepEqual(await received(cid, "entered", 1), [[{ name: "Bob" }]]);
    await ack(ann, "say", "still here?");
    await ack(bob, "say", "there now");
    assert.deepEqual(await received(cid, "said", 1), [[{ name: "Bob", text: "there now" }]]);
    assert.deepEqual(eventsOf(bob, "said"), []);
    assert.deepEqual(eventsOf(ann, "said"), []);
  });

  test("the others are told who has left, be it on purpose or with the connection", async (t) => {
    const room = newRoom();
    const [ann, bob, cid] = [await guest(t, "Ann", room), await guest(t, "Bob", room), await guest(t, "Cid", room)];
    bob.disconnect();
    assert.deepEqual(await received(ann, "left", 1), [[{ name: "Bob" }]]);
    cid.io.reconnection(false);
    cid.io.engine.close();
    assert.deepEqual(await received(ann, "left", 2), [[{ name: "Bob" }], [{ name: "Cid" }]]);
    const dan = await joined(t, server);
    assert.deepEqual(await ack(dan, "enter", "Dan", room), [{ users: ["Ann", "Dan"] }]);
  });

  test("bad input is acknowledged with an error and harms nobody", async (t) => {
    const room = newRoom();
    const ann = await guest(t, "Ann", room);
    const stranger = await joined(t, server);
    for (const args of [[], ["Eve"], ["", room], ["Eve", " "], [1, room], [{ name: "Eve" }], [null, null]]) {
      const [answer] = await ack(stranger, "enter", ...args);
      assert.deepEqual(answer, { error: "Both a name and a room are needed." }, JSON.stringify(args));
    }
    assert.deepEqual(await ack(stranger, "say", "hello"), [{ error: "Enter a room first." }]);
    stranger.emit("typing", true);
    for (const args of [[], [7], [null], [Buffer.from("bytes")]]) {
      assert.deepEqual(await ack(ann, "say", ...args), [{ error: "What is said is a text." }]);
    }
    // Without an acknowledgement asked for there is nowhere to put the error.
    stranger.emit("enter");
    stranger.emit("typing", { not: "a boolean" });
    assert.deepEqual(await ack(stranger, "enter", "Fay", room), [{ users: ["Ann", "Fay"] }]);
    assert.deepEqual(await received(ann, "entered", 1), [[{ name: "Fay" }]]);
    assert.deepEqual(ann.log.length, 1);
  });

  test("a room that is named as somebody's socket is a room like others", async (t) => {
    const ann = await guest(t, "Ann", newRoom());
    const bob = await guest(t, "Bob", ann.id);
    await ack(bob, "say", "to Ann alone?");
    await ack(ann, "say", "nothing has come");
    assert.deepEqual(ann.log, []);
  });
});

describe("private_messaging", () => {
  const server = sharedServer("private_messaging");

  const person = (t, name, options = {}) => joined(t, server, { auth: { name, password: "wheel" }, ...options });
  // With connection state recovery an offset comes behind the arguments of every event.
  const lettersTo = (socket) => eventsOf(socket, "private message").map(([letter]) => letter);
  const letters = async (socket, count) => {
    await received(socket, "private message", count);
    return lettersTo(socket);
  };

  test("nobody gets in without a name and the password, and the error names the field", async (t) => {
    const cases = [
      [undefined, "A name and a password are needed", "name"],
      [{ name: "Ann" }, "A name and a password are needed", "name"],
      [{ name: 1, password: "wheel" }, "A name and a password are needed", "name"],
      [{ name: "  ", password: "wheel" }, "The name is empty", "name"],
      [{ name: "Ann", password: "spoke" }, "The password is wrong", "password"],
    ];
    for (const [auth, message, field] of cases) {
      const socket = client(t, server, { auth });
      const [error] = await once(socket, "connect_error");
      assert.equal(error.message, message);
      assert.deepEqual(error.data, { field });
      assert.equal(socket.active, false, "the client does not try again by itself");
    }
  });

  test("a client that was refused gets in once it gives the right password", async (t) => {
    const socket = client(t, server, { auth: { name: "Late", password: "spoke" } });
    await once(socket, "connect_error");
    socket.auth.password = "wheel";
    socket.connect();
    await until(() => eventsOf(socket, "people").some(([names]) => names.includes("Late")), "own name among the people");
  });

  test("a letter reaches all windows of one person and the sender's other ones, and nobody else", async (t) => {
    const [ann, annToo] = [await person(t, "Ann"), await person(t, "Ann")];
    const [bob, bobToo] = [await person(t, "Bob"), await person(t, "Bob")];
    const eve = await person(t, "Eve");
    assert.deepEqual(await ack(ann, "private message", { to: "Bob", text: "psst" }), [{ sent: true }]);
    const letter = { from: "Ann", to: "Bob", text: "psst" };
    for (const socket of [annToo, bob, bobToo]) {
      assert.deepEqual(await letters(socket, 1), [letter]);
    }
    // Letters arrive in the order sent: had the first gone to Eve, it would be there before this one.
    await ack(ann, "private message", { to: "Eve", text: "hello" });
    assert.deepEqual(await letters(eve, 1), [{ from: "Ann", to: "Eve", text: "hello" }]);
    await letters(annToo, 2);
    assert.deepEqual(lettersTo(ann), []);
    assert.deepEqual([lettersTo(bob).length, lettersTo(bobToo).length, lettersTo(eve).length], [1, 1, 1]);
  });

  test("everybody is told who is there, each name once", async (t) => {
    const first = await person(t, "Zoe");
    const told = (socket) => eventsOf(socket, "people").at(-1)?.[0] ?? [];
    const second = await person(t, " Yan ");
    await person(t, "Zoe");
    for (const socket of [first, second]) {
      await until(() => told(socket).includes("Yan") && told(socket).includes("Zoe"), "both names");
      const names = told(socket);
      assert.deepEqual(names, [...new Set(names)].sort());
    }
    second.disconnect();
    await until(() => !told(first).includes("Yan"), "the news that Yan has left");
    assert.ok(told(first).includes("Zoe"));
  });

  test("what cannot be delivered is acknowledged with an error", async (t) => {
    const [gil, hal] = [await person(t, "Gil"), await person(t, "Hal")];
    for (const letter of [undefined, null, "Hal", { to: "Hal" }, { to: 1, text: "x" }, { to: "Hal", text: 2 }]) {
      const [answer] = await ack(gil, "private message", letter);
      assert.deepEqual(answer, { error: "A letter is {to, text}." }, JSON.stringify(letter));
    }
    const [answer] = await ack(gil, "private message", { to: "nobody", text: "x" });
    assert.deepEqual(answer, { error: "Nobody of that name is here." });
    assert.deepEqual(await ack(gil, "private message", { to: "Hal", text: "x" }), [{ sent: true }]);
    assert.deepEqual(await letters(hal, 1), [{ from: "Gil", to: "Hal", text: "x" }]);
  });

  test("what is sent to somebody whose connection is gone arrives when it is back", async (t) => {
    const ivy = await person(t, "Ivy", { reconnectionDelay: 300, randomizationFactor: 0 });
    const jon = await person(t, "Jon");
    await received(jon, "people", 1);
    const { id } = ivy;
    for (const round of [1, 2]) {
      const back = once(ivy, "connect");
      ivy.io.engine.close();
      assert.equal(ivy.connected, false);
      assert.deepEqual(await ack(jon, "private message", { to: "Ivy", text: `round ${round}` }), [{ sent: true }]);
      await back;
      assert.equal(ivy.recovered, true);
      assert.equal(ivy.id, id);
      const got = await letters(ivy, round);
      assert.deepEqual(got.at(-1), { from: "Jon", to: "Ivy", text: `round ${round}` });
    }
    // It is in its room once, and known by its name.
    await ack(jon, "private message", { to: "Ivy", text: "the last" });
    await ack(ivy, "private message", { to: "Jon", text: "thanks" });
    assert.deepEqual(await letters(jon, 1), [{ from: "Ivy", to: "Jon", text: "thanks" }]);
    assert.deepEqual(lettersTo(ivy).map(({ text }) => text), ["round 1", "round 2", "the last"]);
    const away = eventsOf(jon, "people").filter(([names]) => !names.includes("Ivy"));
    assert.deepEqual(away, [], "whoever may come back in a moment is still named");
  });
});

describe("todo", () => {
  const server = sharedServer("todo");

  test("what one client creates, changes and deletes is acknowledged, and the others hear of it", async (t) => {
    const [ann, bob] = [await joined(t, server), await joined(t, server)];
    const [id] = await ack(ann, "todo:create", { title: " Buy milk ", id: 77 });
    assert.equal(typeof id, "number");
    const created = { id, title: "Buy milk", is_done: false };
    assert.deepEqual(await received(bob, "todo:created", 1), [[created]]);
    assert.deepEqual(await ack(bob, "todo:read", id), [created]);
    const changed = { id, title: "Buy oat milk", is_done: true };
    assert.deepEqual(await ack(bob, "todo:update", changed), []);
    assert.deepEqual(await received(ann, "todo:updated", 1), [[changed]]);
    const [list] = await ack(ann, "todo:list");
    assert.deepEqual(list.filter((todo) => todo.id === id), [changed]);
    assert.deepEqual(await ack(ann, "todo:delete", id), []);
    assert.deepEqual(await received(bob, "todo:deleted", 1), [[id]]);
    assert.deepEqual(await ack(ann, "todo:read", id), [{ error: `There is no todo ${id}.` }]);
    assert.deepEqual(eventsOf(ann, "todo:created"), [], "nobody hears of what it did itself");
  });

  test("bad input is acknowledged with an error that names what is wrong", async (t) => {
    const socket = await joined(t, server);
    const errorOf = async (...args) => (await ack(socket, ...args))[0].error;
    assert.match(await errorOf("todo:create"), /argument 0 is missing/);
    assert.match(await errorOf("todo:create", { name: "x" }), /argument 0: missing field `title`/);
    assert.match(await errorOf("todo:create", { title: 7 }), /argument 0: .*expected a string/);
    assert.match(await errorOf("todo:read", "one"), /argument 0: .*expected u64/);
    assert.equal(await errorOf("todo:create", { title: "  " }), "A title is needed.");
    assert.equal(await errorOf("todo:update", { id: 1e6, title: "x" }), "There is no todo 1000000.");
    assert.match(await errorOf("todo:create", { title: "x".repeat(201) }), /201 bytes is too long/);
    // Without an acknowledgement asked for there is nowhere to put the error.
    socket.emit("todo:create", null);
    const [id] = await ack(socket, "todo:create", { title: "still here" });
    assert.equal((await ack(socket, "todo:read", id))[0].title, "still here");
  });
});

describe("tour", () => {
  const server = sharedServer("tour");
  const named = (t, token) => joined(t, server, { query: { token } });

  test("a request without a token opens no session, and a name that is taken does not join", async (t) => {
    const refused = await request(server.port, "GET", "/socket.io/?EIO=4&transport=polling");
    assert.deepEqual([refused.status, refused.body], [403, '{"code":4,"message":"no token, no session"}']);
    await named(t, "taken");
    const second = client(t, server, { query: { token: "taken" } });
    const [error] = await once(second, "connect_error");
    assert.equal(error.message, "this name is taken");
  });

  test("typed arguments come in and return values are the acknowledgements", async (t) => {
    const [ann, bob] = [await named(t, "Ann"), await named(t, "Bob")];
    assert.deepEqual(await received(ann, "hi", 1), [["Bob"]]);
    const [before] = await ack(ann, "note", "first");
    assert.deepEqual(await ack(ann, "note", "second", true), [before + 1]);
    assert.deepEqual(await received(bob, "noted", 2), [["first", null], ["second", true]]);
    assert.deepEqual(await ack(ann, "note", ""), [{ error: "an empty note" }]);
    const [{ error }] = await ack(ann, "note", "x", "loud");
    assert.match(error, /^argument 1: .*expected a boolean/);
    bob.disconnect();
    assert.deepEqual(await received(ann, "bye", 1), [["Bob", "client namespace disconnect"]]);
  });

  test("another thread answers later, tells how far it is, and hears of a cancellation", async (t) => {
    const socket = await named(t, "Cid");
    const [{ year, pages }] = await ack(socket, "report", 1999);
    assert.deepEqual([year, typeof pages], [1999, "number"]);
    const [[created]] = await received(socket, "session_created", 1);
    await until(() => eventsOf(socket, "import_complete").some(([{ sessionId }]) => sessionId === created.sessionId), "end of the job");
  });

  test("plain requests are answered beside the clients, and reach them", async (t) => {
    const socket = await named(t, "Eve");
    const posted = await request(server.port, "POST", "/notes", { body: '"by HTTP"' });
    assert.equal(posted.status, 204);
    assert.deepEqual(await received(socket, "noted", 1), [["by HTTP", true]]);
    const notes = await request(server.port, "GET", "/notes");
    assert.match(notes.body, /^by HTTP$/m);
    assert.equal((await request(server.port, "POST", "/notes", { body: "no JSON" })).status, 400);
    const wrong = await request(server.port, "PUT", "/notes");
    assert.deepEqual([wrong.status, wrong.headers.allow], [405, "GET, HEAD, POST"]);
    assert.equal((await request(server.port, "GET", "/nothing")).status, 404);
  });

  test("timers tick, and another thread asks everybody", async (t) => {
    const socket = await named(t, "Dan");
    socket.on("still there?", (reply) => reply(true));
    await received(socket, "tick", 2);
    await until(() => eventsOf(socket, "counted").length > 0, "count");
    const ticks = eventsOf(socket, "tick").map(([tick]) => tick);
    assert.deepEqual(ticks, [...ticks].sort((a, b) => a - b));
  });
});

describe("jobs", () => {
  const server = sharedServer("jobs");
  const named = (t, name) => joined(t, server, { auth: { name } });
  // Names that are work for longer than anybody waits here.
  const long = Array.from({ length: 3 }, () => "x".repeat(100_000));
  const aboutSessions = (socket) => socket.log.filter(([, event]) => event?.sessionId !== undefined);

  test("work is seen by its owner and by the admin, and for others it does not exist", async (t) => {
    const [eve, eveToo, fay, admin] = await Promise.all(["Eve", "Eve", "Fay", "admin"].map((name) => named(t, name)));
    const result = ack(eve, "convert", long);
    const [[{ sessionId }]] = await received(eveToo, "session_created", 1);
    const answersTo = (name, ...args) =>
      Promise.all([eve, fay, admin].map(async (socket) => (await ack(socket, name, ...args))[0]));
    const tracked = await answersTo("track_session", sessionId);
    assert.deepEqual(tracked.map(({ ok }) => ok), [true, false, true]);
    const other = sessionId.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    const [unknown] = await ack(fay, "track_session", other);
    const withoutIds = (answer) => JSON.stringify(answer).replaceAll(/[0-9a-f-]{36}/g, "ID");
    assert.equal(withoutIds(tracked[1]), withoutIds(unknown));
    const listed = await answersTo("list_sessions", {});
    assert.deepEqual(listed.map(({ sessions }) => sessions.map(({ id }) => id)), [[sessionId], [], [sessionId]]);
    for (const socket of [fay, admin]) {
      const [refused] = await ack(socket, "cancel_session", sessionId);
      assert.equal(refused.error.code, "SESSION_NOT_FOUND");
    }
    const [cancelled] = await ack(eveToo, "cancel_session", { sessionId, reason: "enough" });
    assert.equal(cancelled.session.status, "cancelled");
    assert.deepEqual(await result, [{ error: "cancelled" }]);
    for (const socket of [eve, eveToo, admin]) {
      assert.equal((await received(socket, "import_cancelled", 1))[0][0].reason, "enough");
    }
    assert.deepEqual(aboutSessions(fay), []);
    const [gone] = await ack(fay, "track_session", sessionId);
    assert.equal(gone.error.code, "SESSION_NOT_FOUND", "also once it is cancelled");
  });

  test("who comes back is the owner again", async (t) => {
    const gus = await named(t, "Gus");
    gus.disconnect().connect();
    await once(gus, "connect");
    assert.deepEqual(await ack(gus, "convert", ["ab", "c"]), [3]);
    await received(gus, "import_complete", 1);
    const [{ sessions }] = await ack(gus, "list_sessions", {});
    assert.deepEqual(sessions.map(({ operation, status }) => [operation, status]), [["convert", "completed"]]);
    const { steps, parts } = sessions[0].metadata;
    assert.deepEqual(steps, [["look", 1, 0.1], ["sum", 1, 0.1]]);
    assert.deepEqual(parts, [["ab", 1], ["c", 1]]);
  });

  test("who says no name does not come in", async (t) => {
    const [error] = await once(client(t, server), "connect_error");
    assert.equal(error.message, "a name is needed");
  });
});

describe("embedded_loop", () => {
  /** The running example, and how to report to it. */
  async function host(t) {
    const server = await startServer("embedded_loop");
    t.after(() => server.kill());
    const line = await until(() => /^reports to udp 127\.0\.0\.1:(\d+)$/m.exec(server.written().stdout), "line of the UDP port");
    const socket = dgram.createSocket("udp4");
    t.after(() => socket.close());
    server.report = (datagram) =>
      within(new Promise((resolve) => socket.send(datagram, Number(line[1]), "127.0.0.1", resolve)), "datagram sent");
    return server;
  }

  test("reports to the host's own descriptor reach clients as progress", async (t) => {
    const server = await host(t);
    const socket = await joined(t, server);
    await until(() => server.written().stdout.includes(`connected: ${socket.id}\n`), "word of the client");
    await server.report("40");
    const [[created]] = await received(socket, "session_created", 1);
    await until(() => eventsOf(socket, "import_progress").some(([event]) => event.progress === 0.4), "progress of 40 %");
    await server.report("100\n");
    const [[complete]] = await received(socket, "import_complete", 1);
    assert.match(created.sessionId, /^[0-9a-f-]{36}$/);
    assert.equal(complete.sessionId, created.sessionId);
    const ids = eventsOf(socket, "import_progress").map(([event]) => event.sessionId);
    assert.deepEqual([...new Set(ids)], [created.sessionId]);

    await server.report("1.5");
    const [, [next]] = await received(socket, "session_created", 2);
    assert.notEqual(next.sessionId, created.sessionId, "the next report begins another session");
  });

  test("a datagram that is no report is named and changes nothing", async (t) => {
    const server = await host(t);
    const socket = await joined(t, server);
    const bad = ["many", "-1", "100.1", "NaN", "", "\u0000", Buffer.from([0xff, 0xfe]), "9".repeat(2000)];
    for (const [index, datagram] of bad.entries()) {
      await server.report(datagram);
      await until(() => server.written().stderr.match(/is no number from 0 to 100/g)?.length === index + 1, "word of it");
    }
    assert.match(server.written().stderr, /^embedded_loop: "many" is no number from 0 to 100$/m);
    await server.report("50");
    await received(socket, "session_created", 1);
    assert.deepEqual(socket.log[0][0], "session_created");
    assert.equal(eventsOf(socket, "session_created").length, 1);
  });

  test("ends on SIGTERM as any program without a handler of its own", async () => {
    const server = await startServer("embedded_loop");
    await server.stop();
  });
});
