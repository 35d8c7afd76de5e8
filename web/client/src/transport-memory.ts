import type { Transport } from "./events.js";

/** After this time a WebSocket is tried first again: networks and proxies change. */
const REMEMBERED_FOR_MS = 24 * 60 * 60 * 1000;

/** Remembers over reloads where WebSockets do not get through, so that no page has to wait for that again. */
export class TransportMemory {
  readonly #key: string;
  /** What is tried first. */
  first: Transport;
  /** When polling was found to come first; a time to come says until when it is the only one. 0 where it does not. */
  polling: number;

  constructor(url: string) {
    this.#key = `pulsewheel.polling ${url}`;
    this.polling = Number(storage()?.getItem(this.#key));
    this.first = Date.now() - this.polling < REMEMBERED_FOR_MS ? "polling" : "websocket";
  }

  /** A connection stands on it, or the other one was refused or does not last: it comes first, over reloads too. */
  prefer(transport: Transport, since = Date.now()): void {
    this.first = transport;
    this.polling = transport === "polling" ? since : 0;
    storage()?.setItem(this.#key, `${this.polling}`);
  }
}

/** Null outside of pages, and where a page may not keep anything. */
function storage(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
