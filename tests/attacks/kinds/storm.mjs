// Everything at once, against a program with a small budget of memory; and a broadcast storm with clients that never read.
import assert from "node:assert/strict";
import { RawConnection, requestBytes } from "../../interop/support/http.mjs";
import { RawWebSocket } from "../../interop/support/websocket.mjs";
import { sleep, until } from "../../interop/support/wait.mjs";
import { nessusCsv, manyRows, slowUpload, startProgram, upload, watcher } from "../../program/support.mjs";
import { beside } from "../support/beside.mjs";
import { block, frame, payload, text } from "../support/frames.mjs";
import { anonymousMib, descriptors, forgetPeak, peakMib } from "../support/proc.mjs";

const module = import.meta.url;
const EVERYTHING = "everything at once, with a budget of 24 MiB";
const BROADCAST = "a broadcast storm, and one client of ten never reads";
const CONTENT = "Content-Type: application/json\r\n";

/** The worst case of resident memory in MiB that the program's log tells at the start, and what of it is the program's own code. */
export function worstCase(program) {
  const [, worst, own] = /at most ([\d.]+) MiB resident: ([\d.]+) the program/.exec(program.log());
  return { worstMib: Number(worst), ownMib: Number(own) };
}

/** Does something over and over until the attack is to end. Nothing that fails in it matters. */
async function again(crew, count, act) {
  const loop = async () => {
    while (!crew.stopped) {
      await Promise.resolve(act()).catch(() => {});
      await sleep(20);
    }
  };
  await Promise.all(Array.from({ length: count }, loop));
}

/** A connection that sends some bytes, reads nothing, and stays until the server ends it, or for a while. */
async function holding(crew, bytes) {
  const { socket } = await RawConnection.open(crew.server.port);
  crew.adopt(socket).pause();
  socket.write(bytes);
  const closed = new Promise((resolve) => socket.once("close", resolve).once("error", resolve));
  socket.once("end", () => socket.destroy());
  await Promise.race([closed, sleep(3_000), crew.untilStopped()]);
  socket.destroy();
}

/** A client in `/` that sends the same bytes as long as they are taken, for a while. */
async function flooding(crew, piece) {
  const client = await RawWebSocket.session(crew.server);
  const socket = crew.adopt(client.connection.socket);
  client.send("40");
  const bytes = block(piece);
  const fill = () => {
    while (!crew.stopped && !socket.destroyed && socket.write(bytes));
  };
  socket.on("drain", fill);
  fill();
  const closed = new Promise((resolve) => socket.once("close", resolve).once("error", resolve));
  await Promise.race([closed, sleep(4_000), crew.untilStopped()]);
  socket.destroy();
}

/** The same with bytes that are sent once, of which the rest never comes. */
async function halting(crew, bytes) {
  const client = await RawWebSocket.session(crew.server);
  client.send("40");
  const socket = crew.adopt(client.connection.socket);
  socket.pause();
  socket.write(bytes);
  await Promise.race([new Promise((resolve) => socket.once("close", resolve).once("error", resolve)), sleep(3_000), crew.untilStopped()]);
  socket.destroy();
}

/** The server with what is not told to the attacking process. */
const whole = (server) => ({ ...server, origin: `http://127.0.0.1:${server.port}` });

const post = (target, body, length = Buffer.byteLength(body)) =>
  Buffer.from(`POST ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${CONTENT}Content-Length: ${length}\r\n\r\n${body}`);
const get = (target) => requestBytes("GET", target);

