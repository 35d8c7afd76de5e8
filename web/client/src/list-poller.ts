import { CommandError } from "./command-error.js";
import type { Session } from "./events.js";
import type { HttpInterface } from "./http.js";

/** While the server does not answer, it is asked ever more seldom, up to this pause. */
const MAX_PAUSE_MS = 30_000;
/** One reading may take so long: a frozen server takes requests and never answers. */
const MAX_READING_MS = 10_000;
/** Pages of one reading at most. */
const MAX_PAGES = 50;

interface Page {
  sessions: Session[];
  next: string | null;
}

/** Reads the list of sessions over HTTP again and again, while there is no connection. */
export class ListPoller {
  readonly #http: HttpInterface;
  readonly #intervalMs: () => number;
  readonly #take: (sessions: Session[]) => Promise<void>;
  readonly #works: (working: boolean) => void;
  #stop: AbortController | null = null;

  /** `take` gets a whole list; `works` hears whether the readings succeed. */
  constructor(
    http: HttpInterface,
    intervalMs: () => number,
    take: (sessions: Session[]) => Promise<void>,
    works: (working: boolean) => void,
  ) {
    this.#http = http;
    this.#intervalMs = intervalMs;
    this.#take = take;
    this.#works = works;
  }

  /** Begins after a pause, unless it runs already. */
  start(afterMs: number): void {
    if (this.#stop || this.#intervalMs() === 0) return;
    this.#stop = new AbortController();
    void this.#run(afterMs, this.#stop.signal);
  }

  stop(): void {
    this.#stop?.abort();
    this.#stop = null;
  }

  /** Reads the list once, now. */
  async read(): Promise<void> {
    await this.#take(await this.#list(new AbortController().signal));
  }

  async #run(afterMs: number, signal: AbortSignal): Promise<void> {
    let failures = 0;
    let askedMs = 0;
    for (let pause = afterMs; ; pause = Math.max(Math.min(this.#intervalMs() * 2 ** failures, MAX_PAUSE_MS), askedMs)) {
      await sleep(pause, signal);
      if (signal.aborted) return;
      try {
        const sessions = await this.#list(signal);
        failures = 0;
        askedMs = 0;
        await this.#take(sessions);
      } catch (error) {
        failures += 1;
        // A server that is too busy says when it wants to be asked again.
        askedMs = (error instanceof CommandError ? error.retryAfterMs : null) ?? 0;
      }
      if (signal.aborted) return;
      this.#works(failures === 0);
    }
  }

  async #list(stop: AbortSignal): Promise<Session[]> {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(new CommandError("TIMEOUT", "the server does not answer")), MAX_READING_MS);
    const signal = AbortSignal.any([stop, patience.signal]);
    const sessions: Session[] = [];
    let cursor = "";
    try {
      for (let pages = 0; pages < MAX_PAGES; pages += 1) {
        const query = cursor === "" ? "" : `?cursor=${encodeURIComponent(cursor)}`;
        const page = await this.#http.request<Page>("GET", `/sessions${query}`, { signal });
        sessions.push(...page.sessions);
        if (!page.next) break;
        cursor = page.next;
      }
    } finally {
      clearTimeout(timer);
    }
    stop.throwIfAborted();
    return sessions;
  }
}

/** Resolves after the time, or at once when it is given up. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      // Polling may last for days with one signal.
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
  });
}
