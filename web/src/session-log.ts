import type { SessionStore, SessionView } from "../client/src/session-store.js";

/** Sessions of which something is kept; the one longest without news makes room. */
const MAX_SESSIONS = 1_000;
const MAX_ENTRIES = 100;
/** Points of a curve; where there are more, every second one goes. */
const MAX_POINTS = 120;

export interface LogEntry {
  /** Milliseconds since 1970 by the server's clock. */
  at: number;
  text: string;
}

export interface Point {
  at: number;
  progress: number;
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

const STATUS_TEXTS: Record<string, string> = {
  processing: "Seen first",
  completed: "Done",
  error: "Failed",
  cancelled: "Cancelled",
  lost: "No longer known to the server",
};

/** What this page has seen of each session: steps and ends as a list, progress as a curve. */
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

  entries(sessionId: string): readonly LogEntry[] {
    return this.#logs.get(sessionId)?.entries ?? [];
  }

  points(sessionId: string): readonly Point[] {
    return this.#logs.get(sessionId)?.points ?? [];
  }

  #note(view: SessionView): void {
    let log = this.#logs.get(view.sessionId);
    // A session that begins anew under its id has a log of its own.
    const anew = !log || (log.status !== "processing" && view.status === "processing") || view.createdAt > log.createdAt + 1_000;
    if (!log || anew) log = { createdAt: view.createdAt, entries: [], points: [], gapMs: 500, step: null, status: "" };
    this.#logs.delete(view.sessionId);
    this.#logs.set(view.sessionId, log);
    for (const oldest of this.#logs.keys()) {
      if (this.#logs.size <= MAX_SESSIONS) break;
      this.#logs.delete(oldest);
    }
    const at = view.endedAt ?? view.lastUpdate;
    if (log.status !== view.status) {
      log.status = view.status;
      const ending = view.ending?.status === "error" ? `: ${view.ending.error.message}` : "";
      add(log, at, `${STATUS_TEXTS[view.status]}${ending}`);
    }
    if (view.endedAt === null && view.currentStep !== null && view.currentStep !== log.step) {
      log.step = view.currentStep;
      add(log, at, view.currentStep);
    }
    plot(log, { at, progress: view.progress }, view.endedAt !== null);
  }
}

function add(log: Log, at: number, text: string): void {
  log.entries.push({ at, text });
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
