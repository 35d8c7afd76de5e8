import { io, type Socket } from "socket.io-client";
import { authPayload, isAuthRequired } from "./auth.js";
import { type ClientConfig, defaultConfig } from "./client-config.js";
import { CommandError, isCode } from "./command-error.js";
import type { ClientEvents, ConnectionInfo, ErrorAnswer, Transport } from "./events.js";
import { delayOf } from "./http.js";
import { TransportMemory } from "./transport-memory.js";
import { onWake } from "./wake.js";

/** Longest pause between two attempts to connect, in milliseconds. */
const MAX_RECONNECT_DELAY_MS = 30_000;
/** Pauses are lengthened by up to this share, so that clients of a restarted server do not return in one moment. */
const RECONNECT_SPREAD = 0.2;
/** Share of `connectTimeout` after which a WebSocket that says nothing is given up for polling. */
const WEBSOCKET_SHARE = 0.3;
/** After so many attempts that led to nothing lasting, another connection that breaks soon has WebSockets given up. */
const SHORT_LIVES = 2;
/** So long. */
const REST_MS = 10 * 60 * 1000;
/** A heartbeat may come so much later than announced, as a share of the interval. */
const HEARTBEAT_GRACE = 0.1;
/** A ping may come so much later than announced. */
const PING_GRACE_MS = 5_000;

const UNTROUBLED = { attempt: 0, retryInMs: null, reason: null, quiet: false, unanswered: false };

type Callback = (data: never) => void;
type Answer<T> = ({ ok: true } & T) | { ok: false; error: ErrorAnswer };

/**
 * One connection that comes back by itself, subscriptions by event name, and
 * commands. What the events mean is the business of `WebSocketClient`.
 *
 * Reconnecting is done here and not by socket.io-client, whose own loop is
 * switched off: after every connect the state has to be read again.
 */
export abstract class Connection {
  socket: Socket | null = null;
  isConnected = false;
  /** Attempts since a connection last lived for `stableAfter`. */
  reconnectAttempts = 0;
  maxReconnectAttempts = 5;
  /** Milliseconds before the first attempt to reconnect; doubles with each, up to 30 s. */
  reconnectDelay = 1000;
  heartbeatInterval: ReturnType<typeof setInterval> | null = null;
  readonly eventCallbacks = new Map<string, Set<Callback>>();
  readonly config: ClientConfig;
  connection: ConnectionInfo = { state: "offline", transport: null, ...UNTROUBLED, polled: false };
  /** When the server was heard last, in milliseconds since the epoch; null before it was. */
  lastHeardMs: number | null = null;

  #opening: Promise<boolean> | null = null;
  /** Ends the attempt that is under way. */
  #settle: ((error?: Error) => void) | null = null;
  /** Its socket was closed. */
  #closed: ((reason: string) => void) | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  /** Milliseconds for which the server that refused last wants to be left alone. */
  #askedMs = 0;
  #stableTimer: ReturnType<typeof setTimeout> | undefined;
  #lastHeartbeatMs = 0;
  /** Heartbeats of this connection. */
  #beats = 0;
  /** The longest pause between two heartbeats of this server; -1 before there were two. */
  #heartbeatGapMs = -1;
  /** How often the server pings, as its handshake says. */
  #pingIntervalMs = Number.POSITIVE_INFINITY;
  #transports: TransportMemory | null = null;
  #stopWaking: (() => void) | null = null;
  /** It has been connected since the last `disconnect()`, so that what follows is coming back. */
  #comesBack = false;

  constructor(config: Partial<ClientConfig> = {}) {
    this.config = { ...defaultConfig(), ...config };
  }

