// The hosts of examples/hosts with the official client: TLS around the sockets, tasks of tokio, a mount inside axum.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import tls from "node:tls";
import { ack, client, eventsOf, TRANSPORTS } from "../interop/support/clients.mjs";
import { request } from "../interop/support/http.mjs";
import { DEAF, deafOutput, portOf } from "../interop/support/output.mjs";
import { once, until, within } from "../interop/support/wait.mjs";

/** Path of the host's binary. */
function binary(name) {
  const folder = process.env.PULSEWHEEL_HOSTS;
  assert.ok(folder, "set PULSEWHEEL_HOSTS to the folder of the built hosts");
  return join(folder, name);
}

/** A running host, which ends with the test: its origin and its port. */
async function start(t, name, ...args) {
  const child = spawn(binary(name), ["127.0.0.1:0", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const line = await within(
    new Promise((resolve, reject) => {
      let stdout = "";
      child.once("error", reject).once("exit", (status) => reject(new Error(`${name} ended with ${status}`)));
      child.stdout.setEncoding("utf8").on("data", (text) => {
        stdout += text;
        if (stdout.includes("\n")) resolve(stdout.slice(0, stdout.indexOf("\n")));
      });
    }),
    `first line of ${name}`,
  );
  const [, origin, port] = /^listening on (https?:\/\/.+:(\d+))$/.exec(line) ?? [];
  assert.ok(port, line);
  return { origin, port: Number(port) };
}

async function joined(t, server, options) {
  const socket = client(t, server, options);
  await within(new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject)), "connection");
  if (options.transports?.length === 2) {
    await until(() => socket.io.engine?.transport.name === "websocket", "upgrade");
  }
  return socket;
}

/** Small and large, text and binary, one after the other and all at once. */
async function talk(socket) {
  const long = "long ".repeat(100_000);
  const bytes = Buffer.alloc(200_000, 7);
  socket.emit("echo", 1, "two", { three: bytes });
  socket.emit("echo", long);
  await until(() => eventsOf(socket, "echo").length === 2, "echoes");
  const [first, second] = eventsOf(socket, "echo");
  assert.deepEqual([first[0], first[1], second[0] === long], [1, "two", true]);
  assert.ok(bytes.equals(first[2].three));
  const lengths = Array.from({ length: 50 }, (_, i) => "x".repeat(i * 300));
  const answers = await Promise.all(lengths.map((text) => ack(socket, "length", text)));
  assert.deepEqual(answers.flat(), lengths.map((text) => text.length));
}

test("TLS: every transport works, and the certificate is checked", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pulsewheel-tls-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "certificate.pem");
  const server = await start(t, "host-tls", file);
  const ca = readFileSync(file);
  for (const [way, options] of Object.entries(TRANSPORTS)) {
    await t.test(way, async (t) => talk(await joined(t, server, { ...options, ca })));
  }

  await t.test("a client that does not know the certificate does not come in", async (t) => {
    const socket = client(t, server, { transports: ["websocket"], reconnection: false });
    await once(socket, "connect_error");
  });

  await t.test("what is no TLS ends alone, and a connection is closed in the words of TLS", async (t) => {
    const plain = net.connect({ port: server.port, host: "127.0.0.1" }).on("error", () => {});
    plain.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const [alert] = await once(plain, "data");
    assert.equal(alert[0], 21, "an alert of TLS, and no answer");
    await once(plain, "close");
    const answer = await within(
      new Promise((resolve, reject) => https.get(`${server.origin}/none`, { ca, agent: false }, resolve).once("error", reject)),
      "answer",
    );
    assert.equal(answer.statusCode, 404);
    const socket = tls.connect({ port: server.port, host: "127.0.0.1", ca });
    socket.end("GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let text = "";
    socket.setEncoding("utf8").on("data", (data) => (text += data));
    await once(socket, "end");
    assert.match(text, /^HTTP\/1\.1 404 /);
    await talk(await joined(t, server, { transports: ["websocket"], ca }));
  });
});

