// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest";
import type { Statistics } from "../src/api";
import { StatisticsView } from "../src/statistics";

beforeEach(() => document.body.replaceChildren());

const statistics = (counts: number[]): Statistics => ({
  bySeverity: {},
  byVendor: {},
  byHost: counts.map((count, index) => ({ vendor: "nessus", host: `key-${index}`, ip: null, hostname: `web-${index}`, count })),
  overTime: counts.map((active, index) => ({ date: `2025-01-1${index}`, new: index, resolved: 1, active })),
});

test("a chart tells in words and by day how the findings came about", () => {
  const container = document.createElement("div");
  const showHost = vi.fn();
  new StatisticsView(container, showHost).show(statistics([31, 40, 46]));
  const chart = container.querySelector("svg")!;
  expect(chart.getAttribute("aria-label")).toBe("From 31 to 46 active findings: 3 new, 3 resolved.");
  expect([...chart.querySelectorAll("title")].map(({ textContent }) => textContent)).toEqual([
    "10 Jan: 31 active, 0 new, 1 resolved",
    "11 Jan: 40 active, 1 new, 1 resolved",
    "12 Jan: 46 active, 2 new, 1 resolved",
  ]);
  const heights = chart.querySelector("polyline")!.getAttribute("points")!.split(" ").map((point) => Number(point.split(",")[1]));
  expect(heights[0]).toBeGreaterThan(heights[1]!);
  expect(heights[1]).toBeGreaterThan(heights[2]!);
  expect([...container.querySelectorAll("li")].map(({ textContent }) => textContent)).toEqual(["web-031", "web-140", "web-246"]);
  container.querySelector("button")!.click();
  expect(showHost).toHaveBeenCalledWith("key-0");
});

test("without findings there is no chart", () => {
  const container = document.createElement("div");
  const view = new StatisticsView(container, vi.fn());
  const none = statistics([0, 0]);
  view.show({ ...none, overTime: none.overTime.map((day) => ({ ...day, new: 0, resolved: 0 })) });
  expect(container.hidden).toBe(true);
  view.show(statistics([1, 2]));
  expect(container.hidden).toBe(false);
  view.show(null);
  expect(container.hidden).toBe(true);
});
