import type { Transport } from "./events.js";

/** After this time a WebSocket is tried first again: networks and proxies change. */
const REMEMBERED_FOR_MS = 24 * 60 * 60 * 1000;

/** Remembers over reloads where WebSockets do not get through, so that no page has to wait for that again. */
export class TransportMemory {
  readonly #key: string;
  #pollingFirst: boolean;

  constructor(url: string) {
    this.#key = `pulsewheel.polling ${url}`;
    const since = Number(storage()?.getItem(this.#key) ?? Number.NaN);
    this.#pollingFirst = Date.now() - since < REMEMBERED_FOR_MS;
  }

  get first(): Transport {
    return this.#pollingFirst ? "polling" : "websocket";
  }

  /** A WebSocket hung or was closed before it said anything. */
  webSocketFailed(): void {
    this.#pollingFirst = true;
  }

  /** A connection stands on it, or the other one was refused: it comes first, over reloads too. */
  prefer(transport: Transport): void {
    this.#pollingFirst = transport === "polling";
    if (this.#pollingFirst) storage()?.setItem(this.#key, String(Date.now()));
    else storage()?.removeItem(this.#key);
  }
}

/** Null outside of pages, and where a page may not keep anything. */
function storage(): Storage | null {
  try {
    return (globalThis as { window?: { localStorage?: Storage } }).window?.localStorage ?? null;
  } catch {
    return null;
  }
}
