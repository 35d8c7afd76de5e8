// What the soak tests share: chance that can be repeated, and a look at the server's memory.
import fs from "node:fs";

export const SECONDS = Number(process.env.SOAK_SECONDS ?? 60);

/**
 * A short heartbeat for servers whose connections are broken on purpose: a JavaScript client whose probing WebSocket breaks
 * while its polling pauses stays so until it misses a ping.
 */
export const HEARTBEAT = ["--ping-interval", "2000", "--ping-timeout", "3000"];

/** Numbers from 0 up to 1, the same for the same `SOAK_SEED`; the seed is printed with the test. */
export function chance(t) {
  const seed = Number(process.env.SOAK_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`SOAK_SEED=${seed}`);
  let state = seed | 0;
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Memory of a process in MiB, or null where the system does not tell. */
export function memoryMiB(pid) {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
  } catch {
    return null;
  }
}

/** Does something for every item, at most `width` at a time. */
export async function inBatches(items, width, act) {
  for (let from = 0; from < items.length; from += width) {
    await Promise.all(items.slice(from, from + width).map(act));
  }
}
