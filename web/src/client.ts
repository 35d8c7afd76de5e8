import { io, type Socket } from "socket.io-client";
import { type ClientConfig, defaultConfig } from "./client-config";
import type {
  ClientEvents,
  ConnectionInfo,
  ErrorAnswer,
  ImportCancelled,
  ImportProgress,
  Session,
  SessionStatus,
  TerminalEvent,
  Transport,
} from "./events";
import { SequenceGuard } from "./sequence";
import { LatestThrottle } from "./throttle";

/** Longest pause between two attempts to connect, in milliseconds. */
const MAX_RECONNECT_DELAY_MS = 30_000;
/** Pauses are lengthened by up to this share, so that clients of a restarted server do not return in one moment. */
const RECONNECT_SPREAD = 0.2;

export type { ClientConfig };

type Callback = (data: never) => void;
type Answer<T> = ({ ok: true } & T) | { ok: false; error: ErrorAnswer };

/** A command that failed: the server's code, or `NOT_CONNECTED` or `TIMEOUT`. */
export class CommandError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "CommandError";
  }
}

/**
 * The browser's side of a pulsewheel server: one connection, subscriptions by
 * event name, tracking of progress sessions.
 *
 * Reconnecting is done here and not by socket.io-client, whose own loop is
 * switched off: after every connect the tracked sessions are tracked again and
 * all sessions are listed, so a subscriber never keeps a stale state.
 */
export class WebSocketClient {
  socket: Socket | null = null;
  isConnected = false;
  reconnectAttempts = 0;
  maxReconnectAttempts = 5;
  /** Milliseconds before the first attempt to reconnect; doubles with each, up to 30 s. */
  reconnectDelay = 1000;
  heartbeatInterval: ReturnType<typeof setInterval> | null = null;
  readonly eventCallbacks = new Map<string, Set<Callback>>();
  readonly config: ClientConfig;
  connection: ConnectionInfo = {
    state: "offline",
    transport: null,
    attempt: 0,
    retryInMs: null,
    reason: null,
    quiet: false,
  };

  #tracked = new Set<string>();
  #sequence = new SequenceGuard();
  #progress: LatestThrottle<ImportProgress>;
  #opening: Promise<boolean> | null = null;
  #cancelOpening: (() => void) | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | null = null;
  #lastHeartbeatMs = 0;
  /** A WebSocket that hangs is only noticed by the time limit; the next attempt then begins with polling. */
  #pollingFirst = false;

