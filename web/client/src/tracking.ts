import { CommandError } from "./command-error.js";
import type { ImportComplete, ImportProgress, TerminalEvent } from "./events.js";

export interface TrackOptions {
  /** Called with the present state, and then with every progress as `subscribe` would hand it over. */
  onProgress?: (event: ImportProgress) => void;
  /** Called once, with the terminal event. */
  onEnd?: (event: TerminalEvent) => void;
  /** Ends the tracking, not the session. */
  signal?: AbortSignal;
}

/** A session that failed, was cancelled, or is unknown to the server. */
export class SessionError extends CommandError {
  /** The terminal event; null where the server knows of none. */
  readonly event: TerminalEvent | null;

  constructor(code: string, message: string, event: TerminalEvent | null) {
    super(code, message);
    this.name = "SessionError";
    this.event = event;
  }
}

/**
 * A session that is followed to its end: await it for the outcome, or iterate
 * over it for what happens until then.
 *
 * The promise resolves with `import_complete`. It rejects with a `SessionError`
 * for every other end, and with the signal's reason when that is given up.
 */
export class Tracking implements PromiseLike<ImportComplete>, AsyncIterable<ImportProgress | TerminalEvent> {
  readonly #options: TrackOptions;
  readonly #promise: Promise<ImportComplete>;
  #resolve!: (event: ImportComplete) => void;
  #reject!: (error: unknown) => void;
  #latest: ImportProgress | null = null;
  #ending: TerminalEvent | null = null;
  #over = false;
  readonly #wakers = new Set<() => void>();
  #news = 0;

  constructor(options: TrackOptions) {
    this.#options = options;
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever only iterates or gives callbacks need not handle the promise.
    this.#promise.catch(() => {});
  }

  /** Whether anything has been told. */
  get begun(): boolean {
    return this.#news > 0 || this.#over;
  }

  then<A = ImportComplete, B = never>(
    fulfilled?: ((event: ImportComplete) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#promise.then(fulfilled, rejected);
  }

  /**
   * Yields each progress, and the terminal event as the last. What comes faster
   * than it is taken is left out but for the newest.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ImportProgress | TerminalEvent, void> {
    let seen = 0;
    for (;;) {
      if (this.#latest && seen < this.#news) {
        seen = this.#news;
        yield this.#latest;
      } else if (this.#over) {
        if (this.#ending) yield this.#ending;
        else await this.#promise;
        return;
      } else {
        await new Promise<void>((resolve) => this.#wakers.add(resolve));
      }
    }
  }

  progress(event: ImportProgress): void {
    // Snapshots repeat what was told.
    if (this.#over || (this.#latest !== null && event.seq === this.#latest.seq)) return;
    this.#latest = event;
    this.#news += 1;
    this.#wake();
    this.#options.onProgress?.(event);
  }

  end(event: TerminalEvent): void {
    if (this.#over) return;
    this.#over = true;
    this.#ending = event;
    if (event.status === "completed") this.#resolve(event);
    else this.#reject(errorOf(event));
    this.#wake();
    this.#options.onEnd?.(event);
  }

  fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#reject(error);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
    this.#wakers.clear();
  }
}

function errorOf(event: Exclude<TerminalEvent, ImportComplete>): SessionError {
  if (event.status === "error") return new SessionError(event.error.code, event.error.message, event);
  const reason = event.reason === null ? "" : `: ${event.reason}`;
  return new SessionError("SESSION_CANCELLED", `the session was cancelled${reason}`, event);
}
