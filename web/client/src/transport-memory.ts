import type { Transport } from "./events.js";

/** After this time a WebSocket is tried first again: networks and proxies change. */
const REMEMBERED_FOR_MS = 24 * 60 * 60 * 1000;

/** Remembers over reloads where WebSockets do not get through, so that no page has to wait for that again. */
export class TransportMemory {
  readonly #key: string;
  /** What is tried first. */
  first: Transport;

  constructor(url: string) {
    this.#key = `pulsewheel.polling ${url}`;
    const since = Number(storage()?.getItem(this.#key));
    this.first = Date.now() - since < REMEMBERED_FOR_MS ? "polling" : "websocket";
  }

  /** A connection stands on it, or the other one was refused: it comes first, over reloads too. */
  prefer(transport: Transport): void {
    this.first = transport;
    if (transport === "polling") storage()?.setItem(this.#key, String(Date.now()));
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