  constructor(config: Partial<ClientConfig> = {}) {
    this.config = { ...defaultConfig(), ...config };
    this.#progress = new LatestThrottle(this.config.progressThrottle, (data) =>
      this.#dispatch("import_progress", data),
    );
  }

  get url(): string {
    return `${this.config.secure ? "https" : "http"}://${this.config.host}:${this.config.port}`;
  }

  /**
   * Connects, or answers `true` at once when connected. Rejects with the reason
   * when the server cannot be reached within `connectTimeout`; with
   * `autoReconnect` further attempts then follow by themselves.
   */
  async connect(): Promise<boolean> {
    if (this.isConnected) return true;
    if (this.#opening) return this.#opening;
    this.#stopRetryTimer();
    this.reconnectAttempts = 0;
    this.#report({ state: "connecting", attempt: 0, retryInMs: null });
    return this.#attempt();
  }

  /** Closes the connection for good. Subscriptions stay and serve a later `connect()`. */
  disconnect(): void {
    this.#stopRetryTimer();
    this.#stopHeartbeat();
    this.#progress.clear();
    this.#cancelOpening?.();
    const { socket } = this;
    this.socket = null;
    this.isConnected = false;
    socket?.offAny();
    socket?.off();
    socket?.io.off();
    socket?.disconnect();
    this.#report({ state: "offline", transport: null, retryInMs: null, reason: "disconnected", quiet: false });
  }

  /**
   * Calls `callback` for every event of that name: one of `ClientEvents`, or
   * any other event that the server emits.
   */
  subscribe<E extends keyof ClientEvents>(eventType: E, callback: (data: ClientEvents[E]) => void): void;
  subscribe(eventType: string, callback: (data: never) => void): void;
  subscribe(eventType: string, callback: Callback): void {
    const callbacks = this.eventCallbacks.get(eventType) ?? new Set();
    this.eventCallbacks.set(eventType, callbacks.add(callback));
  }

  /** Removes one callback, or all of that name. */
  unsubscribe(eventType: string, callback?: (data: never) => void): void {
    const callbacks = this.eventCallbacks.get(eventType);
    if (callback) callbacks?.delete(callback);
    if (!callback || callbacks?.size === 0) this.eventCallbacks.delete(eventType);
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
    return (await this.#command<{ session: Session }>("track_session", { sessionId })).session;
  }

  async untrack(sessionId: string): Promise<void> {
    this.#tracked.delete(sessionId);
    await this.#command("untrack_session", { sessionId });
  }

  /** Asks the server to cancel; `import_cancelled` follows when the work has been rolled back. */
  async cancelSession(sessionId: string, reason?: string): Promise<Session> {
    const request = reason === undefined ? { sessionId } : { sessionId, reason };
    return (await this.#command<{ session: Session }>("cancel_session", request)).session;
  }

  async listSessions(status?: SessionStatus): Promise<Session[]> {
    return (await this.#command<{ sessions: Session[] }>("list_sessions", status ? { status } : {})).sessions;
  }

  /** Waits, tries to connect, and goes on with doubled pauses up to `maxReconnectAttempts` times. */
  attemptReconnection(): void {
    if (this.isConnected || this.#retryTimer || this.#opening) return;
    if (this.reconnectAttempts >= this.maxReconnectAttempts) {
      this.#report({ state: "offline", retryInMs: null });
      return;
    }
    const pause = Math.min(this.reconnectDelay * 2 ** this.reconnectAttempts, MAX_RECONNECT_DELAY_MS);
    const spread = Math.min(pause * RECONNECT_SPREAD * Math.random(), MAX_RECONNECT_DELAY_MS - pause);
    const retryInMs = Math.round(pause + spread);
    this.reconnectAttempts += 1;
    this.#report({ state: "reconnecting", attempt: this.reconnectAttempts, retryInMs });
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      this.#report({ retryInMs: null });
      // A failure has been reported and has set off the next attempt already.
      this.#attempt().catch(() => {});
    }, retryInMs);
  }

  /**
   * Takes a progress event in: drops it if a newer one of its session was
   * seen, and hands it to the subscribers at most once per `progressThrottle`.
   */
  handleProgressUpdate(data: ImportProgress): void {
    if (this.#sequence.accept(data.sessionId, data.seq)) this.#progress.push(data.sessionId, data);
  }

  #attempt(): Promise<boolean> {
    this.#opening = this.#open()
      .finally(() => {
        this.#opening = null;
      })
      .catch((error: Error) => {
        // Without a socket it was disconnect() that ended the attempt.
        if (this.socket) {
          this.#report({ reason: error.message });
          if (this.config.autoReconnect) this.attemptReconnection();
          else this.#report({ state: "offline" });
        }
        throw error;
      });
    return this.#opening;
  }

  #open(): Promise<boolean> {
    const socket = (this.socket ??= this.#createSocket());
    socket.io.opts.transports = this.#pollingFirst ? ["polling", "websocket"] : ["websocket", "polling"];
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        socket.off("connect", connected);
        socket.off("connect_error", settle);
        this.#cancelOpening = null;
        if (error) reject(error);
        else resolve(true);
      };
      const connected = (): void => settle();
      const timer = setTimeout(() => {
        this.#pollingFirst = true;
        socket.disconnect();
        settle(new Error(`no connection within ${this.config.connectTimeout} ms`));
      }, this.config.connectTimeout);
      this.#cancelOpening = () => settle(new Error("disconnected"));
      socket.on("connect", connected);
      socket.on("connect_error", settle);
      socket.connect();
    });
  }

  /** Called once per connect(); the same socket serves every attempt, so listeners are set once. */
  #createSocket(): Socket {
    const socket = io(this.url, {
      autoConnect: false,
      forceNew: true,
      reconnection: false,
      tryAllTransports: true,
      timeout: this.config.connectTimeout,
    });
    socket.on("connect", () => this.#connected(socket));
    socket.on("disconnect", (reason) => this.#disconnected(reason));
    socket.onAny((event: string, data: unknown) => this.#receive(event, data));
    return socket;
  }

  #connected(socket: Socket): void {
    this.isConnected = true;
    this.reconnectAttempts = 0;
    this.#startHeartbeat();
    const transport = (): Transport => (socket.io.engine.transport.name === "polling" ? "polling" : "websocket");
    socket.io.engine.on("upgrade", () => this.#report({ transport: transport() }));
    this.#report({
      state: "connected",
      transport: transport(),
      attempt: 0,
      retryInMs: null,
      reason: null,
      quiet: false,
    });
    void this.#resync();
  }

  #disconnected(reason: string): void {
    this.isConnected = false;
    this.#stopHeartbeat();
    this.#report({ transport: null, quiet: false, reason });
    // As everywhere in Socket.IO: whom the server sends away does not come back unasked.
    if (this.config.autoReconnect && reason !== "io server disconnect") this.attemptReconnection();
    else this.#report({ state: "offline" });
  }

  async #resync(): Promise<void> {
    await Promise.all([...this.#tracked].map((id) => this.#trackAgain(id)));
    try {
      const sessions = await this.listSessions();
      for (const session of sessions) this.#handSnapshot(session);
      this.#dispatch("session_list", sessions);
    } catch (error) {
      // A connection that broke again lists again when it is back.
      if (error instanceof CommandError && error.code === "NOT_CONNECTED") return;
      console.warn("the list of sessions could not be read:", error);
    }
  }

  async #trackAgain(sessionId: string): Promise<void> {
    try {
      this.#handSnapshot(await this.track(sessionId));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      // A connection that broke tracks everything again when it is back.
      if (error.code === "NOT_CONNECTED" || error.code === "TIMEOUT") return;
      this.#tracked.delete(sessionId);
      if (error.code === "SESSION_CANCELLED") this.#end("import_cancelled", cancelledUnseen(sessionId));
      else this.#dispatch("session_lost", { sessionId, error: { code: error.code, message: error.message } });
    }
  }

  /** A session object carries the fields of its latest event, so it can stand in for it. */
  #handSnapshot(session: Session): void {
    const event = { timestamp: new Date(session.lastUpdate).toISOString(), ...session };
    if (session.status === "completed") this.#end("import_complete", event as unknown as TerminalEvent);
    else if (session.status === "error") this.#end("import_error", event as unknown as TerminalEvent);
    else if (session.status === "processing" && this.#sequence.acceptSnapshot(session.sessionId, session.seq)) {
      this.#progress.push(session.sessionId, event as unknown as ImportProgress);
    }
  }

  #receive(event: string, data: unknown): void {
    switch (event) {
      case "session_created":
        this.#sequence.forget((data as { sessionId: string }).sessionId);
        break;
      case "import_progress":
        this.handleProgressUpdate(data as ImportProgress);
        return;
      case "import_complete":
      case "import_error":
      case "import_cancelled":
        this.#end(event, data as TerminalEvent);
        return;
      case "heartbeat":
        this.#lastHeartbeatMs = Date.now();
        if (this.connection.quiet) this.#report({ quiet: false });
        break;
    }
    this.#dispatch(event, data);
  }

  #end(event: "import_complete" | "import_error" | "import_cancelled", data: TerminalEvent): void {
    if (!this.#sequence.end(data.sessionId, data.seq)) return;
    this.#progress.flush(data.sessionId);
    // Leaving the audience is a courtesy; the server forgets ended sessions by itself.
    if (this.#tracked.delete(data.sessionId)) this.untrack(data.sessionId).catch(() => {});
    this.#dispatch(event, data);
  }

  #dispatch(event: string, data: unknown): void {
    for (const callback of [...(this.eventCallbacks.get(event) ?? [])]) {
      try {
        callback(data as never);
      } catch (error) {
        // One broken subscriber must not keep the event from the others.
        console.error(`a subscriber of ${event} failed:`, error);
      }
    }
  }

  async #command<T>(name: string, request: object): Promise<T> {
    if (!this.socket || !this.isConnected) throw new CommandError("NOT_CONNECTED", "not connected to the server");
    let answer: Answer<T>;
    try {
      answer = (await this.socket.timeout(this.config.commandTimeout).emitWithAck(name, request)) as Answer<T>;
    } catch {
      if (!this.isConnected) throw new CommandError("NOT_CONNECTED", "the connection broke before the answer came");
      throw new CommandError("TIMEOUT", `no answer to ${name} within ${this.config.commandTimeout} ms`);
    }
    if (!answer.ok) throw new CommandError(answer.error.code, answer.error.message);
    return answer;
  }

  #startHeartbeat(): void {
    this.#stopHeartbeat();
    this.#lastHeartbeatMs = Date.now();
    this.heartbeatInterval = setInterval(() => {
      const quiet = Date.now() - this.#lastHeartbeatMs > 2.5 * this.config.heartbeatInterval;
      if (quiet !== this.connection.quiet) this.#report({ quiet });
    }, this.config.heartbeatInterval);
  }

  #stopHeartbeat(): void {
    if (this.heartbeatInterval) clearInterval(this.heartbeatInterval);
    this.heartbeatInterval = null;
  }

  #stopRetryTimer(): void {
    if (this.#retryTimer) clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
  }

  #report(change: Partial<ConnectionInfo>): void {
    this.connection = { ...this.connection, ...change };
    this.#dispatch("connection_changed", this.connection);
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
