import { describe, expect, test } from "vitest";
import {
  etaInWords,
  formatBytes,
  formatDuration,
  formatElapsed,
  formatMoment,
  formatPercent,
  formatTime,
  formatValue,
  humanise,
  isolate,
  plural,
  rowsInWords,
  speedInWords,
} from "../src/format";

test("percent is rounded down, so that 100% means the whole", () => {
  expect([0, 0.004, 0.349, 0.9999, 1].map(formatPercent)).toEqual(["0%", "0%", "34%", "99%", "100%"]);
});

test.each([
  [0, "a few seconds left"],
  [4.9, "a few seconds left"],
  [12, "about 15 seconds left"],
  [45, "about 45 seconds left"],
  [54, "about 55 seconds left"],
  [70, "about a minute left"],
  [100, "about 2 minutes left"],
  [3590, "about 1 hour left"],
  [3600 + 20 * 60, "about 1 hour 20 minutes left"],
  [7200 - 60, "about 2 hours left"],
])("%d seconds are told as: %s", (seconds, words) => {
  expect(etaInWords(seconds)).toBe(words);
});

test.each([
  [-5, "0 ms"],
  [35.4, "35 ms"],
  [4250, "4.3 s"],
  [59_960, "1 min"],
  [125_000, "2 min 5 s"],
  [3_840_000, "1 h 4 min"],
])("%d milliseconds last %s", (ms, words) => {
  expect(formatDuration(ms)).toBe(words);
});

test.each([
  [0, "0 bytes"],
  [999, "999 bytes"],
  [1500, "1.5 KB"],
  [30_000_000, "30 MB"],
  [999_900, "1 MB"],
  [2_345_000_000, "2.3 GB"],
])("%d bytes are %s", (bytes, words) => {
  expect(formatBytes(bytes)).toBe(words);
});

test("rows are told as far as they are known", () => {
  expect(rowsInWords(975, 1500)).toBe("975 of 1,500 rows");
  expect(rowsInWords(1, null)).toBe("1 row");
  expect(rowsInWords(null, 3)).toBe("0 of 3 rows");
  expect(rowsInWords(null, null)).toBe("");
});

test("speeds are shortened, unknown forms kept", () => {
  expect(speedInWords("12345.6 rows/sec")).toBe("12,346 rows/s");
  expect(speedInWords("quite fast")).toBe("quite fast");
  expect(speedInWords(undefined)).toBe("");
});

test("names of fields become words", () => {
  expect(humanise("vulnerability_import")).toBe("Vulnerability import");
  expect(humanise("totalRows")).toBe("Total rows");
  expect(humanise("")).toBe("");
});

test("counts agree with their noun", () => {
  expect([plural(0, "row"), plural(1, "row"), plural(1500, "row")]).toEqual(["0 rows", "1 row", "1,500 rows"]);
});

test("text that is no date is shown as it came", () => {
  expect(formatTime("yesterday")).toBe("yesterday");
  expect(formatTime(null)).toBe("");
  expect(formatTime("2025-01-12T10:30:00Z")).toMatch(/Jan 2025/);
});

describe("values of any kind become one line", () => {
  test.each([
    [null, "unknown"],
    ["", "(empty)"],
    [1500, "1,500"],
    [true, "yes"],
    [["a", 2], "a, 2"],
    [{ a: 1, b: ["x", "y"] }, "a: 1; b: x, y"],
    [{}, "(empty)"],
  ])("%j", (value, words) => {
    expect(formatValue(value)).toBe(words);
  });
});

test("a time that runs is told no more exactly than it can be read", () => {
  const cases = [[400, "a moment"], [45_900, "45 s"], [61_000, "1 min"], [3_840_000, "1 h 4 min"], [90_000_000, "1 d 1 h"]] as const;
  for (const [ms, words] of cases) expect(formatElapsed(ms)).toBe(words);
});

test("the date of today is left out", () => {
  const noon = new Date(2025, 0, 12, 12, 0);
  expect(formatMoment(noon.toISOString(), noon.getTime() + 3_600_000)).toBe("12:00");
  expect(formatMoment(noon.toISOString(), noon.getTime() + 86_400_000)).toBe("12 Jan 2025, 12:00");
  expect(formatMoment("yesterday", noon.getTime())).toBe("yesterday");
});

test("text from right to left is isolated, other text stays as it is", () => {
  expect(isolate("scan.csv")).toBe("scan.csv");
  expect(isolate("שלום.csv")).toBe("\u2068שלום.csv\u2069");
});

test("text cannot end its isolation, or turn itself around", () => {
  expect(isolate("a\u2069\u202egpj.exe")).toBe("agpj.exe");
  expect(isolate("ש\u2069\u202e")).toBe("\u2068ש\u2069");
});
