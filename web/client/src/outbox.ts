import { CommandError, isBusy, isCode, pauseAfter } from "./command-error.js";

export interface Update {
  progress: number;
  metadata: Record<string, unknown>;
}

interface Item {
  sessionId: string;
  /** Only for updates: a later one of the same session joins it while it waits. */
  update: Update | null;
  /** `again`: an attempt before may have reached the server. */
  send: (update: Update | null, again: boolean) => Promise<unknown>;
  settle: { resolve: (answer: unknown) => void; reject: (error: unknown) => void }[];
  tried: boolean;
}

/**
 * Reports of a producer, delivered in order and one at a time, and kept while
 * the server cannot be reached or is too busy. Updates that wait are joined, so
 * a job that goes on while the server is away needs one place.
 */
export class Outbox {
  readonly #limit: number;
  readonly #firstPauseMs: number;
  readonly #items: Item[] = [];
  #sending = false;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limit: number, firstPauseMs: number) {
    this.#limit = limit;
    this.#firstPauseMs = firstPauseMs;
  }

  /** How many reports wait. */
  get size(): number {
    return this.#items.length;
  }

  /** Resolves with the server's answer once it came; rejects with a refusal, or `QUEUE_FULL`. */
  push<T>(sessionId: string, send: Item["send"], update: Update | null = null): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiter = { resolve: resolve as (answer: unknown) => void, reject };
      const last = this.#items.findLast((item) => item.sessionId === sessionId);
      if (update && last?.update && !(this.#sending && last === this.#items[0])) {
        last.update = { progress: update.progress, metadata: { ...last.update.metadata, ...update.metadata } };
        last.settle.push(waiter);
      } else if (this.#items.length >= this.#limit) {
        reject(new CommandError("QUEUE_FULL", `${this.#limit} reports wait already`));
      } else {
        this.#items.push({ sessionId, update, send, settle: [waiter], tried: false });
        if (!this.#timer) void this.#run();
      }
    });
  }

  /** The server can be reached again: no pause is sat out. */
  wake(): void {
    this.rest();
    this.#failures = 0;
    void this.#run();
  }

  /** Stops trying until the next `wake()` or `push()`; what waits is kept. */
  rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #run(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (let item = this.#items[0]; item && !this.#timer; item = this.#items[0]) await this.#deliver(item);
    this.#sending = false;
  }

  async #deliver(item: Item): Promise<void> {
    try {
      const answer = await item.send(item.update, item.tried);
      this.#failures = 0;
      this.#items.shift();
      for (const { resolve } of item.settle) resolve(answer);
    } catch (error) {
      item.tried = true;
      if (isPassing(error)) return this.#pause(error);
      this.#items.shift();
      for (const { reject } of item.settle) reject(error);
    }
  }

  #pause(error: unknown): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#run();
    }, pauseAfter(error, this.#firstPauseMs, this.#failures));
    this.#failures += 1;
  }
}

/** Whether the same request may be answered otherwise later. */
function isPassing(error: unknown): boolean {
  // An attempt before has reached the server and is not answered yet.
  const isBeingAnswered = isCode(error, "IDEMPOTENCY_CONFLICT") && error.retryAfterMs !== null;
  return isBeingAnswered || isCode(error, "NETWORK_ERROR") || isBusy(error);
}
