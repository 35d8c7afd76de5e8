// What is left of a client while it has no connection, or a server that is too busy.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WebSocketClient } from "../client/src/client.js";
import type { ConnectionInfo } from "../client/src/events.js";
import { SessionStore } from "../client/src/session-store.js";
import { ID, complete, progress, session } from "./samples";
import { TestServer } from "./server";

let server: TestServer;
let client: WebSocketClient;

beforeEach(async () => {
  server = await TestServer.start();
  client = server.client({ progressThrottle: 0, pollInterval: 10 });
});

afterEach(async () => {
  client.disconnect();
  await server.stop();
});

/** Connects, and waits for the first list. */
async function connected(): Promise<void> {
  const listed = new Promise((resolve) => client.subscribe("session_list", resolve));
  await client.connect();
  await listed;
}

test("what is known stays while there is no connection, and the next news go on from there", async () => {
  const store = new SessionStore(client);
  await connected();
  server.io.emit("import_progress", progress(2, 0.4));
  await vi.waitFor(() => expect(store.get(ID)).toMatchObject({ progress: 0.4 }));
  const before = store.get(ID);
  client.reconnectDelay = 3_600_000;
  server.cut();
  await vi.waitFor(() => expect(client.connection.state).toBe("reconnecting"));
  expect(store.get(ID)).toBe(before);
  expect(store.getSnapshot()).toEqual([before]);
  server.answers["list_sessions"] = (_request, ack) => ack({ ok: true, sessions: [session(9, 0.9)], next: null });
  await client.connect();
  await vi.waitFor(() => expect(store.get(ID)).toMatchObject({ progress: 0.9 }));
});

test("news of one session leave what is known of the others untouched", async () => {
  const store = new SessionStore(client);
  await connected();
  server.io.emit("import_progress", progress(2, 0.4));
  server.io.emit("import_progress", progress(2, 0.1, { sessionId: "another" }));
  await vi.waitFor(() => expect(store.getSnapshot()).toHaveLength(2));
  const [one, another] = [store.get(ID), store.get("another")];
  const changed: string[][] = [];
  store.subscribe((ids) => changed.push([...ids]));
  server.io.emit("import_progress", progress(3, 0.5));
  await vi.waitFor(() => expect(changed).toEqual([[ID]]));
  expect(store.get(ID)).not.toBe(one);
  expect(store.get("another")).toBe(another);
});

test("a server that is too busy for the list is read no sooner than it has asked for", async () => {
  const readAt: number[] = [];
  server.serve(() => {
    readAt.push(Date.now());
    if (readAt.length > 1) return { status: 200, body: { sessions: [], next: null } };
    return { status: 503, headers: { "Retry-After": "1" }, body: { error: { code: "SERVER_OVERLOAD", message: "too busy" } } };
  });
  server.io.engine.opts.allowRequest = (_request, decide) => decide("not now", false);
  client.maxReconnectAttempts = 0;
  const lists: unknown[] = [];
  client.subscribe("session_list", (list) => lists.push(list));
  await expect(client.connect()).rejects.toThrow();
  await vi.waitFor(() => expect(lists.length).toBeGreaterThan(0), { timeout: 8_000 });
  expect(readAt[1]! - readAt[0]!).toBeGreaterThanOrEqual(990);
}, 10_000);

test("the state of the connection is told at every step, also that figures come over HTTP", async () => {
  server.serve(() => ({ status: 200, body: { sessions: [], next: null } }));
  const told: ConnectionInfo[] = [];
  client.subscribe("connection_changed", (info) => told.push(info));
  await client.connect();
  client.reconnectDelay = 3_600_000;
  server.cut();
  await vi.waitFor(() => expect(client.connection.polled).toBe(true), { timeout: 8_000 });
  client.disconnect();
  const steps = told.map(({ state, polled }) => `${state}${polled ? ", polled" : ""}`);
  expect(steps.filter((step, index) => step !== steps[index - 1])).toEqual([
    "connecting",
    "connected",
    "reconnecting",
    "reconnecting, polled",
    "offline",
  ]);
}, 10_000);

test("what was tracked while the server was away is tracked when it is back, and its end is told", async () => {
  client.trackImportProgress(ID);
  const ended: unknown[] = [];
  client.subscribe("import_complete", (event) => ended.push(event));
  server.answers["track_session"] = (_request, ack) => ack({ ok: true, session: { ...session(3, 1), ...complete(3), status: "completed" } });
  await client.connect();
  await vi.waitFor(() => expect(ended).toMatchObject([{ import_id: 47 }]));
});
