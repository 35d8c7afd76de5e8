import type { ServerFigures } from "./api";

/** Readings that are kept for the curves: ten minutes of one every five seconds. */
const MAX_READINGS = 120;

/** One look at the server's figures, and what happened since the one before. */
export interface Reading {
  /** When it was read, in milliseconds since 1970 by this clock. */
  at: number;
  figures: ServerFigures;
  /** Null for the first reading, and for the first one of a server that was started anew. */
  rates: Rates | null;
}

/** Per second. */
export interface Rates {
  eventsIn: number;
  eventsOut: number;
  bytesIn: number;
  bytesOut: number;
  /** Mean milliseconds that commands of other threads waited for the loop; null where there were none. */
  lagMs: number | null;
}

/** The last readings of the server's figures. */
export class Readings {
  #all: Reading[] = [];

  get last(): Reading | null {
    return this.#all.at(-1) ?? null;
  }

  add(figures: ServerFigures, at: number): Reading {
    const { last } = this;
    const reading = { at, figures, rates: last && ratesOf(last, figures, at) };
    // The curves of a server that is gone are none of the new one's.
    if (last && reading.rates === null) this.#all = [];
    this.#all.push(reading);
    if (this.#all.length > MAX_READINGS) this.#all.shift();
    return reading;
  }

  /** A figure over time, the oldest first; readings that do not have it are left out. */
  series(of: (reading: Reading) => number | null): number[] {
    return this.#all.map(of).filter((value): value is number => value !== null);
  }
}

function ratesOf(before: Reading, figures: ServerFigures, at: number): Rates | null {
  const old = before.figures;
  const seconds = (at - before.at) / 1000;
  if (seconds <= 0 || figures.uptime_ms < old.uptime_ms) return null;
  const rate = (now: number, then: number): number => Math.max(0, now - then) / seconds;
  const [lag, oldLag] = [figures.loop.lag_us, old.loop.lag_us];
  const turns = lag.count - oldLag.count;
  return {
    eventsIn: rate(figures.packets_in.events, old.packets_in.events),
    eventsOut: rate(figures.packets_out.events, old.packets_out.events),
    bytesIn: rate(figures.loop.read_bytes, old.loop.read_bytes),
    bytesOut: rate(figures.loop.written_bytes, old.loop.written_bytes),
    lagMs: turns > 0 ? (lag.sum - oldLag.sum) / turns / 1000 : null,
  };
}
