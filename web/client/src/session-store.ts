import type { WebSocketClient } from "./client.js";
import type { Session, TerminalEvent } from "./events.js";
import {
  type SessionView,
  byImportance,
  createdView,
  endedView,
  lostView,
  progressView,
  timeOf,
} from "./session-view.js";

export type { SessionView, ViewStatus } from "./session-view.js";

/** Ended sessions that are kept; the ones that ended first make room. */
const MAX_ENDED = 1_000;

type Listener = (changed: ReadonlySet<string>) => void;

/**
 * All sessions that a client hears of, as one value that changes: made for
 * displays, and in the form that React's `useSyncExternalStore` takes.
 *
 * Listeners are called once for all changes of a moment.
 */
export class SessionStore {
  readonly #client: WebSocketClient;
  readonly #views = new Map<string, SessionView>();
  readonly #listeners = new Set<Listener>();
  readonly #subscriptions: [string, (data: never) => void][] = [];
  #changed = new Set<string>();
  /** The ids in the order in which they are shown; null where that has to be found anew. */
  #order: readonly string[] | null = [];
  #snapshot: readonly SessionView[] | null = [];
  #aheadMs = 0;

  constructor(client: WebSocketClient) {
    this.#client = client;
    this.#on("session_created", (event) => this.#put(createdView(event), event.timestamp));
    this.#on("import_progress", (event) => {
      this.#put(progressView(this.#views.get(event.sessionId), event), event.timestamp);
    });
    const end = (event: TerminalEvent): void => this.#put(endedView(this.#views.get(event.sessionId), event), null);
    this.#on("import_complete", end);
    this.#on("import_error", end);
    this.#on("import_cancelled", end);
    this.#on("session_lost", ({ sessionId }) => {
      const view = this.#views.get(sessionId);
      if (view?.endedAt === null) this.#put(lostView(view, this.now()), null);
    });
    this.#on("session_list", (sessions) => this.#reconcile(sessions));
    this.#on("heartbeat", ({ server_time: time }) => this.#setClock(time));
  }

  /** Calls `listener` after changes, with the ids that they concern. Returns what ends that. */
  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** All sessions, running ones first, of each kind the newest first. The same array until something changes. */
  getSnapshot = (): readonly SessionView[] => {
    this.#order ??= [...this.#views.values()].sort(byImportance).map(({ sessionId }) => sessionId);
    this.#snapshot ??= this.#order.map((sessionId) => this.#views.get(sessionId)!);
    return this.#snapshot;
  };

  get(sessionId: string): SessionView | undefined {
    return this.#views.get(sessionId);
  }

  /** Forgets an ended session; a new one under its id comes back. */
  remove(sessionId: string): void {
    if (!this.#views.delete(sessionId)) return;
    this.#order = null;
    this.#tell(sessionId);
  }

  /** Adds the result that a list has left out, from the session as it was asked for; null where it is gone. */
  fill(sessionId: string, session: Session | null): void {
    const view = this.#views.get(sessionId);
    if (!view?.resultLeftOut || !view.ending) return;
    const result = session?.createdAt === view.createdAt ? session.result : null;
    this.#put({ ...view, ending: { ...view.ending, result } as TerminalEvent, resultLeftOut: false }, null);
  }

  /** The present time by the server's clock, in milliseconds since 1970. */
  now(): number {
    return Date.now() + this.#aheadMs;
  }

  /** Ends the subscriptions to the client. */
  close(): void {
    for (const [event, callback] of this.#subscriptions) this.#client.unsubscribe(event, callback);
    this.#listeners.clear();
  }

  #on: WebSocketClient["subscribe"] = (event: string, callback: (data: never) => void): void => {
    this.#subscriptions.push([event, callback]);
    this.#client.subscribe(event, callback);
  };

  #put(view: SessionView, sentAt: string | null): void {
    if (sentAt !== null) this.#setClock(sentAt);
    const old = this.#views.get(view.sessionId);
    // Progress, which comes most often, changes nobody's place.
    if (old?.createdAt !== view.createdAt || old.endedAt !== view.endedAt) this.#order = null;
    if (view.endedAt !== null && old?.endedAt === null) this.#views.delete(view.sessionId);
    this.#views.set(view.sessionId, view);
    if (view.endedAt !== null) this.#makeRoom();
    this.#tell(view.sessionId);
  }

  #makeRoom(): void {
    if (this.#views.size <= MAX_ENDED) return;
    const ended = [...this.#views.values()].filter(({ endedAt }) => endedAt !== null).sort(byImportance);
    for (const { sessionId } of ended.slice(MAX_ENDED)) this.remove(sessionId);
  }

  /** What ran here and is not in the server's list ended unseen: asking for it tells how. */
  #reconcile(sessions: Session[]): void {
    const listed = new Set(sessions.map(({ sessionId }) => sessionId));
    for (const { sessionId, endedAt } of this.#views.values()) {
      if (endedAt === null && !listed.has(sessionId)) this.#client.trackImportProgress(sessionId);
    }
  }

  /** `time` is that of an event which has just come. */
  #setClock(time: string): void {
    this.#aheadMs = timeOf(time) - Date.now();
  }

  #tell(sessionId: string): void {
    this.#snapshot = null;
    if (this.#changed.size === 0) queueMicrotask(() => this.#notify());
    this.#changed.add(sessionId);
  }

  #notify(): void {
    const changed = this.#changed;
    this.#changed = new Set();
    for (const listener of [...this.#listeners]) listener(changed);
  }
}
