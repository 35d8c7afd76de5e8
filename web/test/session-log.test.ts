import { beforeEach, expect, test, vi } from "vitest";
import { WebSocketClient } from "../client/src/client.js";
import type { ClientEvents } from "../client/src/events.js";
import { SessionLog } from "../src/session-log";
import { SessionStore } from "../client/src/session-store.js";
import { CREATED, ID, failed, progress } from "./samples";

let client: WebSocketClient;
let log: SessionLog;

beforeEach(() => {
  client = new WebSocketClient();
  log = new SessionLog(new SessionStore(client));
});

async function tell<E extends keyof ClientEvents>(event: E, data: ClientEvents[E]): Promise<void> {
  for (const callback of client.eventCallbacks.get(event) ?? []) callback(data as never);
  // The store tells its listeners after the moment.
  await Promise.resolve();
}

const at = (ms: number): { timestamp: string } => ({ timestamp: new Date(CREATED + ms).toISOString() });
const texts = (): string[] => log.entries(ID).map(({ text }) => text);

test("steps and the end are listed, each once, with their time", async () => {
  await tell("session_created", { sessionId: ID, metadata: {}, ...at(0) });
  for (const [ms, step] of [[1_000, "Reading"], [2_000, "Reading"], [3_000, "Writing"]] as const) {
    await tell("import_progress", progress(ms, ms / 10_000, { current_step: step, ...at(ms) }));
  }
  await tell("import_error", { ...failed(9_000), ...at(4_000) });
  expect(texts()).toEqual(["Seen first", "Reading", "Writing", "Failed: no column names a host"]);
  expect(log.entries(ID).map((entry) => entry.at - CREATED)).toEqual([0, 1_000, 3_000, 4_000]);
});

test("a curve has no more points than can be seen, the newest among them", async () => {
  for (let index = 0; index <= 1_000; index += 1) {
    await tell("import_progress", progress(index + 1, index / 1_000, at(index * 1_000)));
  }
  const points = log.points(ID);
  expect(points.length).toBeGreaterThan(50);
  expect(points.length).toBeLessThanOrEqual(120);
  expect(points[0]).toEqual({ at: CREATED, progress: 0 });
  expect(points.at(-1)!.progress).toBeGreaterThan(0.95);
  for (let index = 1; index < points.length; index += 1) expect(points[index]!.at).toBeGreaterThan(points[index - 1]!.at);
});

test("a session that begins anew under its id has a log of its own", async () => {
  await tell("session_created", { sessionId: ID, metadata: {}, ...at(0) });
  await tell("import_error", { ...failed(2), ...at(1_000) });
  await tell("session_created", { sessionId: ID, metadata: { current_step: "Again" }, ...at(60_000) });
  expect(texts()).toEqual(["Seen first", "Again"]);
  expect(log.points(ID)).toHaveLength(1);
});

test("a session that was removed leaves nothing", async () => {
  const store = new SessionStore(client);
  const own = new SessionLog(store);
  await tell("import_error", { ...failed(2), ...at(1_000) });
  expect(own.entries(ID)).toHaveLength(1);
  store.remove(ID);
  await vi.waitFor(() => expect(own.entries(ID)).toEqual([]));
});
