import { beforeEach, expect, test, vi } from "vitest";
import { WebSocketClient } from "../client/src/client.js";
import type { ClientEvents, Session } from "../client/src/events.js";
import { SessionStore } from "../client/src/session-store.js";
import { CREATED, ID, complete, failed, progress, session } from "./samples";

let client: WebSocketClient;
let store: SessionStore;

beforeEach(() => {
  client = new WebSocketClient();
  store = new SessionStore(client);
});

/** Hands an event to the subscribers, as the client does. */
function tell<E extends keyof ClientEvents>(event: E, data: ClientEvents[E]): void {
  for (const callback of client.eventCallbacks.get(event) ?? []) callback(data as never);
}

const ids = (): string[] => store.getSnapshot().map(({ sessionId }) => sessionId);
const created = (sessionId: string, at: number): ClientEvents["session_created"] => ({
  sessionId,
  metadata: { operation: "backup", filename: `${sessionId}.tar`, total_rows: 3 },
  timestamp: new Date(at).toISOString(),
});

test("a session is followed from its beginning to its end", () => {
  tell("session_created", created(ID, CREATED));
  expect(store.get(ID)).toMatchObject({
    status: "processing",
    progress: 0,
    operation: "backup",
    totalRows: 3,
    metadata: { filename: `${ID}.tar` },
    createdAt: CREATED,
    endedAt: null,
  });
  tell("import_progress", progress(2, 0.4));
  expect(store.get(ID)).toMatchObject({ progress: 0.4, currentStep: "Reading rows", processedRows: 400, createdAt: CREATED });
  tell("import_complete", complete(3));
  const { timestamp } = complete(3);
  expect(store.get(ID)).toMatchObject({ status: "completed", progress: 1, endedAt: Date.parse(timestamp), resultLeftOut: false });
  expect(store.get(ID)?.metadata).toMatchObject({ filename: "scan.csv" });
});

test("running sessions come first, and of each kind the newest", () => {
  for (const [index, id] of ["a", "b", "c"].entries()) tell("session_created", created(id, CREATED + index));
  tell("import_error", { ...failed(9), sessionId: "c" });
  tell("import_error", { ...failed(9), sessionId: "a", timestamp: "2025-01-12T11:00:00.000Z" });
  tell("session_created", created("d", CREATED + 9));
  expect(ids()).toEqual(["d", "b", "a", "c"]);
});

test("the snapshot is the same array until something changes", async () => {
  tell("session_created", created("a", CREATED));
  const before = store.getSnapshot();
  expect(store.getSnapshot()).toBe(before);
  const heard: string[][] = [];
  const stop = store.subscribe((changed) => heard.push([...changed]));
  await vi.waitFor(() => expect(heard).toEqual([["a"]]));
  for (let seq = 2; seq < 10; seq += 1) tell("import_progress", progress(seq, 0.1, { sessionId: "a" }));
  tell("session_created", created("b", CREATED));
  await vi.waitFor(() => expect(heard).toEqual([["a"], ["a", "b"]]));
  expect(store.getSnapshot()).not.toBe(before);
  stop();
  tell("session_created", created("c", CREATED));
  await Promise.resolve();
  expect(heard).toHaveLength(2);
});

test("an id that is used again begins anew", () => {
  tell("session_created", created(ID, CREATED));
  tell("import_progress", progress(2, 0.9));
  tell("import_complete", complete(3));
  tell("session_created", created(ID, CREATED + 90_000));
  tell("import_progress", progress(5, 0.1, { metadata: {} }));
  expect(store.get(ID)).toMatchObject({ status: "processing", progress: 0.1, createdAt: CREATED + 90_000, ending: null, metadata: {} });
});

test("a late joiner learns from the snapshot when the session began and when it last moved", () => {
  const lastUpdate = CREATED + 5_000;
  tell("import_progress", session(3, 0.4, { lastUpdate, stalled: true }) as never);
  expect(store.get(ID)).toMatchObject({ createdAt: CREATED, lastUpdate });
});

test("a running session that the list does not name is asked for", () => {
  const asked = vi.spyOn(client, "trackImportProgress").mockImplementation(() => {});
  for (const id of ["a", "b", "c"]) tell("session_created", created(id, CREATED));
  tell("import_error", { ...failed(2), sessionId: "c" });
  tell("session_list", [{ sessionId: "a" } as Session]);
  expect(asked.mock.calls).toEqual([["b"]]);
  tell("session_lost", { sessionId: "b", error: { code: "SESSION_NOT_FOUND", message: "" } });
  expect(store.get("b")).toMatchObject({ status: "lost" });
  expect(store.get("b")?.endedAt).not.toBeNull();
});

test("a result that the list left out is filled in from the same session only", () => {
  const listed = { ...session(3, 1), ...complete(3), result: null, createdAt: CREATED, endedAt: CREATED + 1_000 };
  tell("import_complete", listed as never);
  expect(store.get(ID)).toMatchObject({ resultLeftOut: true, endedAt: CREATED + 1_000 });
  store.fill(ID, session(3, 1, { createdAt: CREATED, result: { files: 3 } }));
  expect(store.get(ID)).toMatchObject({ resultLeftOut: false, ending: { result: { files: 3 } } });
  tell("import_complete", { ...listed, seq: 4 } as never);
  store.fill(ID, session(9, 1, { createdAt: CREATED + 1, result: { files: 4 } }));
  expect(store.get(ID)).toMatchObject({ resultLeftOut: false, ending: { result: null } });
});

test("a removed session is gone, and the thousand that ended last are kept", () => {
  tell("session_created", created("running", CREATED));
  for (let index = 0; index < 1_001; index += 1) {
    const timestamp = new Date(CREATED + index).toISOString();
    tell("import_error", { ...failed(1), sessionId: `s${index}`, timestamp });
  }
  expect(store.getSnapshot()).toHaveLength(1_001);
  expect(store.get("s0")).toBeUndefined();
  store.remove("s7");
  expect(store.get("s7")).toBeUndefined();
  expect(ids()[0]).toBe("running");
});

test("close ends the subscriptions to the client", () => {
  store.close();
  expect(client.eventCallbacks.size).toBe(0);
});
