import { pauseAfter } from "./command-error.js";
import type { Session } from "./events.js";
import type { HttpInterface } from "./http.js";

/** One reading may take so long. */
const MAX_READING_MS = 10_000;

/** Reads the list of sessions over HTTP again and again, while there is no connection. */
export class ListPoller {
  readonly #http: HttpInterface;
  readonly #config: { pollInterval: number };
  readonly #take: (sessions: Session[]) => Promise<void>;
  readonly #works: (working: boolean) => void;
  #stop: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `take` gets a whole list; `works` hears whether the readings succeed. */
  constructor(
    http: HttpInterface,
    config: { pollInterval: number },
    take: (sessions: Session[]) => Promise<void>,
    works: (working: boolean) => void,
  ) {
    this.#http = http;
    this.#config = config;
    this.#take = take;
    this.#works = works;
  }

  /** Begins after a pause, unless it runs already. */
  start(afterMs: number): void {
    if (this.#stop || this.#config.pollInterval === 0) return;
    this.#stop = new AbortController();
    this.#wait(afterMs, this.#stop.signal);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stop?.abort();
    this.#stop = null;
  }

  /** Reads the list once, now. */
  async read(): Promise<void> {
    await this.#take(await this.#list());
  }

  #wait(pauseMs: number, signal: AbortSignal, failures = 0): void {
    this.#timer = setTimeout(() => void this.#run(signal, failures), pauseMs);
  }

  async #run(signal: AbortSignal, failures: number): Promise<void> {
    try {
      const sessions = await this.#list(signal);
      if (signal.aborted) return;
      await this.#take(sessions);
      this.#next(signal, 0);
    } catch (error) {
      this.#next(signal, failures + 1, error);
    }
  }

  #next(signal: AbortSignal, failures: number, error?: unknown): void {
    if (!signal.aborted) this.#works(failures === 0);
    // Who was told may have ended it.
    if (!signal.aborted) this.#wait(pauseAfter(error, this.#config.pollInterval, failures), signal, failures);
  }

  #list(...stop: AbortSignal[]): Promise<Session[]> {
    const signal = AbortSignal.any([...stop, AbortSignal.timeout(MAX_READING_MS)]);
    return this.#http.list<Session>("/sessions", "sessions", signal);
  }
}
