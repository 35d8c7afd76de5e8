import { createServer, type AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { CommandError, WebSocketClient } from "../client/src/client.js";
import type { ConnectionInfo, ImportProgress, Session } from "../client/src/events.js";
import { CREATED, ID, cancelled, complete, failed, progress, session } from "./samples";
import { TestServer, clientFor } from "./server";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function start(...args: Parameters<typeof TestServer.start>): Promise<TestServer> {
  const server = await TestServer.start(...args);
  endings.push(() => server.stop());
  return server;
}

function used(client: WebSocketClient): WebSocketClient {
  endings.push(() => client.disconnect());
  return client;
}

async function connected(server: TestServer, ...args: Parameters<TestServer["client"]>): Promise<WebSocketClient> {
  const client = used(server.client(...args));
  const listed = new Promise((resolve) => client.subscribe("session_list", resolve));
  await client.connect();
  await listed;
  return client;
}

/** Collects what subscribers of an event get. */
function collect(client: WebSocketClient, event: string): unknown[] {
  const seen: unknown[] = [];
  client.subscribe(event, (data: never) => seen.push(data));
  return seen;
}

const states = (infos: unknown[]): string[] => (infos as ConnectionInfo[]).map((info) => info.state);
const progressOf = (events: unknown[]): number[] => (events as ImportProgress[]).map((event) => event.progress);

describe("configuration", () => {
  test("outside a page the server is localhost:8988", () => {
    const client = new WebSocketClient();
    expect(client.url).toBe("http://localhost:8988");
    expect(client.config).toMatchObject({ host: "localhost", port: "8988", autoReconnect: true });
    expect(client.config).toMatchObject({ heartbeatInterval: 30_000, progressThrottle: 100, connectTimeout: 10_000 });
    expect(client).toMatchObject({ socket: null, isConnected: false, maxReconnectAttempts: 5, reconnectDelay: 1000 });
    expect(client).toMatchObject({ reconnectAttempts: 0, heartbeatInterval: null });
    expect(client.eventCallbacks).toEqual(new Map());
  });

  test.each([
    ["http://scans.example:9000/", "http://scans.example:9000"],
    ["https://scans.example/", "https://scans.example:443"],
    ["http://[::1]:8988/", "http://[::1]:8988"],
    ["file:///home/me/page.html", "http://localhost:8988"],
  ])("a page from %s talks to %s", (page, server) => {
    vi.stubGlobal("window", { location: new URL(page) });
    expect(new WebSocketClient().url).toBe(server);
  });

  test("given values win over the page's", () => {
    vi.stubGlobal("window", { location: new URL("https://scans.example/") });
    expect(new WebSocketClient({ host: "other", port: "1", secure: false }).url).toBe("http://other:1");
  });
});

describe("connecting", () => {
  test("resolves to true over WebSocket, and again at once when connected", async () => {
    const server = await start();
    const client = await connected(server);
    expect(client.isConnected).toBe(true);
    expect(client.connection).toMatchObject({ state: "connected", transport: "websocket" });
    expect(await client.connect()).toBe(true);
    expect(server.io.sockets.sockets.size).toBe(1);
  });

  test("two calls at the same time make one connection", async () => {
    const server = await start();
    const client = used(server.client());
    expect(await Promise.all([client.connect(), client.connect()])).toEqual([true, true]);
    expect(server.io.engine.clientsCount).toBe(1);
  });

  test("falls back to polling where WebSocket is refused", async () => {
    const client = await connected(await start({ transports: ["polling"] }));
    expect(client.connection.transport).toBe("polling");
  });

  test("rejects with the reason where nobody listens", async () => {
    const server = await TestServer.start();
    const { port } = server;
    await server.stop();
    const client = used(clientFor(port, { autoReconnect: false }));
    await expect(client.connect()).rejects.toThrow();
    expect(client.connection.state).toBe("offline");
    expect(client.connection.reason).not.toBeNull();
  });

  test("rejects after the time limit, and then tries polling first", async () => {
    // Takes connections in and never answers.
    const silent = createServer((socket) => endings.push(() => socket.destroy()));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    endings.push(() => silent.close());
    const requests: string[] = [];
    silent.on("connection", (socket) => socket.once("data", (data) => requests.push(String(data).split(" HTTP")[0]!)));
    const client = used(
      clientFor((silent.address() as AddressInfo).port, { connectTimeout: 150, autoReconnect: false }),
    );
    await expect(client.connect()).rejects.toThrow("no connection within 150 ms");
    await expect(client.connect()).rejects.toThrow("no connection within 150 ms");
    expect(requests[0]).toContain("transport=websocket");
    expect(requests.at(-1)).toContain("transport=polling");
  });

  test("disconnect() ends an attempt under way", async () => {
    const silent = createServer((socket) => endings.push(() => socket.destroy()));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    endings.push(() => silent.close());
    const client = clientFor((silent.address() as AddressInfo).port);
    const attempt = client.connect();
    client.disconnect();
    await expect(attempt).rejects.toThrow("disconnected");
    expect(client.connection.state).toBe("offline");
  });

  test("disconnect() is final, and subscriptions serve the next connect()", async () => {
    const server = await start();
    const client = await connected(server);
    const alerts = collect(client, "system_alert");
    client.disconnect();
    expect(client).toMatchObject({ socket: null, isConnected: false, heartbeatInterval: null });
    await vi.waitFor(() => expect(server.io.sockets.sockets.size).toBe(0));
    expect(await client.connect()).toBe(true);
    server.io.emit("system_alert", { level: "info" });
    await vi.waitFor(() => expect(alerts).toEqual([{ level: "info" }]));
  });
});

describe("subscriptions", () => {
  test("every event reaches its subscribers until they unsubscribe", async () => {
    const server = await start();
    const client = await connected(server);
    const one: unknown[] = [];
    const two: unknown[] = [];
    const first = (data: unknown): unknown => one.push(data);
    client.subscribe("data_updated", first);
    client.subscribe("data_updated", (data) => two.push(data));
    server.io.emit("data_updated", { count: 1 });
    await vi.waitFor(() => expect(two).toHaveLength(1));
    client.unsubscribe("data_updated", first);
    server.io.emit("data_updated", { count: 2 });
    await vi.waitFor(() => expect(two).toHaveLength(2));
    expect(one).toEqual([{ count: 1 }]);
    client.unsubscribe("data_updated");
    expect(client.eventCallbacks.has("data_updated")).toBe(false);
  });

  test("events of a host's own can be subscribed by name", async () => {
    const server = await start();
    const client = await connected(server);
    const seen = collect(client, "house_event");
    server.io.emit("house_event", 7);
    await vi.waitFor(() => expect(seen).toEqual([7]));
  });

  test("a subscriber that throws keeps nothing from the others", async () => {
    const complaint = vi.spyOn(console, "error").mockImplementation(() => {});
    const server = await start();
    const client = await connected(server);
    client.subscribe("heartbeat", () => {
      throw new Error("broken");
    });
    const seen = collect(client, "heartbeat");
    server.io.emit("heartbeat", { active_sessions: 3 });
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    expect(complaint).toHaveBeenCalledOnce();
  });
});

describe("progress", () => {
  test("of a burst the first and the last value arrive, the rest is left out", () => {
    vi.useFakeTimers();
    endings.push(() => vi.useRealTimers());
    const client = new WebSocketClient();
    const seen = collect(client, "import_progress");
    for (let seq = 1; seq <= 50; seq += 1) client.handleProgressUpdate(progress(seq, seq / 100));
    expect(progressOf(seen)).toEqual([0.01]);
    vi.advanceTimersByTime(99);
    expect(progressOf(seen)).toEqual([0.01]);
    vi.advanceTimersByTime(1);
    expect(progressOf(seen)).toEqual([0.01, 0.5]);
    client.handleProgressUpdate(progress(51, 0.6));
    expect(progressOf(seen)).toEqual([0.01, 0.5]);
    vi.advanceTimersByTime(1000);
    expect(progressOf(seen)).toEqual([0.01, 0.5, 0.6]);
  });

  test("sessions do not slow each other down", () => {
    const client = used(new WebSocketClient());
    const seen = collect(client, "import_progress");
    client.handleProgressUpdate(progress(1, 0.1));
    client.handleProgressUpdate(progress(1, 0.2, { sessionId: "another" }));
    expect(progressOf(seen)).toEqual([0.1, 0.2]);
  });

  test("late, doubled and post-mortem events are dropped", async () => {
    const server = await start();
    const client = await connected(server, { progressThrottle: 0 });
    const seen = collect(client, "import_progress");
    const done = collect(client, "import_complete");
    for (const [seq, fraction] of [[5, 0.5], [4, 0.4], [5, 0.5], [6, 0.6]] as const) {
      server.io.emit("import_progress", progress(seq, fraction));
    }
    server.io.emit("import_complete", complete(8));
    server.io.emit("import_progress", progress(7, 0.9));
    server.io.emit("import_complete", complete(8));
    const marker = collect(client, "marker");
    server.io.emit("marker");
    await vi.waitFor(() => expect(marker).toHaveLength(1));
    expect(progressOf(seen)).toEqual([0.5, 0.6]);
    expect(done).toHaveLength(1);
  });

  test("a value that waits is told before the end", async () => {
    const server = await start();
    // So long an interval that only the end can bring the second value.
    const client = await connected(server, { progressThrottle: 600_000 });
    const order: string[] = [];
    client.subscribe("import_progress", (event) => order.push(`progress ${event.progress}`));
    client.subscribe("import_complete", () => order.push("complete"));
    server.io.emit("import_progress", progress(1, 0.1));
    server.io.emit("import_progress", progress(2, 0.9));
    server.io.emit("import_complete", complete(3));
    await vi.waitFor(() => expect(order).toEqual(["progress 0.1", "progress 0.9", "complete"]));
  });

  test("events without a number are taken as they come", () => {
    const client = used(new WebSocketClient({ progressThrottle: 0 }));
    const seen = collect(client, "import_progress");
    const { seq: _, ...plain } = progress(1, 0.3);
    client.handleProgressUpdate(plain as ImportProgress);
    expect(progressOf(seen)).toEqual([0.3]);
  });
});

describe("tracking", () => {
  test("a late joiner is handed the present state as an event", async () => {
    const server = await start();
    server.answers["track_session"] = (_request, ack) => ack({ ok: true, session: session(9, 0.65) });
    const client = await connected(server);
    const seen = collect(client, "import_progress");
    client.trackImportProgress(ID);
    await vi.waitFor(() => expect(progressOf(seen)).toEqual([0.65]));
    expect(server.requests("track_session")).toEqual([{ sessionId: ID }]);
  });

  test("a snapshot that is older than what was seen changes nothing", async () => {
    const server = await start();
    server.answers["track_session"] = (_request, ack) => {
      server.io.emit("import_progress", progress(10, 0.7));
      ack({ ok: true, session: session(9, 0.65) });
      server.io.emit("marker");
    };
    const client = await connected(server, { progressThrottle: 0 });
    const seen = collect(client, "import_progress");
    const marker = collect(client, "marker");
    client.trackImportProgress(ID);
    await vi.waitFor(() => expect(marker).toHaveLength(1));
    expect(progressOf(seen)).toEqual([0.7]);
  });

  test.each([
    ["import_complete", complete(3), "completed"],
    ["import_error", failed(3), "error"],
  ])("a session that has ended is told as %s and not tracked any longer", async (event, end, status) => {
    const server = await start();
    server.answers["track_session"] = (_request, ack) =>
      ack({ ok: true, session: { ...session(3, 1), ...end, status } });
    const client = await connected(server);
    const seen = collect(client, event);
    client.trackImportProgress(ID);
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    await vi.waitFor(() => expect(server.requests("untrack_session")).toEqual([{ sessionId: ID }]));
  });

  test("the end stops the tracking", async () => {
    const server = await start();
    server.answers["track_session"] = (_request, ack) => ack({ ok: true, session: session(1, 0.1) });
    const client = await connected(server);
    const seen = collect(client, "import_cancelled");
    client.trackImportProgress(ID);
    await vi.waitFor(() => expect(server.requests("track_session")).toHaveLength(1));
    server.io.emit("import_cancelled", cancelled(2));
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    await vi.waitFor(() => expect(server.requests("untrack_session")).toHaveLength(1));
    server.cut();
    await vi.waitFor(() => expect(server.requests("list_sessions")).toHaveLength(2));
    expect(server.requests("track_session")).toHaveLength(1);
  });

  test("a session cancelled meanwhile is told as cancelled", async () => {
    const server = await start();
    const error = { code: "SESSION_CANCELLED", message: "the session was cancelled" };
    server.answers["track_session"] = (_request, ack) => ack({ ok: false, error });
    const client = await connected(server);
    const seen = collect(client, "import_cancelled");
    client.trackImportProgress(ID);
    await vi.waitFor(() => expect(seen).toMatchObject([{ sessionId: ID, cancelled: true, reason: null }]));
  });

  test("an unknown session is told as lost", async () => {
    const server = await start();
    const error = { code: "SESSION_NOT_FOUND", message: "no such session" };
    server.answers["track_session"] = (_request, ack) => ack({ ok: false, error });
    const client = await connected(server);
    const seen = collect(client, "session_lost");
    client.trackImportProgress(ID);
    await vi.waitFor(() => expect(seen).toEqual([{ sessionId: ID, error }]));
  });

  test("what is tracked before connecting is tracked once connected", async () => {
    const server = await start();
    server.answers["track_session"] = (_request, ack) => ack({ ok: true, session: session(1, 0.2) });
    const client = used(server.client());
    const seen = collect(client, "import_progress");
    client.trackImportProgress(ID);
    await client.connect();
    await vi.waitFor(() => expect(progressOf(seen)).toEqual([0.2]));
  });

  test("a list is told page by page, to its end", async () => {
    const server = await start();
    const ids = Array.from({ length: 25 }, (_, index) => `session-${index}`);
    server.answers["list_sessions"] = ({ cursor = "0" }, ack) => {
      const from = Number(cursor);
      const sessions = ids.slice(from, from + 10).map((id) => session(1, 0.5, { id, sessionId: id }));
      ack({ ok: true, sessions, next: from + 10 < ids.length ? String(from + 10) : null });
    };
    const client = used(server.client());
    const seen = collect(client, "import_progress");
    const lists = collect(client, "session_list");
    await client.connect();
    await vi.waitFor(() => expect(lists).toHaveLength(1));
    expect((lists[0] as Session[]).map(({ id }) => id)).toEqual(ids);
    expect((seen as ImportProgress[]).map(({ sessionId }) => sessionId)).toEqual(ids);
    expect(server.requests("list_sessions")).toEqual([{}, { cursor: "10" }, { cursor: "20" }]);
    expect(await client.listSessions("processing")).toHaveLength(25);
    expect(server.requests("list_sessions").slice(3)).toEqual([
      { status: "processing" },
      { status: "processing", cursor: "10" },
      { status: "processing", cursor: "20" },
    ]);
  });

  test("a list without an end is read no further than to 5,000 sessions", async () => {
    const server = await start();
    server.answers["list_sessions"] = ({ cursor = "0" }, ack) => {
      const sessions = Array.from({ length: 1_000 }, (_, index) => session(1, 0.5, { sessionId: `${cursor}-${index}` }));
      ack({ ok: true, sessions, next: String(Number(cursor) + 1) });
    };
    const client = used(server.client());
    const lists = collect(client, "session_list");
    await client.connect();
    await vi.waitFor(() => expect(lists).toHaveLength(1), { timeout: 5_000 });
    expect(lists[0]).toHaveLength(5_000);
    expect(server.requests("list_sessions")).toHaveLength(5);
  });

  test("a busy server is asked for the list again", async () => {
    const server = await start();
    let asked = 0;
    server.answers["list_sessions"] = (_request, ack) => {
      asked += 1;
      if (asked === 1) return ack({ ok: false, error: { code: "SERVER_OVERLOAD", message: "too busy" } });
      if (asked === 2) return; // no answer within the time limit
      ack({ ok: true, sessions: [session(1, 0.5)], next: null });
    };
    const client = used(server.client({ commandTimeout: 50 }));
    const seen = collect(client, "import_progress");
    await client.connect();
    await vi.waitFor(() => expect(progressOf(seen)).toEqual([0.5]));
  });
});

describe("ids that are used again", () => {
  const CREATED_LATER = CREATED + 60_000;
  const names = (client: WebSocketClient): string[] => {
    const order: string[] = [];
    client.subscribe("session_created", () => order.push("created"));
    client.subscribe("import_progress", (event) => order.push(`progress ${event.progress}`));
    client.subscribe("import_complete", () => order.push("complete"));
    client.subscribe("import_cancelled", () => order.push("cancelled"));
    client.subscribe("session_list", () => order.push("list"));
    return order;
  };

  test("a job that begins again under its id is followed again", async () => {
    const server = await start();
    const client = await connected(server, { progressThrottle: 0 });
    const order = names(client);
    server.io.emit("import_complete", complete(7));
    server.io.emit("session_created", { sessionId: ID, seq: 1_000, metadata: {} });
    server.io.emit("import_progress", progress(6, 0.9));
    server.io.emit("import_progress", progress(1_001, 0.1));
    await vi.waitFor(() => expect(order).toEqual(["complete", "created", "progress 0.1"]));
  });

  test("progress of a new session whose beginning was not told is told with a beginning", async () => {
    const server = await start();
    const client = await connected(server, { progressThrottle: 0 });
    const order = names(client);
    server.io.emit("import_complete", complete(7));
    server.io.emit("import_progress", progress(9, 0.1));
    await vi.waitFor(() => expect(order).toEqual(["complete", "created", "progress 0.1"]));
  });

  test("what ended and began anew during an interruption is told as a new session", async () => {
    const server = await start();
    let listed = session(900, 0.9);
    server.answers["list_sessions"] = (_request, ack) => ack({ ok: true, sessions: [listed], next: null });
    const client = used(server.client({ progressThrottle: 0 }));
    const order = names(client);
    await client.connect();
    await vi.waitFor(() => expect(order).toEqual(["progress 0.9", "list"]));
    listed = session(905, 0.2, { createdAt: CREATED_LATER });
    server.cut();
    await vi.waitFor(() => expect(order).toEqual(["progress 0.9", "list", "created", "progress 0.2", "list"]));
    server.io.emit("import_progress", progress(904, 0.95));
    server.io.emit("import_progress", progress(906, 0.3));
    await vi.waitFor(() => expect(order.at(-1)).toBe("progress 0.3"));
    expect(order).not.toContain("progress 0.95");
  });

  test("a value of the old session that waits is not told of the new one", async () => {
    const server = await start();
    // So long an interval that a waiting value could only come with the new session.
    const client = await connected(server, { progressThrottle: 600_000 });
    const order = names(client);
    server.io.emit("import_progress", progress(2, 0.5));
    server.io.emit("import_progress", progress(3, 0.9));
    server.io.emit("session_created", { sessionId: ID, seq: 9, metadata: {} });
    server.io.emit("import_progress", progress(10, 0.2));
    server.io.emit("import_complete", complete(11));
    await vi.waitFor(() => expect(order).toEqual(["progress 0.5", "created", "progress 0.2", "complete"]));
  });

  test("a server that has forgotten its numbers is believed after a reconnect", async () => {
    const server = await start();
    let listed = session(900, 0.9, { createdAt: CREATED_LATER });
    server.answers["list_sessions"] = (_request, ack) => ack({ ok: true, sessions: [listed], next: null });
    const client = used(server.client({ progressThrottle: 0 }));
    const order = names(client);
    await client.connect();
    await vi.waitFor(() => expect(order).toEqual(["progress 0.9", "list"]));
    listed = session(2, 0.1);
    server.cut();
    await vi.waitFor(() => expect(order).toEqual(["progress 0.9", "list", "created", "progress 0.1", "list"]));
  });

  test("an end that is told already is not told again after a reconnect", async () => {
    const server = await start();
    const listed = { ...session(7, 1), ...complete(7), status: "completed" };
    server.answers["list_sessions"] = (_request, ack) => ack({ ok: true, sessions: [listed], next: null });
    const client = used(server.client());
    const order = names(client);
    await client.connect();
    await vi.waitFor(() => expect(order).toEqual(["complete", "list"]));
    server.cut();
    await vi.waitFor(() => expect(order).toEqual(["complete", "list", "list"]));
  });

  test("of a cancellation that was learned from an answer the event is not told again", async () => {
    const server = await start();
    const error = { code: "SESSION_CANCELLED", message: "it was cancelled" };
    server.answers["track_session"] = (_request, ack) => ack({ ok: false, error });
    const client = await connected(server);
    const order = names(client);
    client.trackImportProgress(ID);
    await vi.waitFor(() => expect(order).toEqual(["cancelled"]));
    server.io.emit("import_cancelled", cancelled(8));
    server.io.emit("session_created", { sessionId: ID, seq: 9, metadata: {} });
    await vi.waitFor(() => expect(order).toEqual(["cancelled", "created"]));
  });
});

describe("commands", () => {
  test("carry their arguments and give back the answer", async () => {
    const server = await start();
    server.answers["list_sessions"] = ({ status }, ack) =>
      ack({ ok: true, sessions: status === "error" ? [session(1, 0.5)] : [] });
    server.answers["cancel_session"] = (_request, ack) => ack({ ok: true, session: session(4, 0.5) });
    const client = await connected(server);
    expect(await client.listSessions("error")).toMatchObject([{ id: ID }] satisfies Partial<Session>[]);
    expect(await client.cancelSession(ID, "too slow")).toMatchObject({ seq: 4 });
    expect(server.requests("cancel_session")).toEqual([{ sessionId: ID, reason: "too slow" }]);
  });

  test("reject with the server's code", async () => {
    const server = await start();
    const error = { code: "SESSION_ENDED", message: "it has ended" };
    server.answers["cancel_session"] = (_request, ack) => ack({ ok: false, error });
    const client = await connected(server);
    await expect(client.cancelSession(ID)).rejects.toMatchObject(error);
    await expect(client.cancelSession(ID)).rejects.toBeInstanceOf(CommandError);
  });

  test("reject after the time limit, and at once without a connection", async () => {
    const server = await start();
    server.answers["cancel_session"] = () => {};
    const client = await connected(server, { commandTimeout: 50 });
    await expect(client.cancelSession(ID)).rejects.toMatchObject({ code: "TIMEOUT" });
    client.disconnect();
    await expect(client.cancelSession(ID)).rejects.toMatchObject({ code: "NOT_CONNECTED" });
  });

  test("reject when the connection breaks under them", async () => {
    const server = await start();
    server.answers["cancel_session"] = () => server.cut();
    const client = await connected(server, { autoReconnect: false });
    await expect(client.cancelSession(ID)).rejects.toMatchObject({ code: "NOT_CONNECTED" });
  });
});

describe("reconnecting", () => {
  test("a cut connection comes back, tracks again and lists the sessions", async () => {
    const server = await start();
    let fraction = 0.1;
    server.answers["track_session"] = (_request, ack) => ack({ ok: true, session: session(fraction * 10, fraction) });
    const client = await connected(server);
    const infos = collect(client, "connection_changed");
    const seen = collect(client, "import_progress");
    const lists = collect(client, "session_list");
    client.trackImportProgress(ID);
    await vi.waitFor(() => expect(progressOf(seen)).toEqual([0.1]));
    fraction = 0.8;
    server.cut();
    await vi.waitFor(() => expect(progressOf(seen)).toEqual([0.1, 0.8]));
    await vi.waitFor(() => expect(lists).toHaveLength(1));
    expect(states(infos)).toContain("reconnecting");
    expect(client.connection).toMatchObject({ state: "connected", attempt: 0 });
  });

  test("pauses grow while connections break at once, and begin anew after one that has lived", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const server = await start();
    let breaking = true;
    server.io.on("connection", (socket) => {
      if (breaking) setImmediate(() => socket.conn.close(true));
    });
    const client = used(server.client({ stableAfter: 600_000 }));
    client.maxReconnectAttempts = 4;
    const infos = collect(client, "connection_changed");
    const pauses = (): number[] => {
      const all = (infos as ConnectionInfo[]).map((info) => info.retryInMs).filter((pause) => pause !== null);
      return [...new Set(all)];
    };
    await client.connect();
    await vi.waitFor(() => expect(client.connection.state).toBe("offline"));
    expect(pauses()).toEqual([5, 10, 20, 40]);
    // A heartbeat, and likewise the time `stableAfter`, says that a connection has lived.
    breaking = false;
    for (const [stableAfter, heartbeat] of [[600_000, true], [1, false]] as const) {
      client.disconnect();
      client.config.stableAfter = stableAfter;
      await client.connect();
      client.reconnectAttempts = 3;
      if (heartbeat) server.io.emit("heartbeat", {});
      await vi.waitFor(() => expect(client.reconnectAttempts).toBe(0));
    }
  });

  test("events reach subscribers once, however often the connection broke", async () => {
    const server = await start();
    const client = await connected(server);
    client.maxReconnectAttempts = 10;
    for (let round = 2; round <= 4; round += 1) {
      server.cut();
      await vi.waitFor(() => expect(server.requests("list_sessions")).toHaveLength(round));
    }
    const seen = collect(client, "marker");
    server.io.emit("marker", 1);
    server.io.emit("marker", 2);
    await vi.waitFor(() => expect(seen).toEqual([1, 2]));
  });

  test("a server that was away for a while is found again", async () => {
    const server = await TestServer.start();
    const { port } = server;
    const client = used(clientFor(port));
    client.maxReconnectAttempts = Number.POSITIVE_INFINITY;
    await client.connect();
    const infos = collect(client, "connection_changed");
    await server.stop();
    await vi.waitFor(() => expect(client.reconnectAttempts).toBeGreaterThan(1));
    await start({}, port);
    await vi.waitFor(() => expect(client.isConnected).toBe(true), { timeout: 5000 });
    expect(states(infos)).not.toContain("offline");
  });

  test("pauses double, and after the last attempt it stays offline", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const server = await TestServer.start();
    const { port } = server;
    await server.stop();
    const client = used(clientFor(port));
    client.maxReconnectAttempts = 4;
    const infos = collect(client, "connection_changed");
    await expect(client.connect()).rejects.toThrow();
    await vi.waitFor(() => expect(client.connection.state).toBe("offline"));
    const pauses = (infos as ConnectionInfo[]).map((info) => info.retryInMs).filter((pause) => pause !== null);
    expect([...new Set(pauses)]).toEqual([5, 10, 20, 40]);
  });

  test("no pause is longer than 30 seconds, nor shorter than the plan", () => {
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    const client = used(clientFor(1));
    client.reconnectDelay = 1000;
    client.maxReconnectAttempts = 100;
    client.reconnectAttempts = 2;
    client.attemptReconnection();
    expect(client.connection.retryInMs).toBeGreaterThanOrEqual(4000);
    expect(client.connection.retryInMs).toBeLessThanOrEqual(4800);
    client.disconnect();
    client.reconnectAttempts = 60;
    client.attemptReconnection();
    expect(client.connection.retryInMs).toBe(30_000);
  });

  test("whom the server sends away does not come back unasked", async () => {
    const server = await start();
    const client = await connected(server);
    server.io.disconnectSockets();
    await vi.waitFor(() => expect(client.connection.state).toBe("offline"));
    expect(client.connection.reason).toBe("io server disconnect");
    expect(await client.connect()).toBe(true);
  });

  test("a connection without heartbeats is called quiet until the next one", async () => {
    const server = await start();
    const client = await connected(server, { heartbeatInterval: 20 });
    await vi.waitFor(() => expect(client.connection.quiet).toBe(true));
    const beats = collect(client, "heartbeat");
    const infos = collect(client, "connection_changed");
    server.io.emit("heartbeat", { active_sessions: 0 });
    await vi.waitFor(() => expect(beats).toHaveLength(1));
    expect((infos as ConnectionInfo[])[0]).toMatchObject({ quiet: false, state: "connected" });
  });
});
