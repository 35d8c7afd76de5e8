import type { SystemAlert } from "../client/src/events.js";

/** Alerts that were removed one by one are remembered up to this number; older ones are beyond what the page reads. */
const MAX_REMOVED = 500;

interface Remembered {
  /** Alerts up to this time were seen, in milliseconds since 1970 by the server's clock. */
  seen: number;
  /** Those that need no action were removed up to this time. */
  cleared: number;
  removed: string[];
}

/** What this browser has seen and removed of the alerts that the server keeps, over reloads and for all its tabs. */
export class AlertMemory {
  // Several servers may lie below paths of one host.
  readonly #key = `pulsewheel.alerts ${location.pathname}`;
  #remembered: Remembered = { seen: 0, cleared: 0, removed: [] };

  /** `changed` is called when another tab has seen or removed some. */
  constructor(changed: () => void) {
    this.#read();
    window.addEventListener("storage", ({ key }) => {
      if (key !== this.#key) return;
      this.#read();
      changed();
    });
  }

  isSeen(alert: SystemAlert): boolean {
    return timeOf(alert) <= this.#remembered.seen;
  }

  isRemoved(alert: SystemAlert): boolean {
    if (alert.action_required !== true && timeOf(alert) <= this.#remembered.cleared) return true;
    return this.#remembered.removed.includes(keyOf(alert));
  }

  see(alerts: readonly SystemAlert[]): void {
    this.#keep({ seen: Math.max(this.#remembered.seen, ...alerts.map(timeOf)) });
  }

  remove(alert: SystemAlert): void {
    this.#keep({ removed: [...this.#remembered.removed, keyOf(alert)].slice(-MAX_REMOVED) });
  }

  /** All of these that need no action were removed, and so were those before them. */
  clear(alerts: readonly SystemAlert[]): void {
    this.#keep({ cleared: Math.max(this.#remembered.cleared, ...alerts.map(timeOf)) });
  }

  #read(): void {
    try {
      const { seen, cleared, removed } = JSON.parse(localStorage.getItem(this.#key) ?? "{}") as Partial<Remembered>;
      this.#remembered = {
        seen: Number(seen) || 0,
        cleared: Number(cleared) || 0,
        removed: Array.isArray(removed) ? removed.filter((key) => typeof key === "string") : [],
      };
    } catch {
      // A page that may not keep anything begins anew each time.
    }
  }

  #keep(change: Partial<Remembered>): void {
    // Another tab may have written since.
    this.#read();
    this.#remembered = { ...this.#remembered, ...change };
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#remembered));
    } catch {
      // It holds for this page then.
    }
  }
}

/** When an alert was sent, in milliseconds since 1970. */
export function timeOf({ timestamp }: SystemAlert): number {
  return Date.parse(timestamp) || 0;
}

/** By this an alert is known again: alerts have no number. */
export function keyOf({ timestamp, level, category, message }: SystemAlert): string {
  const text = JSON.stringify([level, category, message]);
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return `${timestamp} ${(hash >>> 0).toString(36)}`;
}
