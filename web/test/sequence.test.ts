import { expect, test } from "vitest";
import { type Mark, SequenceGuard, type Stamp } from "../client/src/sequence.js";

const event = (seq: number | undefined, at?: number): Mark => ({
  sessionId: "a",
  seq,
  ...(at !== undefined && { timestamp: new Date(at).toISOString() }),
});
const of = (sessionId: string, seq: number): Mark => ({ sessionId, seq });
const snapshot = (seq: number, createdAt: number | null, status = "processing"): Stamp => ({
  sessionId: "a",
  seq,
  createdAt,
  status,
});

test("rising numbers are taken, a snapshot also with the newest one", () => {
  const guard = new SequenceGuard();
  expect([3, 3, 2, 5].map((seq) => guard.progress(event(seq)))).toEqual(["next", "old", "old", "next"]);
  expect(guard.snapshot(snapshot(5, 1))).toBe("next");
  expect(guard.snapshot(snapshot(4, 1))).toBe("old");
});

test("an event that is no newer than a snapshot is refused", () => {
  const guard = new SequenceGuard();
  guard.snapshot(snapshot(5, 1));
  expect([4, 5, 6].map((seq) => guard.progress(event(seq)))).toEqual(["old", "old", "next"]);
  guard.snapshot(snapshot(9, 1, "completed"));
  expect([guard.end(event(9)), guard.progress(event(8))]).toEqual(["old", "old"]);
});

test("an end is told once, and an end older than what was seen is none", () => {
  const guard = new SequenceGuard();
  guard.progress(event(5));
  expect([4, 6, 6, 5].map((seq) => guard.end(event(seq)))).toEqual(["old", "next", "old", "old"]);
});

test("after the end a higher number is a new session under the same id", () => {
  for (const begin of ["created", "progress", "end"] as const) {
    const guard = new SequenceGuard();
    guard.end(event(5));
    expect(guard[begin](event(5))).toBe("old");
    expect(guard[begin](event(6))).toBe("anew");
    expect(guard.progress(event(6))).toBe("old");
  }
});

test("a snapshot tells by the time of creation that an id was used again", () => {
  const guard = new SequenceGuard();
  guard.snapshot(snapshot(5, 1000));
  expect(guard.snapshot(snapshot(7, 2000))).toBe("anew");
  expect(guard.snapshot(snapshot(6, 1000))).toBe("old");
  expect(guard.snapshot(snapshot(8, 2000, "completed"))).toBe("next");
  expect(guard.snapshot(snapshot(8, 2000, "completed"))).toBe("old");
});

test("an end that a restarted server numbers anew is not told again, and a later session of the same id is", () => {
  for (const isTold of [true, false]) {
    const guard = new SequenceGuard();
    if (isTold) guard.end(event(5, 3000));
    else guard.snapshot(snapshot(5, 1000, "completed"));
    guard.reconnected();
    expect(guard.snapshot(snapshot(600, 1000, "completed"))).toBe("old");
    expect(guard.snapshot(snapshot(700, 4000, "completed"))).toBe("anew");
  }
});

test("on a new connection the first snapshot counts, and an end that is known is not told again", () => {
  const guard = new SequenceGuard();
  guard.snapshot(snapshot(900, null));
  guard.reconnected();
  expect(guard.snapshot(snapshot(3, null))).toBe("anew");
  expect(guard.snapshot(snapshot(2, null))).toBe("old");
  guard.end(event(4));
  guard.reconnected();
  expect(guard.snapshot(snapshot(4, null, "completed"))).toBe("old");
});

test("an answer that may have been overtaken goes by its number on a new connection too", () => {
  const guard = new SequenceGuard();
  guard.progress(event(9));
  guard.reconnected();
  expect(guard.snapshot(snapshot(8, 1), true)).toBe("old");
});

test("after an end that was guessed the event that tells it is no second end", () => {
  const guard = new SequenceGuard();
  guard.progress(event(5));
  expect(guard.end(event(undefined))).toBe("next");
  expect(guard.end(event(6))).toBe("old");
  expect(guard.created(event(7))).toBe("anew");
});

test("events without a number are taken until the end", () => {
  const guard = new SequenceGuard();
  expect([guard.progress(event(undefined)), guard.progress(event(undefined))]).toEqual(["next", "next"]);
  expect([guard.end(event(undefined)), guard.end(event(undefined)), guard.progress(event(undefined))]).toEqual(["next", "old", "old"]);
  expect([guard.created(event(undefined)), guard.progress(event(undefined))]).toEqual(["anew", "next"]);
});

test("only the sessions with the latest news are remembered", () => {
  const guard = new SequenceGuard();
  guard.end(of("first", 1));
  guard.end(of("second", 1));
  guard.created(of("first", 2));
  for (let id = 0; id < 4_999; id += 1) guard.end(of(String(id), 1));
  expect(guard.end(of("first", 2))).toBe("old");
  expect(guard.end(of("second", 1))).toBe("next");
});

test("a snapshot of a session that was created after the last event of the known one is another", () => {
  const guard = new SequenceGuard();
  guard.created(event(1, 1_000));
  guard.progress(event(2, 3_000));
  expect(guard.snapshot(snapshot(3, 1_000))).toBe("next");
  guard.progress(event(4, 5_000));
  const other = new SequenceGuard();
  other.created(event(1, 1_000));
  other.progress(event(2, 3_000));
  expect(other.snapshot(snapshot(9, 4_000))).toBe("anew");
  expect(guard.snapshot(snapshot(9, 6_000))).toBe("anew");
});
