import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SessionError, type WebSocketClient } from "../client/src/client.js";
import type { ImportProgress, Session, TerminalEvent } from "../client/src/events.js";
import { ID, cancelled, complete, failed, progress, session } from "./samples";
import { TestServer } from "./server";

let server: TestServer;
let client: WebSocketClient;
let state: Session;

beforeEach(async () => {
  server = await TestServer.start();
  state = session(1, 0.1);
  server.answers["track_session"] = (_request, ack) => ack({ ok: true, session: state });
  client = server.client({ progressThrottle: 0 });
  await client.connect();
});

afterEach(async () => {
  client.disconnect();
  await server.stop();
});

const joined = (): Promise<void> => vi.waitFor(() => expect(server.requests("track_session")).toHaveLength(1));

test("callbacks get the present state, what follows, and the end", async () => {
  const told: (ImportProgress | TerminalEvent)[] = [];
  const tracking = client.track(ID, { onProgress: (event) => told.push(event), onEnd: (event) => told.push(event) });
  await vi.waitFor(() => expect(told).toMatchObject([{ progress: 0.1 }]));
  server.io.emit("import_progress", progress(2, 0.5));
  server.io.emit("import_progress", progress(2, 0.5, { sessionId: "another" }));
  server.io.emit("import_complete", complete(3));
  expect(await tracking).toMatchObject({ import_id: 47 });
  expect(told).toMatchObject([{ progress: 0.1 }, { progress: 0.5 }, { status: "completed" }]);
  await vi.waitFor(() => expect(server.requests("untrack_session")).toHaveLength(1));
});

test("the iterator yields progress and ends with the terminal event", async () => {
  const tracking = client.track(ID);
  const seen: string[] = [];
  for await (const event of tracking) {
    seen.push("progress" in event && event.status === "processing" ? String(event.progress) : event.status);
    if (seen.length === 1) server.io.emit("import_progress", progress(2, 0.5));
    if (seen.length === 2) server.io.emit("import_error", failed(3));
  }
  expect(seen).toEqual(["0.1", "0.5", "error"]);
});

test("an iterator that is slow gets the newest and the end", async () => {
  const tracking = client.track(ID);
  await joined();
  for (let seq = 2; seq <= 9; seq += 1) server.io.emit("import_progress", progress(seq, seq / 10));
  server.io.emit("import_cancelled", cancelled(10));
  await tracking.then(null, () => {});
  const seen: unknown[] = [];
  for await (const event of tracking) seen.push("progress" in event ? event.progress : event.status);
  expect(seen).toEqual([0.9, "cancelled"]);
});

test.each([
  ["failure", failed(2), "CSV_UNKNOWN_FORMAT"],
  ["cancellation", cancelled(2), "SESSION_CANCELLED"],
])("a %s rejects with its code and its event", async (_name, event, code) => {
  const tracking = client.track(ID);
  await joined();
  server.io.emit(event.status === "error" ? "import_error" : "import_cancelled", event);
  const error = await tracking.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(SessionError);
  expect(error).toMatchObject({ code, event: { seq: 2 } });
});

test("a session that has ended is told, also to who begins to track after all others were told", async () => {
  state = { ...session(3, 1), ...complete(3), status: "completed" };
  const told: unknown[] = [];
  client.subscribe("import_complete", (event) => told.push(event));
  expect(await client.track(ID)).toMatchObject({ import_id: 47 });
  expect(await client.track(ID)).toMatchObject({ import_id: 47 });
  expect(told).toHaveLength(1);
});

test("a session that nobody knows rejects", async () => {
  server.answers["track_session"] = (_request, ack) => ack({ ok: false, error: { code: "SESSION_NOT_FOUND", message: "no such session" } });
  await expect(client.track(ID)).rejects.toMatchObject({ code: "SESSION_NOT_FOUND", event: null });
  const tracking = client.track(ID);
  await expect(tracking[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
});

test("a signal ends the tracking and not the session", async () => {
  const abort = new AbortController();
  const told: unknown[] = [];
  const tracking = client.track(ID, { signal: abort.signal, onProgress: (event) => told.push(event) });
  const other = client.track(ID);
  await vi.waitFor(() => expect(told).toHaveLength(1));
  abort.abort(new Error("seen enough"));
  await expect(tracking).rejects.toThrow("seen enough");
  server.io.emit("import_progress", progress(2, 0.5));
  server.io.emit("import_complete", complete(3));
  await other;
  expect(told).toHaveLength(1);
  expect(server.requests("cancel_session")).toEqual([]);
  await expect(client.track(ID, { signal: abort.signal })).rejects.toThrow("seen enough");
});

test("the last one that gives up leaves the audience", async () => {
  const abort = new AbortController();
  const tracking = client.track(ID, { signal: abort.signal });
  await joined();
  abort.abort();
  await expect(tracking).rejects.toThrow();
  await vi.waitFor(() => expect(server.requests("untrack_session")).toHaveLength(1));
});

test("the tracking goes on over a lost connection", async () => {
  const seen: number[] = [];
  const tracking = client.track(ID, { onProgress: (event) => seen.push(event.progress) });
  await vi.waitFor(() => expect(seen).toEqual([0.1]));
  state = session(5, 0.6);
  server.cut();
  await vi.waitFor(() => expect(seen).toEqual([0.1, 0.6]));
  server.io.emit("import_complete", complete(6));
  expect(await tracking).toMatchObject({ status: "completed" });
});

test("a callback that throws keeps nothing from the others", async () => {
  const complaint = vi.spyOn(console, "error").mockImplementation(() => {});
  const broken = client.track(ID, {
    onProgress: () => {
      throw new Error("broken");
    },
  });
  const seen: unknown[] = [];
  client.track(ID, { onProgress: (event) => seen.push(event) });
  await vi.waitFor(() => expect(seen).toHaveLength(1));
  server.io.emit("import_complete", complete(3));
  await broken;
  expect(complaint).toHaveBeenCalled();
  complaint.mockRestore();
});
