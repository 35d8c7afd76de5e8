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
