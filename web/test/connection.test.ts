import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { WebSocketClient } from "../client/src/client.js";
import type { ConnectionInfo } from "../client/src/events.js";
import { TestServer } from "./server";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
  vi.unstubAllGlobals();
});

async function start(...args: Parameters<typeof TestServer.start>): Promise<TestServer> {
  const server = await TestServer.start(...args);
  endings.push(() => server.stop());
  return server;
}

function clientOf(server: TestServer, ...args: Parameters<TestServer["client"]>): WebSocketClient {
  const client = server.client(...args);
  endings.push(() => client.disconnect());
  return client;
}

function infosOf(client: WebSocketClient): ConnectionInfo[] {
  const infos: ConnectionInfo[] = [];
  client.subscribe("connection_changed", (info) => infos.push(info));
  return infos;
}

/** A page with what the class uses of one. */
function page(): { window: EventTarget & { localStorage: Pick<Storage, "getItem"> }; document: EventTarget } {
  const kept = new Map<string, string>();
  const localStorage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  const window = Object.assign(new EventTarget(), { localStorage });
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  vi.stubGlobal("window", window);
  vi.stubGlobal("document", document);
  return { window, document };
}

describe("broken WebSockets", () => {
  for (const how of ["swallow", "close"] as const) {
    test(`where a proxy would ${how} them, polling takes over in the same attempt, and is remembered`, async () => {
      page();
      const server = await start({ allowUpgrades: false });
      server.breakWebSockets(how);
      const first = clientOf(server, { connectTimeout: 2_000, autoReconnect: false });
      expect(await first.connect()).toBe(true);
      expect(first.connection).toMatchObject({ state: "connected", transport: "polling" });
      const asked: string[] = [];
      server.io.engine.on("initial_headers", (_headers: unknown, request: { url: string }) => asked.push(request.url));
      const second = clientOf(server, { connectTimeout: 2_000, autoReconnect: false });
      expect(await second.connect()).toBe(true);
      expect(asked).toEqual([expect.stringContaining("transport=polling")]);
    });
  }

  test("where those that open break again and again, polling comes for a while, and then another WebSocket", async () => {
    page();
    endings.push(() => vi.useRealTimers());
    const server = await start();
    const client = clientOf(server);
    const connected = vi.fn();
    client.subscribe("connection_changed", ({ state, transport }) => state === "connected" && connected(transport));
    await client.connect();
    for (const count of [1, 2, 3]) {
      await vi.waitFor(() => expect(connected).toHaveBeenCalledTimes(count));
      server.cut();
    }
    await vi.waitFor(() => expect(connected).toHaveBeenCalledTimes(4));
    expect(connected.mock.calls).toEqual([["websocket"], ["websocket"], ["websocket"], ["polling"]]);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 600_000 });
    client.reconnectAttempts = 0;
    server.cut();
    await vi.waitFor(() => expect(client.connection).toMatchObject({ state: "connected", transport: "websocket" }));
  });

  test("a WebSocket that works again is remembered too", async () => {
    const { window } = page();
    const server = await start({ transports: ["polling"] });
    await clientOf(server).connect();
    const { port } = server;
    const storage = window.localStorage;
    const key = `pulsewheel.polling http://127.0.0.1:${port}`;
    expect(Number(storage.getItem(key))).toBeGreaterThan(0);
    await endings.splice(0).reverse().reduce((before, end) => before.then(() => void end()), Promise.resolve());
    const again = await start({}, port);
    const client = clientOf(again);
    await client.connect();
    await vi.waitFor(() => expect(client.connection.transport).toBe("websocket"));
    expect(storage.getItem(key)).toBe("0");
  });
});

