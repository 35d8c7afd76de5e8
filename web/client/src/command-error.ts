/** A server that does not answer is asked ever more seldom, up to this pause. */
const MAX_PAUSE_MS = 30_000;

/**
 * A command or request that failed: the server's code, or one of the client's
 * own: `NOT_CONNECTED`, `TIMEOUT`, `NETWORK_ERROR`, `QUEUE_FULL`.
 */
export class CommandError extends Error {
  readonly code: string;
  /** Milliseconds after which the server wants to be asked again; null where it did not say. */
  readonly retryAfterMs: number | null;

  constructor(code: string, message: string, retryAfterMs: number | null = null) {
    super(message);
    this.name = "CommandError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

export function isCode(error: unknown, ...codes: string[]): error is CommandError {
  return error instanceof CommandError && codes.includes(error.code);
}

/** Whether the server may answer the same question later. */
export function isBusy(error: unknown): boolean {
  return isCode(error, "TIMEOUT", "RATE_LIMIT_EXCEEDED", "SERVER_OVERLOAD");
}

/** How long to wait after so many failures; a server that is too busy says when it wants to be asked again. */
export function pauseAfter(error: unknown, firstMs: number, failures: number): number {
  return Math.max(Math.min(firstMs * 2 ** failures, MAX_PAUSE_MS), (error as CommandError | null)?.retryAfterMs ?? 0);
}
