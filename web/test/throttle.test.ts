import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LatestThrottle } from "../client/src/throttle.js";

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

test("drop forgets what waits for one key and ends its interval", () => {
  const { throttle, seen } = recorded();
  throttle.push("a", 1);
  throttle.push("a", 2);
  throttle.push("b", 3);
  throttle.push("b", 4);
  throttle.drop("a");
  throttle.push("a", 5);
  vi.advanceTimersByTime(1000);
  expect(seen).toEqual([["a", 1], ["b", 3], ["a", 5], ["b", 4]]);
});
