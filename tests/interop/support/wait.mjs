// Waiting for conditions. Limits are generous on purpose: they end a test that hangs, they measure nothing.

export const LIMIT_MS = 15_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The promise's value, or an error that names what did not come in time. */
export async function within(promise, what, limitMs = LIMIT_MS) {
  let timer;
  const expiry = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves as soon as `condition()` is truthy, with its value. */
export async function until(condition, what, limitMs = LIMIT_MS) {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`no ${what} within ${limitMs} ms`);
    await sleep(5);
  }
}

/** The arguments of the next `event` of an emitter. */
export function once(emitter, event, limitMs = LIMIT_MS) {
  const arrival = new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
  return within(arrival, `"${event}" event`, limitMs);
}
