// First, since bundles keep this order: behind socket.io-client all that is the client's own compresses better.
import { Connection, guarded } from "./connection.js";
import { CatchUp } from "./catch-up.js";
import type { ClientConfig } from "./client-config.js";
import { CommandError, isBusy } from "./command-error.js";
import type {
  ConnectionInfo,
  ErrorDetail,
  ImportCancelled,
  ImportProgress,
  JsonObject,
  Session,
  SessionCreated,
  SessionStatus,
  SystemAlert,
  TerminalEvent,
} from "./events.js";
import { HttpInterface } from "./http.js";
import { ListPoller } from "./list-poller.js";
import { type Page, pages } from "./pages.js";
import { type CreateOptions, type CreatedSession, Producer } from "./producer.js";
import { SequenceGuard, type Verdict } from "./sequence.js";
import { LatestThrottle } from "./throttle.js";
import { SessionError, type TrackOptions, Tracking } from "./tracking.js";

/** Sessions that are tracked again at a time after a reconnect. */
const TRACKED_AT_A_TIME = 50;

/** An interruption may last so long before the list is read over HTTP. */
const POLL_AFTER_MS = 2_000;

export { type ClientConfig, CommandError, type CreateOptions, type CreatedSession, SessionError, type TrackOptions, Tracking };

/** Which sessions a list has, and how it is cut into pages. */
export interface ListQuery {
  status?: SessionStatus;
  /** Sessions of a page, at most 1,000; a page also ends at 256 KiB. */
  limit?: number;
  /** `next` of the page before. */
  cursor?: string;
}

/** A part of the server's list, newest session first. */
export interface SessionPage {
  sessions: Session[];
  /** The cursor of the following page; null for the last one. */
  next: string | null;
}

/** The event that tells each end. */
const ENDINGS = { completed: "import_complete", error: "import_error", cancelled: "import_cancelled" };
const TERMINAL = Object.values(ENDINGS);

interface News {
  sessionId: string;
  metadata?: unknown;
  createdAt?: unknown;
  timestamp?: unknown;
}

/**
 * The browser's side of a pulsewheel server: one connection, subscriptions by
 * event name, tracking of progress sessions. After every connect the tracked
 * sessions are tracked again and all sessions are listed, so a subscriber never
 * keeps a stale state.
 */
export class WebSocketClient extends Connection {
  /** What was missed during an interruption is being handed over right now. */
  isCatchingUp = false;

  #tracked = new Set<string>();
  #sequence = new SequenceGuard();
  #progress: LatestThrottle<ImportProgress>;
  #resyncTimer: ReturnType<typeof setTimeout> | undefined;

  readonly #trackings = new Map<string, Set<Tracking>>();
  readonly #http: HttpInterface;
  readonly #producer: Producer;
  readonly #poller: ListPoller;
  readonly #catchUp: CatchUp;

