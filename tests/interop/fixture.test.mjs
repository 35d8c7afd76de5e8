// The example servers as processes: command line, first line, signals, ports.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import net from "node:net";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { PollingSession, request } from "./support/http.mjs";
import { binary, runToExit, startServer } from "./support/server.mjs";
import { once, until } from "./support/wait.mjs";
import { RawWebSocket } from "./support/websocket.mjs";

for (const kind of ["echo", "engine_echo"]) {
  describe(`the example ${kind}`, () => {
    test("tells its real port in its first line and ends with status 0 on SIGTERM", async () => {
      const server = await startServer(kind);
      assert.equal(server.host, "127.0.0.1");
      assert.notEqual(server.port, 0);
      await PollingSession.open(server);
      await server.stop();
    });

    test("refuses flags it does not know with a non-zero status and a word about it", async () => {
      for (const flags of [["--no-such-flag"], ["--no-such-flag", "1"], ["stray"]]) {
        const end = await runToExit(kind, ["--listen", "127.0.0.1:0", ...flags]);
        assert.ok(end.status > 0, `status ${end.status} for ${flags}`);
        assert.match(end.stderr, new RegExp(flags[0]));
        assert.equal(end.stdout, "");
      }
    });

    test("refuses a command line without --listen, and one that lacks a value", async () => {
      for (const args of [[], ["--listen"], ["--listen", "127.0.0.1:0", "--ping-interval"]]) {
        const end = await runToExit(kind, args);
        assert.ok(end.status > 0, `status ${end.status} for ${JSON.stringify(args)}`);
        assert.notEqual(end.stderr.trim(), "");
      }
    });

    test("serves though its standard output takes nothing", async (t) => {
      const full = await fs.open("/dev/full", "w").catch(() => null);
      if (!full) return t.skip("no /dev/full on this machine");
      t.after(() => full.close());
      const free = net.createServer().listen(0, "127.0.0.1");
      await once(free, "listening");
      const { port } = free.address();
      await new Promise((resolve) => free.close(resolve));
      const child = spawn(binary(kind), ["--listen", `127.0.0.1:${port}`], { stdio: ["ignore", full.fd, full.fd] });
      t.after(() => child.kill("SIGKILL"));
      const path = kind === "engine_echo" ? "/engine.io/" : "/socket.io/";
      const opens = () => fetch(`http://127.0.0.1:${port}${path}?EIO=4&transport=polling`).then(({ status }) => status, () => null);
      await until(async () => (await opens()) === 200, "an answer");
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
      assert.equal(child.exitCode, 0);
    });

    test("says so when its port is taken", async () => {
      const server = await startServer(kind);
      try {
        const end = await runToExit(kind, ["--listen", `127.0.0.1:${server.port}`]);
        assert.ok(end.status > 0);
        assert.notEqual(end.stderr.trim(), "");
      } finally {
        await server.stop();
      }
    });

    test("announces the heartbeat and the limit that its flags set", async () => {
      const flags = ["--ping-interval", "12000", "--ping-timeout", "7000", "--max-payload", "12345"];
      const server = await startServer(kind, flags);
      try {
        const { handshake } = await PollingSession.open(server);
        assert.equal(handshake.pingInterval, 12000);
        assert.equal(handshake.pingTimeout, 7000);
        assert.equal(handshake.maxPayload, 12345);
      } finally {
        await server.stop();
      }
    });

    test("announces 25 s, 20 s and 1,000,000 bytes without flags", async () => {
      const server = await startServer(kind);
      try {
        const { handshake } = await PollingSession.open(server);
        assert.deepEqual([handshake.pingInterval, handshake.pingTimeout, handshake.maxPayload], [25000, 20000, 1000000]);
      } finally {
        await server.stop();
      }
    });

    test("listens on its old port at once after SIGKILL with clients connected", async () => {
      const first = await startServer(kind);
      const session = await PollingSession.open(first);
      const waiting = await session.startPoll();
      const socket = await RawWebSocket.session(first);
      await first.kill();
      await Promise.all([waiting.rest(), socket.connection.rest()]);
      const second = await startServer(kind, [], `127.0.0.1:${first.port}`);
      try {
        assert.equal(second.port, first.port);
        await PollingSession.open(second);
        assert.equal((await session.poll()).status, 400, "sessions do not outlive the process");
      } finally {
        await second.stop();
      }
    });

    test("ends on SIGTERM although clients are connected, and closes their connections", async () => {
      const server = await startServer(kind);
      const session = await PollingSession.open(server);
      const waiting = await session.startPoll();
      const socket = await RawWebSocket.session(server);
      const silent = await request(server.port, "GET", `${server.path}?EIO=4&transport=polling`);
      assert.equal(silent.status, 200);
      const closes = Promise.all([waiting.rest(), socket.closed()]);
      await server.stop();
      await closes;
    });
  });
}

test("a JavaScript client comes back by itself after the server was killed and started again", async () => {
  const first = await startServer("echo");
  const socket = io(first.origin, { reconnectionDelay: 20, reconnectionDelayMax: 50, forceNew: true });
  try {
    await once(socket, "connect");
    const before = socket.id;
    const gone = once(socket, "disconnect");
    await first.kill();
    const [reason] = await gone;
    assert.match(reason, /^transport (close|error)$/);
    const second = await startServer("echo", [], `127.0.0.1:${first.port}`);
    try {
      await until(() => socket.connected, "reconnection");
      assert.notEqual(socket.id, before);
      assert.deepEqual(await socket.timeout(5000).emitWithAck("message-with-ack", "again"), "again");
    } finally {
      socket.disconnect();
      await second.stop();
    }
  } finally {
    socket.disconnect();
  }
});
