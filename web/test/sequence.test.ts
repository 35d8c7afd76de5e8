import { expect, test } from "vitest";
import { SequenceGuard, type Stamp } from "../src/sequence";

const snapshot = (seq: number, createdAt: number | null, status = "processing"): Stamp => ({
  sessionId: "a",
  seq,
  createdAt,
  status,
});

test("rising numbers are taken, a snapshot also with the newest one", () => {
  const guard = new SequenceGuard();
  expect([3, 3, 2, 5].map((seq) => guard.progress("a", seq))).toEqual(["next", "old", "old", "next"]);
  expect(guard.snapshot(snapshot(5, 1))).toBe("next");
  expect(guard.snapshot(snapshot(4, 1))).toBe("old");
});

test("an event that is no newer than a snapshot is refused", () => {
  const guard = new SequenceGuard();
  guard.snapshot(snapshot(5, 1));
  expect([4, 5, 6].map((seq) => guard.progress("a", seq))).toEqual(["old", "old", "next"]);
  guard.snapshot(snapshot(9, 1, "completed"));
  expect([guard.end("a", 9), guard.progress("a", 8)]).toEqual(["old", "old"]);
});

test("an end is told once, and an end older than what was seen is none", () => {
  const guard = new SequenceGuard();
  guard.progress("a", 5);
  expect([4, 6, 6, 5].map((seq) => guard.end("a", seq))).toEqual(["old", "next", "old", "old"]);
});

test("after the end a higher number is a new session under the same id", () => {
  for (const begin of ["created", "progress", "end"] as const) {
    const guard = new SequenceGuard();
    guard.end("a", 5);
    expect(guard[begin]("a", 5)).toBe("old");
    expect(guard[begin]("a", 6)).toBe("anew");
    expect(guard.progress("a", 6)).toBe("old");
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

test("on a new connection the first snapshot counts, and an end that is known is not told again", () => {
  const guard = new SequenceGuard();
  guard.snapshot(snapshot(900, null));
  guard.reconnected();
  expect(guard.snapshot(snapshot(3, null))).toBe("anew");
  expect(guard.snapshot(snapshot(2, null))).toBe("old");
  guard.end("a", 4);
  guard.reconnected();
  expect(guard.snapshot(snapshot(4, null, "completed"))).toBe("old");
});

test("an answer that may have been overtaken goes by its number on a new connection too", () => {
  const guard = new SequenceGuard();
  guard.progress("a", 9);
  guard.reconnected();
  expect(guard.snapshot(snapshot(8, 1), true)).toBe("old");
});

test("after an end that was guessed the event that tells it is no second end", () => {
  const guard = new SequenceGuard();
  guard.progress("a", 5);
  expect(guard.end("a", undefined)).toBe("next");
  expect(guard.end("a", 6)).toBe("old");
  expect(guard.created("a", 7)).toBe("anew");
});

test("events without a number are taken until the end", () => {
  const guard = new SequenceGuard();
  expect([guard.progress("a", undefined), guard.progress("a", undefined)]).toEqual(["next", "next"]);
  expect([guard.end("a", undefined), guard.end("a", undefined), guard.progress("a", undefined)]).toEqual(["next", "old", "old"]);
  expect([guard.created("a", undefined), guard.progress("a", undefined)]).toEqual(["anew", "next"]);
});

test("only the sessions with the latest news are remembered", () => {
  const guard = new SequenceGuard();
  guard.end("first", 1);
  guard.end("second", 1);
  guard.created("first", 2);
  for (let id = 0; id < 4_999; id += 1) guard.end(String(id), 1);
  expect(guard.end("first", 2)).toBe("old");
  expect(guard.end("second", 1)).toBe("next");
});
