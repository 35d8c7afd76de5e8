/**
 * Lets one value per key and interval through, at once when it is quiet and at
 * the end of the interval otherwise. Values in between are replaced by newer
 * ones, so the last value always arrives.
 */
export class LatestThrottle<T> {
  readonly #intervalMs: number;
  readonly #deliver: (value: T, key: string) => void;
  readonly #open = new Map<string, { timer: ReturnType<typeof setTimeout>; waiting: T[] }>();

  constructor(intervalMs: number, deliver: (value: T, key: string) => void) {
    this.#intervalMs = intervalMs;
    this.#deliver = deliver;
  }

  push(key: string, value: T): void {
    const interval = this.#open.get(key);
    if (interval) {
      interval.waiting = [value];
      return;
    }
    this.#start(key);
    this.#deliver(value, key);
  }

  /** Delivers what waits for `key` now and ends its interval. */
  flush(key: string): void {
    const interval = this.#open.get(key);
    if (!interval) return;
    clearTimeout(interval.timer);
    this.#open.delete(key);
    for (const value of interval.waiting) this.#deliver(value, key);
  }

  /** Forgets what waits for `key` and ends its interval. */
  drop(key: string): void {
    clearTimeout(this.#open.get(key)?.timer);
    this.#open.delete(key);
  }

  /** Forgets everything that waits. */
  clear(): void {
    for (const { timer } of this.#open.values()) clearTimeout(timer);
    this.#open.clear();
  }

  #start(key: string): void {
    const timer = setTimeout(() => {
      const { waiting } = this.#open.get(key)!;
      this.#open.delete(key);
      for (const value of waiting) this.push(key, value);
    }, this.#intervalMs);
    this.#open.set(key, { timer, waiting: [] });
  }
}
