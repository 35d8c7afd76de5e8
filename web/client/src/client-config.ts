import type { Auth } from "./auth.js";

export interface ClientConfig {
  /** Server name or address. Default: the page's own, else `localhost`. */
  host: string;
  /** Default: the page's own port where a server delivered the page, else `8988`. */
  port: string;
  /** Use https and wss. Default: as the page. */
  secure: boolean;
  /** Path of the Socket.IO endpoint. Default: `/socket.io/`. */
  path: string;
  /** Send cookies to a server of another origin. */
  withCredentials: boolean;
  /** Who connects, for servers that ask: a token, an object, or an async function that gives one. */
  auth: Auth | null;
  /** Keep trying after a lost connection. */
  autoReconnect: boolean;
  /** Milliseconds between two heartbeats of the server; after two missed ones the connection is called quiet. */
  heartbeatInterval: number;
  /** Least milliseconds between two `import_progress` of a session as subscribers see them. */
  progressThrottle: number;
  /** Milliseconds that one attempt to connect may take. */
  connectTimeout: number;
  /** Milliseconds that the answer to a command may take. */
  commandTimeout: number;
  /** Milliseconds after which a connection has lived, if no heartbeat came before; only then do pauses begin anew. */
  stableAfter: number;
  /** Milliseconds between two readings of the list over HTTP while there is no connection; 0 reads none. */
  pollInterval: number;
  /** Reports that are kept while the server cannot be reached. */
  queueLimit: number;
}

/** What holds without settings; a page that a server delivered talks to that server. */
export function defaultConfig(): ClientConfig {
  const location = (globalThis as { window?: { location?: Location } }).window?.location;
  const secure = location?.protocol === "https:";
  const served = secure || location?.protocol === "http:";
  return {
    host: location?.hostname || "localhost",
    port: served ? location.port || (secure ? "443" : "80") : "8988",
    secure,
    path: "/socket.io/",
    withCredentials: false,
    auth: null,
    autoReconnect: true,
    heartbeatInterval: 30_000,
    progressThrottle: 100,
    connectTimeout: 10_000,
    commandTimeout: 5_000,
    stableAfter: 5_000,
    pollInterval: 5_000,
    queueLimit: 1_000,
  };
}
