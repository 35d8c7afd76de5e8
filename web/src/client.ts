import type { ClientConfig } from "./client-config";
import { CommandError, Connection } from "./connection";
import type { ImportCancelled, ImportProgress, Session, SessionCreated, SessionStatus, TerminalEvent } from "./events";
import { SequenceGuard } from "./sequence";
import { LatestThrottle } from "./throttle";

/** Sessions that a whole list has at most; the newest are kept. */
const MAX_LISTED = 5_000;
/** Pages that a list is read to at most, should a server's cursors never end. */
const MAX_PAGES = 1_000;
/** Codes of a server that may answer the same question later. */
const BUSY = new Set(["TIMEOUT", "RATE_LIMIT_EXCEEDED", "SERVER_OVERLOAD"]);
/** Sessions that are tracked again at a time after a reconnect. */
const TRACKED_AT_A_TIME = 50;

export { type ClientConfig, CommandError };

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

type Ending = "import_complete" | "import_error" | "import_cancelled";

/**
 * The browser's side of a pulsewheel server: one connection, subscriptions by
 * event name, tracking of progress sessions. After every connect the tracked
 * sessions are tracked again and all sessions are listed, so a subscriber never
 * keeps a stale state.
 */
export class WebSocketClient extends Connection {
  #tracked = new Set<string>();
  #sequence = new SequenceGuard();
  #progress: LatestThrottle<ImportProgress>;
  #resyncTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(config: Partial<ClientConfig> = {}) {
    super(config);
    this.#progress = new LatestThrottle(this.config.progressThrottle, (data) =>
      this.dispatch("import_progress", data),
    );
  }

  override disconnect(): void {
    this.#progress.clear();
    this.#stopResync();
    super.disconnect();
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

  /** Joins the session's audience and answers its present state. */
  async track(sessionId: string): Promise<Session> {
    return (await this.command<{ session: Session }>("track_session", { sessionId })).session;
  }

  async untrack(sessionId: string): Promise<void> {
    this.#tracked.delete(sessionId);
    await this.command("untrack_session", { sessionId });
  }

  /** Asks the server to cancel; `import_cancelled` follows when the work has been rolled back. */
  async cancelSession(sessionId: string, reason?: string): Promise<Session> {
    const request = reason === undefined ? { sessionId } : { sessionId, reason };
    return (await this.command<{ session: Session }>("cancel_session", request)).session;
  }

  /** All sessions, newest first, read page by page; at most the newest 5,000. */
  async listSessions(status?: SessionStatus): Promise<Session[]> {
    const sessions: Session[] = [];
    for await (const page of this.#pages(status)) sessions.push(...page);
    return sessions;
  }

  /** One page of the list. */
  async listPage(query: ListQuery = {}): Promise<SessionPage> {
    const { sessions, next } = await this.command<Partial<SessionPage>>("list_sessions", query);
    return { sessions: sessions ?? [], next: next ?? null };
  }

  /**
   * Takes a progress event in: drops it if a newer one of its session was
   * seen, and hands it to the subscribers at most once per `progressThrottle`.
   */
  handleProgressUpdate(data: ImportProgress): void {
    const verdict = this.#sequence.progress(data);
    if (verdict === "old") return;
    if (verdict === "anew") this.#begin(data.sessionId, data);
    this.#progress.push(data.sessionId, data);
  }

  protected override opened(): void {
    this.#sequence.reconnected();
    this.#stopResync();
    void this.#resync();
  }

  protected override receive(event: string, data: unknown): void {
    switch (event) {
      case "session_created": {
        const created = data as SessionCreated;
        if (this.#sequence.created(created) === "old") return;
        this.#progress.drop(created.sessionId);
        break;
      }
      case "import_progress":
        this.handleProgressUpdate(data as ImportProgress);
        return;
      case "import_complete":
      case "import_error":
      case "import_cancelled": {
        const ending = data as TerminalEvent;
        const verdict = this.#sequence.end(ending);
        if (verdict === "old") return;
        if (verdict === "anew") this.#begin(ending.sessionId, ending);
        this.#end(event, ending);
        return;
      }
    }
    this.dispatch(event, data);
  }

  async *#pages(status?: SessionStatus): AsyncGenerator<Session[]> {
    let cursor: string | null = null;
    let listed = 0;
    for (let pages = 0; pages < MAX_PAGES && listed < MAX_LISTED; pages += 1) {
      const page: SessionPage = await this.listPage({ ...(status && { status }), ...(cursor !== null && { cursor }) });
      listed += page.sessions.length;
      yield page.sessions;
      if (page.next === null) return;
      cursor = page.next;
    }
  }

  async #resync(): Promise<void> {
    const tracked = [...this.#tracked];
    while (tracked.length > 0) {
      await Promise.all(tracked.splice(0, TRACKED_AT_A_TIME).map((id) => this.#trackAgain(id)));
    }
    const sessions: Session[] = [];
    try {
      for await (const page of this.#pages()) {
        for (const session of page) this.#handSnapshot(session);
        sessions.push(...page);
      }
      this.dispatch("session_list", sessions);
    } catch (error) {
      this.#askLater(error);
    }
  }

  async #trackAgain(sessionId: string): Promise<void> {
    try {
      this.#handSnapshot(await this.track(sessionId));
    } catch (error) {
      if (this.#askLater(error)) return;
      const { code, message } = error as CommandError;
      this.#tracked.delete(sessionId);
      if (code !== "SESSION_CANCELLED") {
        this.dispatch("session_lost", { sessionId, error: { code, message } });
      } else if (this.#sequence.end({ sessionId }) !== "old") {
        this.#end("import_cancelled", cancelledUnseen(sessionId));
      }
    }
  }

  /**
   * True where an answer did not come that a later question may bring. A
   * connection that broke asks for everything when it is back; a server that is
   * too busy is asked for everything after a pause.
   */
  #askLater(error: unknown): boolean {
    if (!(error instanceof CommandError)) throw error;
    if (error.code === "NOT_CONNECTED") return true;
    if (!BUSY.has(error.code)) return false;
    this.#resyncTimer ??= setTimeout(() => {
      this.#resyncTimer = null;
      if (this.isConnected) void this.#resync();
    }, this.config.commandTimeout);
    return true;
  }

  #stopResync(): void {
    if (this.#resyncTimer) clearTimeout(this.#resyncTimer);
    this.#resyncTimer = null;
  }

  /** A session object carries the fields of its latest event, so it can stand in for it. */
  #handSnapshot(session: Session): void {
    const verdict = this.#sequence.snapshot(session);
    if (verdict === "old") return;
    const event = { timestamp: new Date(session.lastUpdate).toISOString(), ...session };
    if (verdict === "anew") this.#begin(session.sessionId, session);
    if (session.status === "completed") this.#end("import_complete", event as unknown as TerminalEvent);
    else if (session.status === "error") this.#end("import_error", event as unknown as TerminalEvent);
    else if (session.status === "cancelled") this.#end("import_cancelled", event as unknown as TerminalEvent);
    else this.#progress.push(session.sessionId, event as unknown as ImportProgress);
  }

  /** A session whose `session_created` was missed: subscribers are told before they hear more of it. */
  #begin(sessionId: string, news: { metadata?: unknown; createdAt?: unknown; timestamp?: unknown }): void {
    this.#progress.drop(sessionId);
    const { metadata = {}, createdAt, timestamp } = news;
    const begun = typeof createdAt === "number" ? new Date(createdAt).toISOString() : timestamp;
    this.dispatch("session_created", { sessionId, metadata, timestamp: begun });
  }

  #end(event: Ending, data: TerminalEvent): void {
    this.#progress.flush(data.sessionId);
    // Leaving the audience is a courtesy; the server forgets ended sessions by itself.
    if (this.#tracked.delete(data.sessionId)) this.untrack(data.sessionId).catch(() => {});
    this.dispatch(event, data);
  }
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
