/** Numbers, times and names as people read them. The page speaks English everywhere. */

import { formatCount } from "../client/src/words.js";
import { FORMAT as TEXTS } from "./texts";

export { etaInWords, formatCount, formatPercent, humanise, plural, rowsInWords } from "../client/src/words.js";

const oneDigit = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const timeOfDay = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const dateTime = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export function formatBytes(bytes: number): string {
  const units = TEXTS.bytes;
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? oneDigit.format(value) : formatCount(Math.round(value))} ${units[unit]}`;
}

/** "0.4", "1,204.5" */
export function formatDecimal(value: number): string {
  return oneDigit.format(value);
}

/** "35 ms", "4.3 s", "2 min 5 s", "1 h 4 min" */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ${TEXTS.ms}`;
  if (ms < 59_950) return `${oneDigit.format(ms / 1000)} ${TEXTS.s}`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return joinUnits(minutes, TEXTS.min, seconds % 60, TEXTS.s);
  return joinUnits(Math.floor(minutes / 60), TEXTS.h, minutes % 60, TEXTS.min);
}

/** "65 rows/sec" becomes "65 rows/s"; text of another form is shown as it came. */
export function speedInWords(speed: unknown): string {
  if (typeof speed !== "string") return "";
  const match = /^(\d+(?:\.\d+)?) (\S+)\/sec$/.exec(speed);
  return match ? `${formatCount(Math.round(Number(match[1])))} ${match[2]}/s` : speed;
}

/** A point in time in the reader's own time zone; text that is no date is shown as it came. */
export function formatTime(timestamp: string | null | undefined): string {
  if (!timestamp) return "";
  const date = new Date(timestamp);
  return Number.isNaN(date.getTime()) ? timestamp : dateTime.format(date);
}

/** The time of day with seconds: "10:32:15". */
export function formatClock(ms: number): string {
  return clock.format(ms);
}

/** "2025-01-12" becomes "12 Jan". */
export function formatDay(date: string): string {
  const time = new Date(`${date}T00:00:00Z`);
  return Number.isNaN(time.getTime()) ? date : day.format(time);
}

/** "a moment", "45 s", "4 min", "1 h 4 min": a time that still runs, so no more exact than it can be read. */
export function formatElapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return TEXTS.moment;
  if (seconds < 60) return `${seconds} ${TEXTS.s}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} ${TEXTS.min}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return joinUnits(hours, TEXTS.h, minutes % 60, TEXTS.min);
  return joinUnits(Math.floor(hours / 24), TEXTS.d, hours % 24, TEXTS.h);
}

/** "78 new, 3 reopened": those of `counts` that `words` has, in its order, without those of nothing. */
export function countsInWords(counts: object, words: Record<string, string>): string {
  const parts = Object.entries(words).map(([key, word]) => {
    const count = (counts as Record<string, unknown>)[key];
    return typeof count === "number" && count > 0 ? `${formatCount(count)} ${word}` : "";
  });
  return parts.filter(Boolean).join(", ");
}

const DIRECTIONAL = /[\u0590-\u08ff\u200e\u200f\ufb1d-\ufdff\ufe70-\ufeff]/;
const BIDI_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;

/**
 * Text of somebody else for a place where no element can isolate it: right-to-left text must not reorder its surroundings.
 * Its own controls are left out, since they could end the isolation.
 */
export function isolate(text: string): string {
  const plain = text.replace(BIDI_CONTROLS, "");
  return DIRECTIONAL.test(plain) ? `\u2068${plain}\u2069` : plain;
}

/** As `formatTime`, without the date where that is today's. */
export function formatMoment(timestamp: string, now: number): string {
  const date = new Date(timestamp);
  const today = !Number.isNaN(date.getTime()) && date.toDateString() === new Date(now).toDateString();
  return today ? timeOfDay.format(date) : formatTime(timestamp);
}

/** Any value of a JSON answer as one line of text. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return TEXTS.unknown;
  if (typeof value === "number") return formatCount(value);
  if (typeof value === "string") return value === "" ? TEXTS.empty : value;
  if (typeof value === "boolean") return value ? TEXTS.yes : TEXTS.no;
  if (Array.isArray(value)) return value.map(formatValue).join(", ");
  const parts = Object.entries(value).map(([key, part]) => `${key}: ${formatValue(part)}`);
  return parts.length === 0 ? TEXTS.empty : parts.join("; ");
}

function joinUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small > 0 ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}