  /** Called after every connect, when commands can be sent. */
  protected abstract opened(): void;
  /** Called whenever anything about the connection has changed, before the subscribers. */
  protected abstract changed(info: ConnectionInfo): void;
  /** Takes in every event of the server. */
  protected abstract receive(event: string, data: unknown): void;

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
    this.#stopWaking ??= onWake(() => this.#wake());
    this.report({ state: "connecting", attempt: 0, retryInMs: null });
    return this.#attempt();
  }

  /** Closes the connection for good. Subscriptions stay and serve a later `connect()`. */
  disconnect(): void {
    this.#stopRetryTimer();
    this.#stopHeartbeat();
    this.#stopWaking?.();
    this.#stopWaking = null;
    this.#settle?.(new Error("disconnected"));
    const { socket } = this;
    this.socket = null;
    this.isConnected = false;
    this.#comesBack = false;
    socket?.offAny();
    socket?.off();
    socket?.io.off();
    socket?.disconnect();
    this.report({ state: "offline", transport: null, retryInMs: null, reason: "disconnected", quiet: false });
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

  /** Waits, tries to connect, and goes on with doubled pauses up to `maxReconnectAttempts` times. */
  attemptReconnection(): void {
    if (this.isConnected || this.#retryTimer || this.#opening) return;
    if (this.reconnectAttempts >= this.maxReconnectAttempts) {
      this.report({ state: "offline", retryInMs: null });
      return;
    }
    const planned = this.reconnectDelay * 2 ** this.reconnectAttempts;
    const spread = 1 + RECONNECT_SPREAD * Math.random();
    const retryInMs = Math.round(Math.min(Math.max(planned, this.#askedMs) * spread, MAX_RECONNECT_DELAY_MS));
    this.reconnectAttempts += 1;
    this.report({ state: "reconnecting", attempt: this.reconnectAttempts, retryInMs });
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.report({ retryInMs: null });
      // A failure has been reported and has set off the next attempt already.
      this.#attempt().catch(() => {});
    }, retryInMs);
  }

  /** Hands data to the subscribers of an event. */
  protected dispatch(event: string, data: unknown): void {
    for (const callback of [...(this.eventCallbacks.get(event) ?? [])]) {
      guarded(`a subscriber of ${event}`, () => callback(data as never));
    }
  }

  /** Sends a command and waits for its answer. */
  protected async command<T>(name: string, request: object): Promise<T> {
    const { socket } = this;
    if (!socket || !this.isConnected) throw new CommandError("NOT_CONNECTED", "not connected to the server");
    let answer: Answer<T>;
    try {
      answer = (await socket.timeout(this.config.commandTimeout).emitWithAck(name, request)) as Answer<T>;
    } catch {
      if (!this.isConnected) throw new CommandError("NOT_CONNECTED", "not connected to the server");
      throw new CommandError("TIMEOUT", `no answer to ${name} within ${this.config.commandTimeout} ms`);
    }
    if (!answer.ok) throw new CommandError(answer.error.code, answer.error.message);
    return answer;
  }

  #attempt(): Promise<boolean> {
    const socket = (this.socket ??= this.#createSocket());
    this.#opening = this.#admit(socket)
      .finally(() => {
        this.#opening = null;
      })
      .catch((error: Error) => {
        // Without the socket it was disconnect() that ended the attempt.
        if (this.socket === socket) this.#failed(error);
        throw error;
      });
    return this.#opening;
  }

  #failed(error: Error): void {
    this.report({ reason: error.message, unanswered: isCode(error, "TIMEOUT") });
    const refused = isAuthRequired(error);
    if (refused) this.dispatch("auth_required", { code: "AUTH_REQUIRED", message: error.message });
    this.#comeBack(refused);
  }

  /** The same credentials would be refused again; whoever is asked for them may give others. */
  #comeBack(refused: boolean): void {
    if (this.config.autoReconnect && (!refused || this.#asksForAuth)) this.attemptReconnection();
    else this.report({ state: "offline" });
  }

  get #asksForAuth(): boolean {
    return typeof this.config.auth === "function";
  }

  /** Opens a connection; where the server refuses the credentials, others are asked for once. */
  async #admit(socket: Socket): Promise<boolean> {
    for (let asked = 1; ; asked += 1) {
      const auth = await authPayload(this.config.auth);
      if (this.socket !== socket) throw new Error("disconnected");
      // For the server's figures.
      socket.auth = this.#comesBack ? { ...auth, reconnect: true } : auth;
      try {
        return await this.#open(socket);
      } catch (error) {
        if (this.socket !== socket || !isAuthRequired(error) || !this.#asksForAuth || asked > 1) throw error;
      }
    }
  }

  #open(socket: Socket): Promise<boolean> {
    const memory = (this.#transports ??= new TransportMemory(this.url));
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        clearTimeout(patience);
        this.#settle = this.#closed = null;
        // Asked at once: the request does not know the answer any more afterwards.
        const answer = answerOf(error);
        this.#askedMs = delayOf(answer?.getResponseHeader("Retry-After")) ?? 0;
        // What forbids polling may let a WebSocket through; who is only busy lets nobody in.
        if (answer && answer.status < 429) memory.prefer("websocket");
        if (error) reject(error);
        else resolve(true);
      };
      const start = (): void => {
        const { first } = memory;
        socket.io.opts.transports = [first, first === "polling" ? "websocket" : "polling"];
        socket.io.opts.upgrade = memory.polling <= Date.now();
        // A WebSocket after polling would fail too, and what the server has answered would not be known.
        socket.io.opts.tryAllTransports = first === "websocket";
        socket.connect();
      };
      const fallBack = (): boolean => {
        if (memory.first === "polling") return false;
        memory.first = "polling";
        socket.disconnect();
        start();
        return true;
      };
      // Some proxies let a WebSocket open and close it at once, before the server is heard.
      this.#closed = (reason) => {
        if (!fallBack()) settle(new Error(`the connection was closed: ${reason}`));
      };
      const timer = setTimeout(() => {
        socket.disconnect();
        settle(new CommandError("TIMEOUT", `no connection within ${this.config.connectTimeout} ms`));
      }, this.config.connectTimeout);
      // Others swallow it, and nothing ever comes.
      const patience = setTimeout(() => {
        if (socket.io._readyState !== "open") fallBack();
      }, this.config.connectTimeout * WEBSOCKET_SHARE);
      this.#settle = settle;
      start();
    });
  }

  /** Called once per connect(); the same socket serves every attempt, so listeners are set once. */
  #createSocket(): Socket {
    const socket = io(this.url, {
      autoConnect: false,
      forceNew: true,
      reconnection: false,
      path: this.config.path,
      withCredentials: this.config.withCredentials,
      timeout: this.config.connectTimeout,
    });
    socket.on("connect", () => this.#connected(socket));
    socket.on("connect_error", (error) => this.#settle?.(error));
    socket.on("disconnect", (reason) => this.#disconnected(reason));
    socket.io.on("open", () => this.#listenToPackets(socket));
    socket.onAny((event: string, data: unknown) => {
      if (event === "heartbeat") this.#beat();
      this.receive(event, data);
    });
    return socket;
  }

  #listenToPackets(socket: Socket): void {
    const { engine } = socket.io;
    engine.on("packet", () => this.heard());
    const { _pingInterval: pingInterval } = engine as unknown as { _pingInterval?: number };
    this.#pingIntervalMs = pingInterval ?? Number.POSITIVE_INFINITY;
  }

  #connected(socket: Socket): void {
    this.isConnected = true;
    this.#comesBack = true;
    this.#startHeartbeat();
    const note = (change?: Partial<ConnectionInfo>): void => {
      const transport = socket.io.engine.transport.name as Transport;
      if (socket.io.opts.upgrade) this.#transports!.prefer(transport);
      this.report({ ...change, transport });
    };
    socket.io.engine.on("upgrade", () => note());
    note({ ...UNTROUBLED, state: "connected" });
    this.opened();
    this.#settle?.();
  }

  #disconnected(reason: string): void {
    // Before it stood, the attempt that opens it knows what to do.
    if (!this.isConnected) return this.#closed?.(reason);
    this.isConnected = false;
    // Some proxies let WebSockets open, and break each of them soon.
    if (this.reconnectAttempts >= SHORT_LIVES) this.#transports!.prefer("polling", Date.now() + REST_MS);
    this.#stopHeartbeat();
    this.connection = { ...this.connection, transport: null, quiet: false, reason };
    // As everywhere in Socket.IO: whom the server sends away does not come back unasked, unless new credentials may help.
    this.#comeBack(reason === "io server disconnect");
  }

  /** The network is back, or the page is looked at again: no pause is sat out, and no dead connection trusted. */
  #wake(): void {
    if (this.connection.state === "reconnecting") this.connect().catch(() => {});
    if (!this.isConnected) return;
    const { socket } = this;
    this.command("list_sessions", { limit: 1 }).catch((error: CommandError) => {
      if (error.code === "TIMEOUT" && this.socket === socket) this.#abandon();
    });
  }

  /** Leaves a dead connection. To close it in peace would be to wait for what the server does not take. */
  #abandon(): void {
    this.socket?.disconnect();
  }

  /** The server gave a sign of life. */
  protected heard(): void {
    this.lastHeardMs = Date.now();
  }

  #beat(): void {
    const now = Date.now();
    if (this.#beats > 0) this.#heartbeatGapMs = Math.max(this.#heartbeatGapMs, now - this.#lastHeartbeatMs);
    this.#beats += 1;
    this.#lastHeartbeatMs = now;
    this.#stable();
    this.#checkQuiet();
  }

  /** The connection has lived: the next loss begins with the shortest pause again. */
  #stable(): void {
    clearTimeout(this.#stableTimer);
    this.reconnectAttempts = 0;
  }

  #startHeartbeat(): void {
    this.#stopHeartbeat();
    this.#lastHeartbeatMs = Date.now();
    this.#beats = 0;
    this.heard();
    // A server that accepts connections only to break them again must not be asked ever faster.
    this.#stableTimer = setTimeout(() => this.#stable(), this.config.stableAfter);
    this.heartbeatInterval = setInterval(() => this.#checkQuiet(), this.config.heartbeatInterval / 6);
  }

  /**
   * Two missed heartbeats, or a missed ping, make a connection doubtful. Where
   * the server has shown that it sends heartbeats as often as expected, two
   * missed ones end it, and another one is tried.
   */
  #checkQuiet(): void {
    const now = Date.now();
    const allowedMs = (2 + HEARTBEAT_GRACE) * this.config.heartbeatInterval;
    const isSilent = now - this.#lastHeartbeatMs > allowedMs;
    const quiet = isSilent || now - (this.lastHeardMs ?? now) > this.#pingIntervalMs + PING_GRACE_MS;
    if (quiet !== this.connection.quiet) this.report({ quiet });
    if (isSilent && this.#heartbeatGapMs >= 0 && this.#heartbeatGapMs < allowedMs) this.#abandon();
  }

  #stopHeartbeat(): void {
    clearInterval(this.heartbeatInterval ?? undefined);
    this.heartbeatInterval = null;
    clearTimeout(this.#stableTimer);
  }

  #stopRetryTimer(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
  }

  protected report(change: Partial<ConnectionInfo>): void {
    this.connection = { ...this.connection, ...change };
    this.changed(this.connection);
    this.dispatch("connection_changed", this.connection);
  }
}

/** The request that could not connect, where it was answered: a status of 0 says that it was not. */
function answerOf(error?: Error): XMLHttpRequest | null {
  const { context } = (error ?? {}) as { context?: XMLHttpRequest };
  return context?.status ? context : null;
}

/** Calls what is not the client's own: one that fails must not keep news from the others. */
export function guarded(what: string, call: () => void): void {
  try {
    call();
  } catch (error) {
    console.error(`${what} failed:`, error);
  }
}
