import { type Auth, authHeaders, isAuthRequired } from "./auth.js";
import { CommandError } from "./command-error.js";
import { type Page, pages } from "./pages.js";
import { ANSWERED_WITH, UNREACHABLE } from "./words.js";

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
      if (typeof this.#config.auth !== "function" || !isAuthRequired(error)) throw error;
      return this.#once<T>(method, path, options);
    }
  }

  /** Reads the list of that name to its end. */
  async list<T>(path: string, name: string, signal: AbortSignal, query: Record<string, string> = {}): Promise<T[]> {
    const entries: T[] = [];
    const read = (cursor: { cursor?: string }): Promise<Page<T>> => {
      const parameters = new URLSearchParams({ ...query, limit: "1000", ...cursor });
      return this.request("GET", `${path}?${parameters}`, { signal });
    };
    for await (const page of pages(name, read)) entries.push(...page);
    return entries;
  }

  async #once<T>(method: string, path: string, { body, headers, signal }: RequestOptions): Promise<T> {
    const auth = await authHeaders(this.#config.auth);
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.#base()}/api${path}`, {
        method,
        headers: { ...(body && { "Content-Type": "application/json" }), ...auth, ...headers },
        credentials: this.#config.withCredentials ? "include" : "same-origin",
        body: body && JSON.stringify(body),
        signal,
      } as RequestInit);
      text = await response.text();
    } catch {
      // A frozen server takes requests and never answers.
      if (signal?.reason?.name === "TimeoutError") throw new CommandError("TIMEOUT", "the server does not answer");
      signal?.throwIfAborted();
      throw new CommandError("NETWORK_ERROR", UNREACHABLE);
    }
    if (!response.ok) throw refusal(response, text);
    return JSON.parse(text || "{}") as T;
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
    return new CommandError(code, `${ANSWERED_WITH} ${response.status}`, retryAfterMs);
  }
}