test("tokio: tasks await what clients answer", async (t) => {
  const server = await start(t, "host-tokio");
  for (const options of Object.values(TRANSPORTS)) {
    const socket = await joined(t, server, options);
    socket.on("sure?", (what, reply) => reply(what !== "a stone"));
    assert.deepEqual(await ack(socket, "order", "tea"), ["tea is on its way"]);
    assert.deepEqual(eventsOf(socket, "ordered"), [["tea"]]);
    assert.deepEqual(await ack(socket, "order", "a stone"), [{ error: "not sure" }]);
    const orders = Array.from({ length: 20 }, (_, i) => ack(socket, "order", `cup ${i}`));
    assert.deepEqual((await Promise.all(orders)).flat(), orders.map((_, i) => `cup ${i} is on its way`));
  }
});

test("axum: Socket.IO beside its routes on one port", async (t) => {
  const server = await start(t, "host-axum");
  assert.equal((await request(server.port, "GET", "/hello")).body, "axum is here");
  assert.equal((await request(server.port, "GET", "/nothing")).status, 404);
  for (const [way, options] of Object.entries(TRANSPORTS)) {
    await t.test(way, async (t) => {
      const socket = await joined(t, server, options);
      await until(() => eventsOf(socket, "welcome").length === 1, "welcome");
      // The client's own address, not one of the way inside.
      assert.match(eventsOf(socket, "welcome")[0][0], /^127\.0\.0\.1:\d+$/);
      await talk(socket);
      socket.disconnect();
    });
  }
  const refused = await request(server.port, "GET", "/socket.io/?EIO=4&transport=none");
  assert.deepEqual([refused.status, refused.body], [400, '{"code":0,"message":"Transport unknown"}']);
});

test("axum: its layers have the last word about Socket.IO's requests", async (t) => {
  const server = await start(t, "host-axum");
  assert.equal((await request(server.port, "GET", "/hello")).headers["x-served-by"], "axum");
  const opened = await request(server.port, "GET", "/socket.io/?EIO=4&transport=polling");
  assert.deepEqual([opened.status, opened.headers["x-served-by"]], [200, "axum"]);
  for (const options of Object.values(TRANSPORTS)) {
    const refused = client(t, server, { ...options, query: { token: "stolen" }, reconnection: false });
    const [error] = await once(refused, "connect_error");
    assert.match(`${error.description.message ?? error.description}`, /401/);
  }
  const socket = await joined(t, server, { transports: ["websocket"] });
  await talk(socket);
});

test("axum: a client's connection stays open from one route to the next", async (t) => {
  const server = await start(t, "host-axum");
  const socket = net.connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  let text = "";
  socket.setEncoding("utf8").on("data", (data) => (text += data));
  const get = async (path, wanted) => {
    text = "";
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await until(() => text.includes(wanted), wanted);
    assert.doesNotMatch(text, /^connection:/im);
    return text;
  };
  await get("/hello", "axum is here");
  const opened = await get("/socket.io/?EIO=4&transport=polling", "pingTimeout");
  const [, sid] = /"sid":"([^"]+)"/.exec(opened);
  await get(`/socket.io/?EIO=4&transport=polling&sid=${sid}x`, "Session ID unknown");
  await get("/hello", "axum is here");
});

test("axum: a client that leaves is gone for the server at once", async (t) => {
  const server = await start(t, "host-axum");
  for (const options of Object.values(TRANSPORTS)) {
    const watcher = await joined(t, server, options);
    const leaver = await joined(t, server, options);
    leaver.io.engine.close();
    await until(() => eventsOf(watcher, "left").length === 1, "left");
    watcher.disconnect();
  }
});

for (const kind of DEAF) {
  test(`all of them serve where their output is ${kind}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "pulsewheel-tls-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "certificate.pem");
    for (const [name, ...args] of [["host-axum"], ["host-tokio"], ["host-tls", file]]) {
      const child = spawn(...deafOutput(t, kind, binary(name), ["127.0.0.1:0", ...args]));
      t.after(() => child.kill("SIGKILL"));
      const port = await portOf(child.pid);
      const isTls = name === "host-tls";
      const server = { origin: `${isTls ? "https" : "http"}://127.0.0.1:${port}`, port };
      const socket = await joined(t, server, { transports: ["websocket"], ...(isTls ? { ca: readFileSync(file) } : {}) });
      // Each of these orders is a line on standard error, since whoever gave it has gone.
      for (let i = 0; name === "host-tokio" && i < 100; i++) {
        const brief = await joined(t, server, { transports: ["websocket"] });
        brief.on("sure?", () => brief.disconnect());
        brief.emit("order", `tea ${i}`);
        await once(brief, "disconnect");
      }
      assert.ok(socket.connected);
    }
  });
}