describe("credentials", () => {
  const demand = (server: TestServer, token: string): void => {
    server.io.use((socket, next) => {
      if (socket.handshake.auth["token"] === token) return next();
      next(Object.assign(new Error("a token is needed"), { data: { code: "AUTH_REQUIRED" } }));
    });
  };

  test("a value is sent as it is, a text as a token", async () => {
    const server = await start();
    const seen: unknown[] = [];
    server.io.on("connection", (socket) => seen.push(socket.handshake.auth));
    await clientOf(server, { auth: "secret" }).connect();
    await clientOf(server, { auth: { token: "secret", room: 7 } }).connect();
    await clientOf(server).connect();
    await vi.waitFor(() => expect(seen).toEqual([{ token: "secret" }, { token: "secret", room: 7 }, {}]));
  });

  test("who comes back after a lost connection says so, and who connects anew does not", async () => {
    const server = await start();
    const seen: unknown[] = [];
    server.io.on("connection", (socket) => seen.push(socket.handshake.auth));
    const client = clientOf(server, { auth: "secret" });
    await client.connect();
    server.cut();
    await vi.waitFor(() => expect(seen).toEqual([{ token: "secret" }, { token: "secret", reconnect: true }]));
    await vi.waitFor(() => expect(client.isConnected).toBe(true));
    client.disconnect();
    await client.connect();
    await vi.waitFor(() => expect(seen).toHaveLength(3));
    expect(seen[2]).toEqual({ token: "secret" });
  });

  test("a function is asked again when the server refuses what it gave, and before every attempt", async () => {
    const server = await start();
    demand(server, "fresh");
    const tokens = ["stale", "fresh", "fresh"];
    const auth = vi.fn(async () => tokens.shift() ?? null);
    const client = clientOf(server, { auth });
    expect(await client.connect()).toBe(true);
    expect(auth).toHaveBeenCalledTimes(2);
    server.cut();
    // What is read over HTTP after that asks, too.
    await vi.waitFor(() => expect(auth.mock.calls.length).toBeGreaterThanOrEqual(3));
    await vi.waitFor(() => expect(client.isConnected).toBe(true));
  });

  test("a value that is refused is not tried again, and the refusal is told", async () => {
    const server = await start();
    demand(server, "right");
    const client = clientOf(server, { auth: "wrong" });
    const refusals: unknown[] = [];
    client.subscribe("auth_required", (refusal) => refusals.push(refusal));
    await expect(client.connect()).rejects.toThrow("a token is needed");
    expect(client.connection.state).toBe("offline");
    expect(refusals).toEqual([{ code: "AUTH_REQUIRED", message: "a token is needed" }]);
    client.config.auth = "right";
    expect(await client.connect()).toBe(true);
  });

  test("a function that fails makes the attempt fail", async () => {
    const server = await start();
    const auth = (): Promise<string> => Promise.reject(new Error("no token to be had"));
    await expect(clientOf(server, { auth, autoReconnect: false }).connect()).rejects.toThrow("no token to be had");
  });

  test("disconnect() while a function is asked ends the attempt", async () => {
    const server = await start();
    let answer = (_token: string): void => {};
    const client = clientOf(server, { auth: () => new Promise<string>((resolve) => (answer = resolve)) });
    const attempt = client.connect();
    client.disconnect();
    answer("late");
    await expect(attempt).rejects.toThrow("disconnected");
    expect(client.connection.state).toBe("offline");
    expect(server.io.engine.clientsCount).toBe(0);
  });
});

test("who is sent away comes back with other credentials, where a function gives them", async () => {
  const server = await start();
  const seen: unknown[] = [];
  server.io.on("connection", (socket) => seen.push(socket.handshake.auth["token"]));
  const tokens = ["old", "new"];
  const client = clientOf(server, { auth: async () => tokens.shift() ?? null });
  await client.connect();
  server.io.disconnectSockets();
  await vi.waitFor(() => expect(seen).toEqual(["old", "new"]));
  await vi.waitFor(() => expect(client.isConnected).toBe(true));
});

