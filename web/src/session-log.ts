import type { Change } from "./api";
import { formatPercent } from "./format";
import type { SessionStore, SessionView } from "../client/src/session-store.js";
import { LOG as TEXTS } from "./texts";

/** Sessions of which something is kept; the one longest without news makes room. */
const MAX_SESSIONS = 1_000;
const MAX_ENTRIES = 200;
/** An event is sent so long after the change that it tells, at most. */
const SAME_NEWS_MS = 1_000;
/** Points of a curve; where there are more, every second one goes. */
const MAX_POINTS = 120;

export interface LogEntry {
  /** Milliseconds since 1970 by the server's clock. */
  at: number;
  kind: "begin" | "step" | "progress" | "end" | "lost";
  /** How far the session was: "25%". */
  percent: string;
  /** Empty where there is only progress to tell. */
  text: string;
}

export interface Point {
  at: number;
  progress: number;
}

/** What happened to a session, the oldest first. */
export interface Story {
  entries: readonly LogEntry[];
  points: readonly Point[];
}

interface Log {
  createdAt: number;
  entries: LogEntry[];
  points: Point[];
  /** Least milliseconds between two points; doubles when they become too many. */
  gapMs: number;
  step: string | null;
  status: string;
}

/** What this page has seen of each session: steps, progress by whole percents and ends as a list, progress as a curve. */
export class SessionLog {
  readonly #logs = new Map<string, Log>();

  constructor(store: SessionStore) {
    store.subscribe((changed) => {
      for (const sessionId of changed) {
        const view = store.get(sessionId);
        if (view) this.#note(view);
        else this.#logs.delete(sessionId);
      }
    });
  }

  story(sessionId: string): Story {
    return this.#logs.get(sessionId) ?? { entries: [], points: [] };
  }

  #note(view: SessionView): void {
    const known = this.#logs.get(view.sessionId);
    // A session that begins anew under its id has a log of its own.
    const anew = !known || (known.status !== "processing" && view.status === "processing") || view.createdAt > known.createdAt + 1_000;
    const log: Log = anew ? { createdAt: view.createdAt, entries: [], points: [], gapMs: 500, step: null, status: "" } : known;
    this.#logs.delete(view.sessionId);
    this.#logs.set(view.sessionId, log);
    for (const oldest of this.#logs.keys()) {
      if (this.#logs.size <= MAX_SESSIONS) break;
      this.#logs.delete(oldest);
    }
    const at = view.endedAt ?? view.lastUpdate;
    const percent = formatPercent(view.progress);
    const tell = (kind: LogEntry["kind"], text: string): void => add(log, { at, kind, percent, text });
    if (log.status !== view.status) {
      log.status = view.status;
      const told = view.ending?.status === "error" ? TEXTS.failed(view.ending.error.message) : TEXTS.statuses[view.status];
      tell(kindOf(view.status), view.status === "processing" ? TEXTS.seenFirst : told);
    }
    const step = view.endedAt === null ? view.currentStep : null;
    if (step !== null && step !== log.step) {
      log.step = step;
      tell("step", step);
    }
    if (log.entries.at(-1)?.percent !== percent) tell("progress", "");
    plot(log, { at, progress: view.progress }, view.endedAt !== null);
  }
}

/**
 * What the server has kept of a session, together with what this page has seen: the server's progress counts for the
 * time that it covers, and this page alone knows of steps and why a session failed.
 */
export function joined(changes: readonly Change[], seen: Story): Story {
  const [first, last] = [changes[0], changes.at(-1)];
  if (!first || !last) return seen;
  const covered = ({ at }: { at: number }): boolean => at >= first.at && at <= last.at;
  const endSeen = seen.entries.some(({ kind }) => kind === "end");
  const kept = seen.entries.filter((entry) => {
    if (entry.kind === "begin") return entry.at < first.at;
    if (entry.kind === "lost") return last.status === "processing";
    return entry.kind !== "progress" || !covered(entry);
  });
  // A step that this page has seen tells its progress, too.
  const isStep = ({ at, percent }: LogEntry): boolean =>
    kept.some((entry) => entry.kind === "step" && entry.percent === percent && Math.abs(entry.at - at) < SAME_NEWS_MS);
  const told = entriesOf(changes).filter((entry) => (entry.kind === "progress" ? !isStep(entry) : entry.kind !== "end" || !endSeen));
  const points = [...changes, ...seen.points.filter((point) => !covered(point))];
  return {
    entries: [...told, ...kept].sort(byTime),
    points: points.map(({ at, progress }) => ({ at, progress })).sort(byTime),
  };
}

function entriesOf(changes: readonly Change[]): LogEntry[] {
  const entries: LogEntry[] = [];
  let before: Change | null = null;
  for (const change of changes) {
    const { at, status, progress } = change;
    const percent = formatPercent(progress);
    // The first one that is kept need not be the session's first.
    const isNews = before === null ? progress === 0 || status !== "processing" : status !== before.status;
    if (isNews) entries.push({ at, kind: kindOf(status), percent, text: TEXTS.statuses[status] });
    else if (entries.at(-1)?.percent !== percent) entries.push({ at, kind: "progress", percent, text: "" });
    before = change;
  }
  return entries;
}

function kindOf(status: SessionView["status"]): LogEntry["kind"] {
  if (status === "processing") return "begin";
  return status === "lost" ? "lost" : "end";
}

function byTime(one: { at: number }, other: { at: number }): number {
  return one.at - other.at;
}

function add(log: Log, entry: LogEntry): void {
  log.entries.push(entry);
  if (log.entries.length > MAX_ENTRIES) log.entries.shift();
}

function plot(log: Log, point: Point, last: boolean): void {
  const before = log.points.at(-1);
  if (before && !last && point.at - before.at < log.gapMs) return;
  log.points.push(point);
  if (log.points.length <= MAX_POINTS) return;
  log.points = log.points.filter((_, index) => index % 2 === 0 || index === log.points.length - 1);
  log.gapMs *= 2;
}
