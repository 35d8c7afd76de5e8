import { type Auth, authHeaders } from "./auth.js";
import { CommandError } from "./command-error.js";

export interface RequestOptions {
  body?: object;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** The HTTP interface of a server, with the client's credentials. */
export class HttpInterface {
  readonly #base: () => string;
  readonly #config: { auth: Auth | null; withCredentials: boolean };

  /** `base` is the address before `/api`. */
  constructor(base: () => string, config: { auth: Auth | null; withCredentials: boolean }) {
    this.#base = base;
    this.#config = config;
  }

  /** Rejects with a `CommandError`: the server's code, or `NETWORK_ERROR`. */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    try {
      return await this.#once<T>(method, path, options);
    } catch (error) {
      // Credentials that a function gave may have expired since.
      const renewable = typeof this.#config.auth === "function";
      if (!renewable || !(error instanceof CommandError) || error.code !== "AUTH_REQUIRED") throw error;
      return this.#once<T>(method, path, options);
    }
  }

  async #once<T>(method: string, path: string, { body, headers, signal }: RequestOptions): Promise<T> {
    const auth = await authHeaders(this.#config.auth);
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.#base()}/api${path}`, {
        method,
        headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }), ...auth, ...headers },
        credentials: this.#config.withCredentials ? "include" : "same-origin",
        ...(body && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      });
      text = await response.text();
    } catch {
      if (signal?.aborted) throw signal.reason;
      throw new CommandError("NETWORK_ERROR", "the server could not be reached");
    }
    if (!response.ok) throw refusal(response, text);
    return (text === "" ? {} : JSON.parse(text)) as T;
  }
}

/** What `Retry-After` says, in milliseconds; null where it says nothing. */
export function delayOf(field: string | null | undefined): number | null {
  return field ? Number(field) * 1000 || null : null;
}

function refusal(response: Response, text: string): CommandError {
  const retryAfterMs = delayOf(response.headers.get("Retry-After"));
  try {
    const { code, message } = (JSON.parse(text) as { error: { code: string; message: string } }).error;
    return new CommandError(code, message, retryAfterMs);
  } catch {
    // What answers without the server's form, a proxy for instance, is known by its status.
    const code = response.status >= 500 ? "SERVER_OVERLOAD" : `HTTP_${response.status}`;
    return new CommandError(code, `the server answered with status ${response.status}`, retryAfterMs);
  }
}
