import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Change } from "../src/api";
import { WebSocketClient } from "../client/src/client.js";
import type { ClientEvents } from "../client/src/events.js";
import { SessionLog, joined } from "../src/session-log";
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
const texts = (): string[] => told(log.story(ID));
const told = ({ entries }: { entries: readonly { percent: string; text: string }[] }): string[] =>
  entries.map(({ percent, text }) => `${percent} ${text}`.trim());

test("steps, whole percents and the end are listed, each once, with their time", async () => {
  await tell("session_created", { sessionId: ID, metadata: {}, ...at(0) });
  for (const [ms, fraction, step] of [[1_000, 0, "Reading"], [2_000, 0.101, "Reading"], [2_500, 0.109, "Reading"], [3_000, 0.3, "Writing"]] as const) {
    await tell("import_progress", progress(ms, fraction, { current_step: step, ...at(ms) }));
  }
  await tell("import_error", { ...failed(9_000), ...at(4_000) });
  expect(texts()).toEqual(["0% Seen first", "0% Reading", "10%", "30% Writing", "30% Failed: no column names a host"]);
  expect(log.story(ID).entries.map((entry) => entry.at - CREATED)).toEqual([0, 1_000, 2_000, 3_000, 4_000]);
});

test("a curve has no more points than can be seen, the newest among them", async () => {
  for (let index = 0; index <= 1_000; index += 1) {
    await tell("import_progress", progress(index + 1, index / 1_000, at(index * 1_000)));
  }
  const points = log.story(ID).points;
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
  expect(texts()).toEqual(["0% Seen first", "0% Again"]);
  expect(log.story(ID).points).toHaveLength(1);
});

test("a session that was removed leaves nothing", async () => {
  const store = new SessionStore(client);
  const own = new SessionLog(store);
  await tell("import_error", { ...failed(2), ...at(1_000) });
  expect(own.story(ID).entries).toHaveLength(1);
  store.remove(ID);
  await vi.waitFor(() => expect(own.story(ID).entries).toEqual([]));
});

describe("what the server has kept", () => {
  const change = (ms: number, fraction: number, status: Change["status"] = "processing"): Change => ({
    seq: ms,
    at: CREATED + ms,
    status,
    progress: fraction,
  });
  const kept = [change(0, 0), change(1_000, 0.2), change(1_100, 0.2), change(2_000, 0.5)];

  test("tells the time before the page was opened, and the page what came after it", async () => {
    await tell("import_progress", progress(2_000, 0.5, { current_step: "Reading", createdAt: CREATED, ...at(2_050) }));
    await tell("import_progress", progress(3_000, 0.6, { current_step: "Reading", ...at(3_000) }));
    const story = joined(kept, log.story(ID));
    expect(told(story)).toEqual(["0% Started", "20%", "50% Reading", "60%"]);
    expect(story.points.map(({ progress: fraction }) => fraction)).toEqual([0, 0.2, 0.2, 0.5, 0.5, 0.6]);
  });

  test("is told alone of a session that this page has not seen, its end included", () => {
    const story = joined([...kept, change(3_000, 0.5, "error")], { entries: [], points: [] });
    expect(told(story)).toEqual(["0% Started", "20%", "50%", "50% Failed"]);
  });

  test("need not begin with the session's beginning", () => {
    expect(told(joined(kept.slice(2), { entries: [], points: [] }))).toEqual(["20%", "50%"]);
  });

  test("gives way to the end as this page has seen it, which says why", async () => {
    await tell("import_error", { ...failed(9), ...at(3_000) });
    const story = joined([...kept, change(3_000, 0.5, "error")], log.story(ID));
    expect(told(story).at(-1)).toContain("Failed: no column names a host");
    expect(story.entries.filter(({ kind }) => kind === "end")).toHaveLength(1);
  });

  test("fills what was missed, so that nothing is told twice", async () => {
    for (const [ms, fraction] of [[1_000, 0.2], [4_000, 0.7]] as const) await tell("import_progress", progress(ms, fraction, { current_step: null, ...at(ms) }));
    const story = joined([...kept, change(4_000, 0.7)], log.story(ID));
    expect(told(story)).toEqual(["0% Started", "20%", "50%", "70%"]);
  });
});
