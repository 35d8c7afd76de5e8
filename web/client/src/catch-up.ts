import { CommandError } from "./command-error.js";
import type { Missed, Session, SystemAlert, TerminalEvent } from "./events.js";
import type { HttpInterface } from "./http.js";

/** The reading begins so long before the connection was lost: news may have been on its way then. */
const OVERLAP_MS = 10_000;
/** Entries of one reading at most, of sessions and of alerts; the newest are kept. */
const MAX_READ = 5_000;
/** Entries of a page. */
const PAGE = 1_000;
const MAX_REMEMBERED_ALERTS = 1_000;
/** Codes of a server that may answer the same question later. */
const LATER = new Set(["TIMEOUT", "RATE_LIMIT_EXCEEDED", "SERVER_OVERLOAD"]);

/** What the server has kept since the connection was lost; each the oldest first. */
export interface Kept {
  sessions: Session[];
  alerts: SystemAlert[];
}

interface Gap extends Missed {
  /** It was told of, and the list is only read again and again since. */
  told: boolean;
}

/** Reads over HTTP what happened while there was no connection, and counts what of it was news. */
export class CatchUp {
  readonly #http: HttpInterface;
  readonly #patienceMs: () => number;
  /** Alerts have no number: by these those that were told are known again. */
  readonly #alerts = new Set<string>();
  /** How far the server's clock is ahead of this one. */
  #aheadMs = 0;
  #gap: Gap | null = null;
  /** When the client was connected for the first time, by this clock. */
  #begunMs: number | null = null;
  /** A server that keeps nothing is not asked again. */
  #isKept = true;

  constructor(http: HttpInterface, patienceMs: () => number) {
    this.#http = http;
    this.#patienceMs = patienceMs;
  }

  /** Whether there was an interruption whose news has not been read. */
  get isOpen(): boolean {
    return this.#gap !== null;
  }

  /** There is a connection; what was before the first one is none of the client's. */
  connected(): void {
    this.#begunMs ??= Date.now();
  }

  /** An event has just come from the server. */
  heard(data: unknown): void {
    const { timestamp, server_time: time = timestamp } = (data ?? {}) as { timestamp?: unknown; server_time?: unknown };
    const sent = typeof time === "string" ? Date.parse(time) : Number.NaN;
    if (!Number.isNaN(sent)) this.#aheadMs = sent - Date.now();
  }

  /** Whether an alert has not been told yet. */
  isNews(alert: SystemAlert): boolean {
    const { timestamp, level, category, message } = alert;
    if (typeof timestamp !== "string") return true;
    const key = JSON.stringify([timestamp, level, category, message]);
    if (this.#alerts.has(key)) return false;
    this.#alerts.add(key);
    for (const oldest of this.#alerts) {
      if (this.#alerts.size <= MAX_REMEMBERED_ALERTS) break;
      this.#alerts.delete(oldest);
    }
    return true;
  }

  /** There is no connection; the server was heard last at that time of this clock, if ever. */
  lost(heardMs: number | null): void {
    if (heardMs === null) return;
    this.#gap ??= { since: Math.round(heardMs + this.#aheadMs), sessions: [], alerts: [], told: false };
  }

  /** Not even the list can be read: what follows will have been missed. */
  silent(): void {
    if (this.#gap) this.#gap.told = false;
  }

  /** An end, or an alert, was told that had happened during the interruption. */
  missed(news: { ending: TerminalEvent } | { alert: SystemAlert }): void {
    if ("ending" in news) this.#gap?.sessions.push(news.ending);
    else this.#gap?.alerts.push(news.alert);
  }

  /** Rejects with a `CommandError` only where the server may answer later. */
  async read(): Promise<Kept> {
    const kept: Kept = { sessions: [], alerts: [] };
    if (!this.#gap || !this.#isKept) return kept;
    const since = Math.max(0, this.#gap.since - OVERLAP_MS, (this.#begunMs ?? 0) + this.#aheadMs);
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(new CommandError("TIMEOUT", "the server does not answer")), this.#patienceMs());
    try {
      kept.sessions = await this.#pages<Session>("/history", "sessions", since, patience.signal);
      kept.alerts = await this.#pages<SystemAlert>("/alerts", "alerts", since, patience.signal);
    } catch (error) {
      if (error instanceof CommandError && LATER.has(error.code)) throw error;
      this.#isKept = error instanceof CommandError && error.code !== "NOT_FOUND" && error.code !== "HTTP_404";
    } finally {
      clearTimeout(timer);
    }
    return kept;
  }

  /** All has been told. Gives what was missed, if anything was, and if an interruption has ended with this. */
  done(isConnected: boolean): Missed | null {
    const gap = this.#gap;
    this.#gap = null;
    if (!isConnected) {
      this.lost(Date.now());
      if (this.#gap) (this.#gap as Gap).told = true;
    }
    if (!gap || gap.told || gap.sessions.length + gap.alerts.length === 0) return null;
    const { since, sessions, alerts } = gap;
    return { since, sessions, alerts };
  }

  async #pages<T>(path: string, name: string, since: number, signal: AbortSignal): Promise<T[]> {
    const entries: T[] = [];
    let cursor = "";
    do {
      const query = new URLSearchParams({ since: String(since), limit: String(PAGE), ...(cursor && { cursor }) });
      const page = await this.#http.request<{ [name: string]: T[] } & { next?: string | null }>("GET", `${path}?${query}`, { signal });
      entries.push(...page[name]!);
      cursor = page.next ?? "";
    } while (cursor !== "" && entries.length < MAX_READ);
    return entries.reverse();
  }
}
