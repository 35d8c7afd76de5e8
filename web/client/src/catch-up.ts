import { isBusy, isCode } from "./command-error.js";
import type { Missed, Session, SystemAlert } from "./events.js";
import type { HttpInterface } from "./http.js";
import { remember } from "./remember.js";

/** The reading begins so long before the connection was lost: news may have been on its way then. */
const OVERLAP_MS = 10_000;
const MAX_REMEMBERED_ALERTS = 1_000;

/** What the server has kept since the connection was lost; each the oldest first. */
export interface Kept {
  sessions: Session[];
  alerts: SystemAlert[];
}

/** Reads over HTTP what happened while there was no connection, and counts what of it was news. */
export class CatchUp {
  readonly #http: HttpInterface;
  readonly #config: { commandTimeout: number };
  /** Alerts have no number: by these those that were told are known again. */
  readonly #alerts = new Map<string, true>();
  /** How far the server's clock is ahead of this one. */
  #aheadMs = 0;
  #gap: Missed | null = null;
  /** It was told of, and the list is only read again and again since. */
  #told = false;
  /** When the client was connected for the first time, by this clock. */
  #begunMs: number | null = null;
  /** A server that keeps nothing is not asked again. */
  #isKept = true;

  constructor(http: HttpInterface, config: { commandTimeout: number }) {
    this.#http = http;
    this.#config = config;
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
    remember(this.#alerts, key, true, MAX_REMEMBERED_ALERTS);
    return true;
  }

  /** There is no connection; the server was heard last at that time of this clock, if ever. */
  lost(heardMs: number | null, told = false): void {
    if (heardMs === null || this.#gap) return;
    this.#gap = { since: Math.round(heardMs + this.#aheadMs), sessions: [], alerts: [] };
    this.#told = told;
  }

  /** Not even the list can be read: what follows will have been missed. */
  silent(): void {
    this.#told = false;
  }

  /** An end, or an alert, was told that had happened during the interruption. */
  missed<L extends "sessions" | "alerts">(list: L, news: Missed[L][number]): void {
    (this.#gap?.[list] as (typeof news)[] | undefined)?.push(news);
  }

  /** Rejects with a `CommandError` only where the server may answer later. */
  async read(): Promise<Kept> {
    const kept: Kept = { sessions: [], alerts: [] };
    if (!this.#gap || !this.#isKept) return kept;
    const since = Math.max(0, this.#gap.since - OVERLAP_MS, (this.#begunMs ?? 0) + this.#aheadMs);
    const signal = AbortSignal.timeout(this.#config.commandTimeout);
    const read = async <T>(path: string, list: string): Promise<T[]> =>
      (await this.#http.list<T>(path, list, signal, { since: String(since) })).reverse();
    try {
      kept.sessions = await read("/history", "sessions");
      kept.alerts = await read("/alerts", "alerts");
    } catch (error) {
      if (isBusy(error)) throw error;
      this.#isKept = !isCode(error, "NOT_FOUND", "HTTP_404");
    }
    return kept;
  }

  /** All has been told. Gives what was missed, if anything was, and if an interruption has ended with this. */
  done(isConnected: boolean): Missed | null {
    const gap = this.#told ? null : this.#gap;
    this.#gap = null;
    if (!isConnected) this.lost(Date.now(), true);
    return gap && gap.sessions.length + gap.alerts.length > 0 ? gap : null;
  }
}