describe("leaving", () => {
  test("disconnect() takes leave of the server, and no listener and no timer stays behind", async () => {
    const server = await start();
    const reasons: string[] = [];
    server.io.on("connection", (socket) => socket.on("disconnect", (reason) => reasons.push(reason)));
    const client = clientOf(server);
    await client.connect();
    const socket = client.socket!;
    client.disconnect();
    await vi.waitFor(() => expect(reasons).toEqual(["client namespace disconnect"]));
    expect(client).toMatchObject({ socket: null, isConnected: false, heartbeatInterval: null });
    expect(socket.listenersAny()).toEqual([]);
    for (const event of ["connect", "disconnect", "connect_error"]) expect(socket.hasListeners(event)).toBe(false);
    expect(socket.io.hasListeners("open")).toBe(false);
  });

  test("a client that has left has no timer any more", () => {
    vi.useFakeTimers();
    try {
      const client = new WebSocketClient({ host: "127.0.0.1", port: "9" });
      client.attemptReconnection();
      expect(vi.getTimerCount()).toBeGreaterThan(0);
      client.disconnect();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("waking", () => {
  for (const [name, wake] of [
    ["the network is back", ({ window }) => window.dispatchEvent(new Event("online"))],
    ["the page is looked at again", ({ document }) => document.dispatchEvent(new Event("visibilitychange"))],
  ] satisfies [string, (made: ReturnType<typeof page>) => unknown][]) {
    test(`when ${name}, a pause is not sat out`, async () => {
      const made = page();
      const server = await start();
      const client = clientOf(server);
      await client.connect();
      client.reconnectDelay = 3_600_000;
      server.cut();
      await vi.waitFor(() => expect(client.connection.state).toBe("reconnecting"));
      wake(made);
      await vi.waitFor(() => expect(client.isConnected).toBe(true));
    });
  }

  test("a connection that died during sleep is found out at once", async () => {
    const made = page();
    const server = await start();
    const client = clientOf(server, { commandTimeout: 50 });
    await client.connect();
    await vi.waitFor(() => expect(server.requests("list_sessions")).toHaveLength(1));
    server.answers["list_sessions"] = () => {};
    const infos = infosOf(client);
    made.document.dispatchEvent(new Event("visibilitychange"));
    await vi.waitFor(() => expect(infos.map(({ state }) => state)).toContain("reconnecting"));
  });

  test("after disconnect() nothing wakes it", async () => {
    const made = page();
    const server = await start();
    const client = clientOf(server);
    await client.connect();
    client.disconnect();
    made.window.dispatchEvent(new Event("online"));
    expect(client.connection.state).toBe("offline");
  });
});

describe("quiet connections", () => {
  test("after two missed heartbeats, not before", async () => {
    const server = await start();
    const client = clientOf(server, { heartbeatInterval: 100 });
    const begun = Date.now();
    await client.connect();
    await vi.waitFor(() => expect(client.connection.quiet).toBe(true));
    expect(Date.now() - begun).toBeGreaterThan(200);
    server.io.emit("heartbeat", {});
    await vi.waitFor(() => expect(client.connection.quiet).toBe(false));
  });

  test("where heartbeats came and stay away, another connection is tried", async () => {
    const server = await start();
    const client = clientOf(server, { heartbeatInterval: 60 });
    const infos = infosOf(client);
    await client.connect();
    for (let beats = 1; beats <= 2; beats += 1) {
      const beat = new Promise((resolve) => client.subscribe("heartbeat", resolve));
      server.io.emit("heartbeat", {});
      await beat;
    }
    await vi.waitFor(() => expect(infos.map(({ state }) => state).slice(-2)).toEqual(["reconnecting", "connected"]));
    expect(infos.some(({ state, quiet }) => state === "connected" && quiet)).toBe(true);
  });
});

describe("a server that cannot be reached", () => {
  test("that does not answer is told apart from one that refuses", async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const client = new WebSocketClient({ host: "127.0.0.1", port: String(port), connectTimeout: 200, autoReconnect: false, pollInterval: 0 });
    endings.push(() => client.disconnect());
    await expect(client.connect()).rejects.toThrow("no connection within 200 ms");
    expect(client.connection.unanswered).toBe(true);
    await new Promise((resolve) => {
      silent.close(resolve);
      silent.closeAllConnections();
    });
    await expect(client.connect()).rejects.toThrow();
    expect(client.connection).toMatchObject({ state: "offline", unanswered: false });
  });

  test("that does not answer in time is tried again by itself, after growing pauses", async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    endings.push(() => {
      silent.close();
      silent.closeAllConnections();
    });
    const { port } = silent.address() as AddressInfo;
    const client = new WebSocketClient({ host: "127.0.0.1", port: String(port), connectTimeout: 50, pollInterval: 0 });
    endings.push(() => client.disconnect());
    client.reconnectDelay = 5;
    const infos = infosOf(client);
    await expect(client.connect()).rejects.toThrow("no connection within 50 ms");
    await vi.waitFor(() => expect(client.connection).toMatchObject({ state: "offline", unanswered: true }), { timeout: 5_000 });
    const pauses = [...new Set(infos.map(({ retryInMs }) => retryInMs).filter((pause) => pause !== null))];
    expect(pauses).toHaveLength(5);
    for (const [attempt, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(5 * 2 ** attempt);
  });

  test("that has no room is tried again no sooner than it has asked for", async () => {
    const full = createServer((_request, response) => response.writeHead(503, { "Retry-After": "7" }).end());
    full.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 503 Full\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"));
    await new Promise<void>((resolve) => full.listen(0, "127.0.0.1", resolve));
    endings.push(() => full.close());
    const { port } = full.address() as AddressInfo;
    const client = new WebSocketClient({ host: "127.0.0.1", port: String(port), pollInterval: 0 });
    endings.push(() => client.disconnect());
    client.reconnectDelay = 5;
    await expect(client.connect()).rejects.toThrow();
    await vi.waitFor(() => expect(client.connection.retryInMs).toBeGreaterThanOrEqual(7_000));
    expect(client.connection.retryInMs).toBeLessThanOrEqual(8_400);
  });

  test("is asked over HTTP at a refresh, and said to be out of reach", async () => {
    const server = await start();
    server.serve(() => ({ status: 200, body: { sessions: [], next: null } }));
    const client = clientOf(server, { autoReconnect: false });
    const lists: unknown[] = [];
    client.subscribe("session_list", (list) => lists.push(list));
    server.io.engine.opts.allowRequest = (_request, decide) => decide("not now", false);
    await client.refresh();
    expect(lists).toEqual([[]]);
    expect(client.lastHeardMs).toBeGreaterThan(0);
    await server.stop();
    await expect(client.refresh()).rejects.toMatchObject({ code: "NETWORK_ERROR" });
  });

  test("a refresh of a connection that stands asks the server, and says where it does not answer", async () => {
    const server = await start();
    const client = clientOf(server, { commandTimeout: 100 });
    await client.connect();
    await vi.waitFor(() => expect(server.requests("list_sessions")).toHaveLength(1));
    await client.refresh();
    expect(server.requests("list_sessions")).toHaveLength(2);
    server.answers["list_sessions"] = () => {};
    await expect(client.refresh()).rejects.toMatchObject({ code: "TIMEOUT" });
  });
});
