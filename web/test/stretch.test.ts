import { expect, test } from "vitest";
import { placeOf, stretchAt } from "../src/stretch";

const heights = (count: number, height = 50): number[] => Array.from({ length: count }, () => height);

test("only what is in sight is on the page, and room is kept for the rest", () => {
  expect(stretchAt(heights(1_000), 5_000, 500, 0)).toEqual({ from: 100, to: 110, before: 5_000, after: 44_500 });
  expect(stretchAt(heights(1_000), 5_010, 500, 0)).toEqual({ from: 100, to: 111, before: 5_000, after: 44_450 });
  expect(stretchAt(heights(1_000), 5_000, 500, 100)).toEqual({ from: 98, to: 112, before: 4_900, after: 44_400 });
});

test("at both ends nothing is missing", () => {
  expect(stretchAt(heights(20), 0, 500, 100)).toEqual({ from: 0, to: 12, before: 0, after: 400 });
  expect(stretchAt(heights(20), 500, 500, 100)).toEqual({ from: 8, to: 20, before: 400, after: 0 });
  expect(stretchAt(heights(3), 0, 500, 100)).toEqual({ from: 0, to: 3, before: 0, after: 0 });
  expect(stretchAt([], 0, 500, 100)).toEqual({ from: 0, to: 0, before: 0, after: 0 });
});

test("items of different heights keep their places", () => {
  expect(stretchAt([300, 50, 50, 300, 50], 310, 60, 0)).toEqual({ from: 1, to: 3, before: 300, after: 350 });
});

test("a list that has become shorter than what was scrolled shows its end as soon as that is said", () => {
  expect(stretchAt(heights(10), 9_000, 500, 100)).toEqual({ from: 10, to: 10, before: 500, after: 0 });
});

test("an item's place is below all that stand before it", () => {
  const items = ["a", "b", "c"].map((sessionId) => ({ sessionId }));
  expect(placeOf(items, [50, 300, 50], "a")).toBe(0);
  expect(placeOf(items, [50, 300, 50], "c")).toBe(350);
  expect(placeOf(items, [50, 300, 50], "gone")).toBeNull();
});