  constructor(config: Partial<ClientConfig> = {}) {
    super(config);
    this.#http = new HttpInterface(() => this.url + this.#prefix, this.config);
    this.#producer = new Producer(this.#http, this.config.queueLimit);
    this.#catchUp = new CatchUp(this.#http, this.config);
    this.#poller = new ListPoller(
      this.#http,
      this.config,
      async (sessions) => {
        this.heard();
        const isCaughtUp = await this.#handMissed();
        for (const session of sessions) this.#handSnapshot(session, true);
        this.dispatch("session_list", sessions);
        if (isCaughtUp) this.#tellMissed();
      },
      (polled) => {
        if (!polled) this.#catchUp.silent();
        if (this.connection.polled !== polled) this.report({ polled });
      },
    );
    this.#progress = new LatestThrottle(this.config.progressThrottle, (data) =>
      this.dispatch("import_progress", data),
    );
  }

  override disconnect(): void {
    this.#progress.clear();
    this.#stopResync();
    this.#producer.outbox.rest();
    super.disconnect();
  }

  /** Reports that wait for the server. */
  get queued(): number {
    return this.#producer.outbox.size;
  }

  /** Where the server lies below a path of its host, its interface lies there too. */
  get #prefix(): string {
    return this.config.path.replace(/\/(socket\.io\/?)?$/, "");
  }

  /**
   * Follows a session until it ends. Its present state is handed to the
   * subscribers as if it were an event, so whoever joins late, or after the
   * end, learns how things stand. A session that the server does not know is
   * told as `session_lost`.
   */
  trackImportProgress(sessionId: string): void {
    this.#tracked.add(sessionId);
    if (this.isConnected) void this.#trackAgain(sessionId);
  }

  /**
   * Follows a session until it ends: with callbacks, as a promise of the
   * outcome, or as an async iterator. The present state comes first, so it does
   * not matter whether this is called before, during or after the work.
   */
  track(sessionId: string, options: TrackOptions = {}): Tracking {
    const tracking = new Tracking(options);
    const { signal } = options;
    if (signal?.aborted) {
      tracking.fail(signal.reason);
      return tracking;
    }
    const all = this.#trackings.get(sessionId) ?? new Set();
    this.#trackings.set(sessionId, all.add(tracking));
    signal?.addEventListener("abort", () => {
      tracking.fail(signal.reason);
      all.delete(tracking);
      if (all.size > 0 || this.#trackings.get(sessionId) !== all) return;
      this.#trackings.delete(sessionId);
      this.untrack(sessionId).catch(() => {});
    });
    this.trackImportProgress(sessionId);
    return tracking;
  }

  /** Joins the session's audience and answers its present state. */
  async trackSession(sessionId: string): Promise<Session> {
    return (await this.command<{ session: Session }>("track_session", { sessionId })).session;
  }

  async untrack(sessionId: string): Promise<void> {
    this.#tracked.delete(sessionId);
    await this.command("untrack_session", { sessionId });
  }

  /** Asks the server to cancel; `import_cancelled` follows when the work has been rolled back. */
  async cancelSession(sessionId: string, reason?: string): Promise<Session> {
    return (await this.command<{ session: Session }>("cancel_session", { sessionId, reason })).session;
  }

  /**
   * Begins a session. Like the other reports below it is kept while the server
   * cannot be reached, and delivered in order. Its id is known at once where it
   * is given in `options`.
   */
  createSession(metadata: JsonObject = {}, options: CreateOptions = {}): Promise<CreatedSession> {
    return this.#producer.create(metadata, options);
  }

  /** Reports how far a session is, from 0 to 1. Reports that wait are joined to the newest one. */
  update(sessionId: string, progress: number, metadata: JsonObject = {}): Promise<Session> {
    return this.#producer.update(sessionId, { progress, metadata });
  }

  complete(sessionId: string, result: JsonObject = {}): Promise<Session> {
    return this.#producer.end(sessionId, "complete", "completed", { result });
  }

  fail(sessionId: string, error: string | ErrorDetail, partialResults?: JsonObject): Promise<Session> {
    return this.#producer.end(sessionId, "error", "error", { error, partial_results: partialResults });
  }

  /** As `cancelSession`, but kept while the server cannot be reached. */
  cancel(sessionId: string, reason?: string): Promise<Session> {
    return this.#producer.end(sessionId, "cancel", "cancelled", { reason });
  }

  /** A session with its result, over HTTP. */
  getSession(sessionId: string): Promise<Session> {
    return this.#producer.session(sessionId);
  }

  /** All sessions, newest first, read page by page; at most the newest 5,000. */
  async listSessions(status?: SessionStatus): Promise<Session[]> {
    const sessions: Session[] = [];
    for await (const page of this.#pages(status)) sessions.push(...page);
    return sessions;
  }

  /**
   * Reads the list anew and hands it over as after a connect; over HTTP where
   * there is no connection or a doubtful one, and then tries to connect too.
   * Rejects with a `CommandError` where the list cannot be read either way.
   */
  async refresh(): Promise<void> {
    if (this.isConnected && !this.connection.quiet) return this.#list();
    if (!this.isConnected) this.connect().catch(() => {});
    await this.#poller.read();
  }

  /** One page of the list. */
  async listPage(query: ListQuery = {}): Promise<SessionPage> {
    const { sessions = [], next = null } = await this.command<Partial<SessionPage>>("list_sessions", query);
    return { sessions, next };
  }

  /**
   * Takes a progress event in: drops it if a newer one of its session was
   * seen, and hands it to the subscribers at most once per `progressThrottle`.
   */
  handleProgressUpdate(data: ImportProgress): void {
    if (this.#isNews(this.#sequence.progress(data), data)) this.#progress.push(data.sessionId, data);
  }

  protected override opened(): void {
    this.#catchUp.connected();
    this.#sequence.reconnected();
    this.#stopResync();
    this.#producer.outbox.wake();
    void this.#resync();
  }

  protected override changed({ state, reason }: ConnectionInfo): void {
    const given = state === "connected" || (state === "offline" && reason === "disconnected");
    if (!given) {
      this.#catchUp.lost(this.lastHeardMs);
      return this.#poller.start(POLL_AFTER_MS);
    }
    this.#poller.stop();
    this.connection.polled = false;
  }

  protected override dispatch(event: string, data: unknown): void {
    if (event === "import_progress" || TERMINAL.includes(event)) this.#tellTrackings(event, data as TerminalEvent);
    super.dispatch(event, data);
  }

  protected override receive(event: string, data: unknown): void {
    this.#catchUp.heard(data);
    if (event === "import_progress") return this.handleProgressUpdate(data as ImportProgress);
    if (event === "system_alert" && !this.#catchUp.isNews(data as SystemAlert)) return;
    if (event === "session_created") {
      const created = data as SessionCreated;
      if (this.#sequence.created(created) === "old") return;
      this.#progress.drop(created.sessionId);
    }
    if (!TERMINAL.includes(event)) return this.dispatch(event, data);
    const ending = data as TerminalEvent;
    if (this.#isNews(this.#sequence.end(ending), ending)) this.#end(event, ending);
  }

  #pages(status?: SessionStatus): AsyncGenerator<Session[]> {
    return pages("sessions", (cursor) => this.command<Page<Session>>("list_sessions", { status, ...cursor }));
  }

  async #resync(): Promise<void> {
    const isCaughtUp = !this.#catchUp.isOpen || (await this.#handMissed());
    const tracked = [...this.#tracked];
    while (tracked.length > 0) {
      await Promise.all(tracked.splice(0, TRACKED_AT_A_TIME).map((id) => this.#trackAgain(id)));
    }
    try {
      await this.#list();
      if (isCaughtUp) this.#tellMissed();
    } catch (error) {
      this.#askLater(error);
    }
  }

  /** Hands over what the server has kept since the connection was lost; false where that has to wait. */
  async #handMissed(): Promise<boolean> {
    try {
      const { sessions, alerts } = await this.#catchUp.read();
      this.isCatchingUp = true;
      for (const session of sessions) this.#handSnapshot(session, true);
      for (const alert of alerts) {
        if (!this.#catchUp.isNews(alert)) continue;
        this.#catchUp.missed("alerts", alert);
        this.dispatch("system_alert", alert);
      }
      return true;
    } catch (error) {
      return !this.#askLater(error);
    } finally {
      this.isCatchingUp = false;
    }
  }

  #tellMissed(): void {
    const missed = this.#catchUp.done(this.isConnected);
    if (missed) this.dispatch("missed", missed);
  }

  async #list(): Promise<void> {
    const sessions: Session[] = [];
    for await (const page of this.#pages()) {
      for (const session of page) this.#handSnapshot(session);
      sessions.push(...page);
    }
    this.dispatch("session_list", sessions);
  }

  async #trackAgain(sessionId: string): Promise<void> {
    try {
      const session = await this.trackSession(sessionId);
      this.#handSnapshot(session);
      // What subscribers were told before is news to those who have begun to track since.
      this.#tellTrackings(endingOf(session) ?? "import_progress", eventOf(session), true);
    } catch (error) {
      if (this.#askLater(error)) return;
      this.#tracked.delete(sessionId);
      this.#noSession(sessionId, error as CommandError);
    }
  }

  /** The server knows of none, or only that it was cancelled. */
  #noSession(sessionId: string, { code, message }: CommandError): void {
    if (code === "SESSION_CANCELLED") {
      const ending = cancelledUnseen(sessionId);
      this.#tellTrackings(ENDINGS.cancelled, ending);
      if (this.#sequence.end({ sessionId }) === "old") return;
      this.#catchUp.missed("sessions", ending);
      return this.#end(ENDINGS.cancelled, ending);
    }
    for (const tracking of this.#trackings.get(sessionId) ?? []) tracking.fail(new SessionError(code, message, null));
    this.#trackings.delete(sessionId);
    this.dispatch("session_lost", { sessionId, error: { code, message } });
  }

  /**
   * True where an answer did not come that a later question may bring. A
   * connection that broke asks for everything when it is back; a server that is
   * too busy is asked for everything after a pause.
   */
  #askLater(error: unknown): boolean {
    if (!(error instanceof CommandError)) throw error;
    if (error.code === "NOT_CONNECTED") return true;
    if (!isBusy(error)) return false;
    this.#resyncTimer ??= setTimeout(() => {
      this.#resyncTimer = undefined;
      if (this.isConnected) void this.#resync();
    }, this.config.commandTimeout);
    return true;
  }

  #stopResync(): void {
    clearTimeout(this.#resyncTimer);
    this.#resyncTimer = undefined;
  }

  /** A session object carries the fields of its latest event, so it can stand in for it. */
  #handSnapshot(session: Session, overtaken = false): void {
    if (!this.#isNews(this.#sequence.snapshot(session, overtaken), session)) return;
    const event = eventOf(session);
    const ending = endingOf(session);
    if (!ending) return this.#progress.push(session.sessionId, event as ImportProgress);
    this.#catchUp.missed("sessions", event as TerminalEvent);
    this.#end(ending, event as TerminalEvent);
  }

  /** `isSnapshot`: progress that those who have heard of the session hear as they hear all of it. */
  #tellTrackings(event: string, data: ImportProgress | TerminalEvent, isSnapshot = false): void {
    const isOver = TERMINAL.includes(event);
    const trackings = this.#trackings.get(data.sessionId) ?? [];
    if (isOver) this.#trackings.delete(data.sessionId);
    for (const tracking of trackings) {
      guarded("a callback", () => {
        if (isOver) tracking.end(data as TerminalEvent);
        else if (!isSnapshot || !tracking.begun) tracking.progress(data as ImportProgress);
      });
    }
  }

  /** Where the `session_created` of news was missed, subscribers are told before they hear more of the session. */
  #isNews(verdict: Verdict, { sessionId, metadata = {}, createdAt, timestamp }: News): boolean {
    if (verdict === "anew") {
      this.#progress.drop(sessionId);
      const begun = typeof createdAt === "number" ? new Date(createdAt).toISOString() : timestamp;
      this.dispatch("session_created", { sessionId, metadata, timestamp: begun });
    }
    return verdict !== "old";
  }

  #end(event: string, data: TerminalEvent): void {
    this.#progress.flush(data.sessionId);
    // Leaving the audience is a courtesy; the server forgets ended sessions by itself.
    if (this.#tracked.delete(data.sessionId)) this.untrack(data.sessionId).catch(() => {});
    this.dispatch(event, data);
  }
}

function eventOf(session: Session): ImportProgress | TerminalEvent {
  const timestamp = new Date(session.lastUpdate).toISOString();
  return { timestamp, ...session } as unknown as ImportProgress | TerminalEvent;
}

/** The event that tells the session's end; none while it runs. */
function endingOf({ status }: Session): string | undefined {
  return (ENDINGS as Partial<Record<SessionStatus, string>>)[status];
}

/** Stands in for the event of a session that was cancelled while nobody here was connected. */
function cancelledUnseen(sessionId: string): ImportCancelled {
  return {
    sessionId,
    operation: null,
    cancelled: true,
    status: "cancelled",
    reason: null,
    partial_results: null,
    cleanup_performed: true,
    timestamp: new Date().toISOString(),
  };
}
