import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SequenceGuard } from "../src/sequence";
import { LatestThrottle } from "../src/throttle";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function recorded(): { throttle: LatestThrottle<number>; seen: [string, number][] } {
  const seen: [string, number][] = [];
  return { seen, throttle: new LatestThrottle(100, (value, key) => seen.push([key, value])) };
}

test("a value after a quiet interval passes at once", () => {
  const { throttle, seen } = recorded();
  throttle.push("a", 1);
  vi.advanceTimersByTime(101);
  throttle.push("a", 2);
  expect(seen).toEqual([["a", 1], ["a", 2]]);
});

test("an endless stream passes once per interval, each time the newest", () => {
  const { throttle, seen } = recorded();
  for (let ms = 0; ms < 1000; ms += 10) {
    throttle.push("a", ms);
    vi.advanceTimersByTime(10);
  }
  expect(seen.map(([, value]) => value)).toEqual([0, 90, 190, 290, 390, 490, 590, 690, 790, 890, 990]);
});

test("keys are independent of each other", () => {
  const { throttle, seen } = recorded();
  throttle.push("a", 1);
  throttle.push("b", 2);
  expect(seen).toEqual([["a", 1], ["b", 2]]);
});

test("flush delivers what waits, once", () => {
  const { throttle, seen } = recorded();
  throttle.push("a", 1);
  throttle.push("a", 2);
  throttle.flush("a");
  throttle.flush("a");
  vi.advanceTimersByTime(1000);
  expect(seen).toEqual([["a", 1], ["a", 2]]);
});

test("clear forgets what waits and leaves no timer behind", () => {
  const { throttle, seen } = recorded();
  throttle.push("a", 1);
  throttle.push("a", 2);
  throttle.clear();
  expect(vi.getTimerCount()).toBe(0);
  expect(seen).toEqual([["a", 1]]);
});

test("the guard takes rising numbers only, and a snapshot with the latest number", () => {
  const guard = new SequenceGuard();
  expect([3, 3, 2, 5].map((seq) => guard.accept("a", seq))).toEqual([true, false, false, true]);
  expect(guard.acceptSnapshot("a", 5)).toBe(true);
  expect(guard.acceptSnapshot("a", 4)).toBe(false);
});

test("after the end nothing is taken until the session begins anew", () => {
  const guard = new SequenceGuard();
  expect(guard.end("a", 4)).toBe(true);
  expect(guard.end("a", 5)).toBe(false);
  expect(guard.accept("a", 6)).toBe(false);
  guard.forget("a");
  expect(guard.accept("a", 1)).toBe(true);
});

test("an end older than what was seen is none", () => {
  const guard = new SequenceGuard();
  guard.accept("a", 5);
  expect(guard.end("a", 4)).toBe(false);
});

test("only the latest ended sessions are remembered", () => {
  const guard = new SequenceGuard();
  for (let id = 0; id < 501; id += 1) guard.end(String(id), 1);
  expect(guard.end("0", 1)).toBe(true);
  expect(guard.end("500", 1)).toBe(false);
});