/** Creates sessions with much metadata, has them grow, and ends some with large results. */
async function growing(crew) {
  const { origin } = whole(crew.server);
  const send = async (target, body) => {
    const answer = await fetch(origin + target, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
  };
  const { body } = await send("/api/sessions", { metadata: { note: "x".repeat(8_000) } });
  const id = body.sessionId;
  if (!id) return;
  await send(`/api/sessions/${id}/progress`, { progress: 0.5, metadata: { more: "y".repeat(7_000) } });
  if (Math.random() < 0.5) await send(`/api/sessions/${id}/complete`, { result: { large: "z".repeat(60_000) } });
}

/** Uploads: one that trickles, and others as fast as they are taken. */
async function trickling(crew) {
  const sent = slowUpload(whole(crew.server), { csvBytes: 50_000 });
  for (let pieces = 0; pieces < 30 && !crew.stopped; pieces += 1) {
    await sent.write("x".repeat(100));
    await sleep(100);
  }
  sent.abort();
}

const storm = {
  name: EVERYTHING,
  title: EVERYTHING,

  async prepare(crew) {
    this.csv = nessusCsv(manyRows("storm-host", 3_000));
  },

  async run(crew) {
    const handshake = get(`${crew.server.path}?EIO=4&transport=polling`);
    const tiny = text("42[1]");
    const halfFrame = frame({ payload: "4".padEnd(16_000, "x") }).subarray(0, 15_000);
    const fragment = frame({ fin: false, payload: "4".padEnd(15_000, "x") });
    const lists = Array.from({ length: 500 }, (_, id) => text(`42${id}["list_sessions"]`));
    let label = 0;
    await Promise.all([
      again(crew, 4, () => flooding(crew, text("3"))),
      again(crew, 4, () => flooding(crew, tiny)),
      again(crew, 4, () => flooding(crew, text(`42["large","${"x".repeat(10_000)}"]`))),
      again(crew, 2, () => flooding(crew, Buffer.concat(lists))),
      again(crew, 8, () => holding(crew, Buffer.concat(Array(20).fill(get("/api/sessions?limit=1000"))))),
      again(crew, 3, () => holding(crew, get("/api/vulnerabilities?limit=1000"))),
      again(crew, 2, () => holding(crew, get("/api/vulnerabilities.json"))),
      again(crew, 6, () => holding(crew, post("/api/sessions", "x".repeat(60_000), 65_000))),
      again(crew, 6, () => holding(crew, Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${"x".repeat(15_000)}`))),
      again(crew, 6, () => halting(crew, halfFrame)),
      again(crew, 6, () => halting(crew, fragment)),
      again(crew, 2, () => holding(crew, Buffer.concat(Array(500).fill(handshake)))),
      again(crew, 2, async () => {
        const [client] = await crew.polling(1);
        await crew.post([client], payload(`42["list_sessions"]`, 10_000), { times: 3 });
        client.connection.destroy();
      }),
      again(crew, 4, () => growing(crew)),
      again(crew, 2, () => trickling(crew)),
      again(crew, 3, () => upload(whole(crew.server), this.csv, { before: [["vendor", `storm-${(label += 1) % 3}`]] })),
      again(crew, 2, async () => {
        const { socket } = await RawConnection.open(crew.server.port);
        socket.write("GET / HTTP/1.1\r\n");
        socket.resetAndDestroy();
      }),
    ]);
  },

  bounds: { answers: { min: 200 }, dropped: { max: 0 }, missingMib: { max: 0 }, leftDescriptors: { max: 0 }, created: { min: 1 } },

  measure: (t, _, options) => measureStorm(t, { ...options, seconds: 30, limitSeconds: 60 }),
};

/** The storm for some seconds; afterwards the server has to be as before. */
export async function measureStorm(t, { seconds, limitSeconds, ...options }) {
  const program = await startProgram(t, { flags: ["--memory-budget", "24MiB"] });
  await program.logged(/at most .* MiB resident/);
  const { worstMib, ownMib } = worstCase(program);
  const before = descriptors(program);
  let anonMib = 0;
  const sampler = setInterval(() => (anonMib = Math.max(anonMib, anonymousMib(program.pid))), 20);
  forgetPeak(program.pid);
  const server = { ...program, kind: "program" };
  const figures = await beside(t, server, { module, name: EVERYTHING }, { answers: 200, seconds, limitSeconds, ...options });
  clearInterval(sampler);
  const mostMib = peakMib(program.pid);
  // Imports that run come to their end, idle connections to theirs.
  await until(() => descriptors(program) <= before, "descriptors", 60_000).catch(() => {});
  const leftDescriptors = descriptors(program) - before;
  const created = await emptyAndCreate(program);
  return { ...figures, mostMib, anonMib, missingMib: mostMib - worstMib, worstMib, ownMib, leftDescriptors, created };
}

/** Ends all sessions, and says whether a new one is created then. */
async function emptyAndCreate(program) {
  for (;;) {
    const { body } = await program.call("GET", "/api/sessions?limit=1000");
    if (body.sessions.length === 0) break;
    for (const { sessionId, status } of body.sessions) {
      if (status === "processing") await program.call("POST", `/api/sessions/${sessionId}/cancel`, {});
      else await program.call("DELETE", `/api/sessions/${sessionId}`);
    }
  }
  const create = async () => (await program.call("POST", "/api/sessions", { metadata: { note: "x".repeat(10_000) } })).status === 201;
  await until(create, "a session");
  return 1;
}

const SESSIONS = 50;
const EVENT_BYTES = 8_000;

const broadcast = {
  name: BROADCAST,
  title: BROADCAST,
  bounds: { missingMib: { max: 0 }, fewest: { min: 1 }, stale: { max: 0 } },
  measure: (t) => measureBroadcast(t, { clients: 1_000, events: 200 }),
};

/** Events to everybody while sessions progress. Every client that reads gets all of them, and the newest of every session. */
export async function measureBroadcast(t, { clients, events }) {
  const program = await startProgram(t);
  await program.logged(/at most .* MiB resident/);
  const { worstMib, ownMib } = worstCase(program);
  forgetPeak(program.pid);
  const watching = await watcher(t, program);
  const opened = [];
  while (opened.length < clients) {
    const some = Array.from({ length: Math.min(50, clients - opened.length) }, () => RawWebSocket.session(program));
    opened.push(...(await Promise.all(some)));
  }
  const readers = opened.map((client, index) => {
    const { socket } = client.connection;
    socket.removeAllListeners("data");
    client.send("40");
    const reader = { socket, bytes: 0 };
    if (index % 10 === 0) socket.pause();
    else socket.on("data", (bytes) => (reader.bytes += bytes.length));
    return reader;
  });
  const reading = readers.filter((_, index) => index % 10 !== 0);
  await until(() => reading.every(({ bytes }) => bytes > 0), "all joined", 60_000);
  const created = await Promise.all(Array.from({ length: SESSIONS }, () => program.call("POST", "/api/sessions", {})));
  const ids = created.map(({ body }) => body.sessionId);
  let anonMib = 0;
  for (let number = 1; number <= events; number += 1) {
    const message = "x".repeat(EVENT_BYTES);
    const sent = program.call("POST", "/api/events/data_updated", { type: "scans", action: "updated", count: number, source: { text: message } });
    const id = ids[number % SESSIONS];
    const told = program.call("POST", `/api/sessions/${id}/progress`, { progress: number / events / 2 });
    for (const answer of await Promise.all([sent, told])) assert.equal(answer.status, 202, JSON.stringify(answer.body));
    anonMib = Math.max(anonMib, anonymousMib(program.pid));
  }
  await Promise.all(ids.map((id) => program.call("POST", `/api/sessions/${id}/progress`, { progress: 0.75 })));
  const newest = (id) => watching.session(id).filter(([name]) => name === "import_progress").at(-1)?.[1].progress;
  const stale = () => ids.filter((id) => newest(id) !== 0.75).length;
  await until(() => stale() === 0, "the newest of every session", 60_000).catch(() => {});
  const wanted = events * EVENT_BYTES;
  await until(() => reading.every(({ bytes, socket }) => bytes > wanted || socket.destroyed), "all events", 60_000).catch(() => {});
  const fewest = Math.min(...reading.map(({ bytes }) => bytes)) / wanted;
  const mostMib = peakMib(program.pid);
  for (const { socket } of readers) socket.destroy();
  return { mostMib, anonMib, worstMib, ownMib, missingMib: mostMib - worstMib, fewest, stale: stale() };
}

export const attacks = [storm, broadcast];
