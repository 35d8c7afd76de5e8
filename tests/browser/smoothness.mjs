// Measures how smooth the page is with a thousand sessions and two hundred updates a second on a processor that is four
// times slower: long tasks and what they were made of, layout shift, work per update, first paint, memory. It prints
// figures and fails for none of them; traces go to ../output.
//
// SLOWDOWN=4, SESSIONS=1000, RATE=200 and SECONDS=10 can be set; HEAP_UPDATES=60000 is five minutes' worth, sent faster.

import { writeFileSync } from "node:fs";
import { startCrowd } from "./crowd.mjs";
import { OUTPUT, ensureOutputFolder, launchBrowser, reasonToSkip, scratchFolder, testid } from "./harness.mjs";
import { readTrace } from "./trace.mjs";

const skip = reasonToSkip();
if (skip) {
  console.log(skip);
  process.exit(0);
}

const number = (name, value) => Number(process.env[name] ?? value);
const SLOWDOWN = number("SLOWDOWN", 4);
const SESSIONS = number("SESSIONS", 1_000);
const RATE = number("RATE", 200);
const SECONDS = number("SECONDS", 10);
const HEAP_UPDATES = number("HEAP_UPDATES", 60_000);
const HEAP_RATE = number("HEAP_RATE", 1_000);
/** As browsers define it. */
const LONG_TASK_MS = 50;
/** As few as tell what a task was made of: whatever is traced takes time itself. */
const CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline"];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ms = (value) => `${value.toFixed(1)} ms`;
const say = (what, value) => console.log(`  ${what.padEnd(44)} ${value}`);

ensureOutputFolder();
const folder = scratchFolder();
const crowd = await startCrowd(folder.path);
const browser = await launchBrowser();
try {
  await crowd.beginMany(SESSIONS);
  const { page } = await crowd.open(browser, { before: prepare });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  await cdp.send("HeapProfiler.enable");
  await page.locator(testid("session-range")).filter({ hasText: SESSIONS.toLocaleString("en-US") }).waitFor();
  await loading(page);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: SLOWDOWN });
  await phase(page, cdp, "standing", () => pause(SECONDS * 1000));
  await phase(page, cdp, "scrolling", await pointAtList(page));
  await memory(page, cdp);
} finally {
  await browser.close();
  await crowd.stop();
  folder.remove();
}

/** Has the page note what browsers tell of their own speed. */
async function prepare(page) {
  await page.addInitScript(() => {
    const seen = { shifts: [], long: [], frames: [], paints: {} };
    window.seen = seen;
    const observe = (type, note) => new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
    observe("layout-shift", ({ value, hadRecentInput, startTime, sources }) => {
      const where = sources.map(({ node }) => node?.nodeType === 1 ? `${node.localName}.${node.className}#${node.id}` : String(node?.nodeName));
      seen.shifts.push({ value, hadRecentInput, startTime, where });
    });
    observe("longtask", ({ duration, startTime }) => seen.long.push({ duration, startTime }));
    observe("paint", ({ name, startTime }) => (seen.paints[name] = startTime));
    observe("largest-contentful-paint", ({ startTime }) => (seen.paints["largest-contentful-paint"] = startTime));
    let last = performance.now();
    const frame = (now) => {
      seen.frames.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

async function loading(page) {
  const { paints, shifts, transferred, requests } = await page.evaluate(() => {
    const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    return {
      ...window.seen,
      transferred: entries.reduce((sum, { transferSize }) => sum + transferSize, 0),
      requests: entries.map(({ name, transferSize }) => `${new URL(name).pathname} ${transferSize}`),
    };
  });
  console.log(`loading, with ${SESSIONS} sessions, as fast as this machine is`);
  for (const [name, at] of Object.entries(paints)) say(name, ms(at));
  say("transferred by HTTP", `${(transferred / 1000).toFixed(1)} kB in ${requests.length} requests`);
  for (const request of requests) say("", request);
  tellShifts(shifts);
}

/** What happens while `act` goes on and sessions report. */
async function phase(page, cdp, name, act) {
  await page.evaluate(() => Object.assign(window.seen, { shifts: [], long: [], frames: [] }));
  const before = await metrics(cdp);
  await browser.startTracing(page, { categories: CATEGORIES });
  const acted = act();
  const [sent] = await Promise.all([crowd.reportAll(RATE, acted), acted]);
  const after = await metrics(cdp);
  const buffer = await browser.stopTracing();
  writeFileSync(`${OUTPUT}smoothness-${name}.json`, buffer);
  const { shifts, long, frames } = await page.evaluate(() => window.seen);
  const { tasks, self, counts, forced } = readTrace(JSON.parse(buffer.toString()));

  console.log(`\n${name}: ${sent} updates, ${SLOWDOWN} times slower`);
  const over = tasks.filter(({ cpu }) => cpu > LONG_TASK_MS);
  say("tasks over 50 ms of processor time", `${over.length} of ${tasks.length}; longest ${ms(tasks[0]?.cpu ?? 0)}`);
  for (const { cpu, wall, parts } of tasks.slice(0, 4)) {
    const made = Object.entries(parts).sort((one, other) => other[1] - one[1]).slice(0, 6);
    say("", `${ms(cpu)} (${ms(wall)} passed): ${made.map(([part, time]) => `${part} ${time.toFixed(1)}`).join(", ")}`);
  }
  say("long tasks as the page saw them", `${long.length}${long.length ? `; longest ${ms(Math.max(...long.map(({ duration }) => duration)))}` : ""}`);
  frames.sort((one, other) => one - other);
  const share = (part) => frames[Math.floor(frames.length * part)] ?? 0;
  say("frames", `${frames.length}; median ${ms(share(0.5))}, 95 % ${ms(share(0.95))}, longest ${ms(frames.at(-1) ?? 0)}`);
  tellShifts(shifts);
  for (const [kind, time] of Object.entries(self)) say(`${kind} per update`, `${((time * 1000) / sent).toFixed(0)} µs`);
  const rise = (key) => after[key] - before[key];
  say("main thread busy", `${((rise("TaskDuration") / rise("Timestamp")) * 100).toFixed(0)} %`);
  say("styles, layouts per update", `${(rise("RecalcStyleCount") / sent).toFixed(2)}, ${(rise("LayoutCount") / sent).toFixed(2)}`);
  say("forced by scripts", `${forced.length}, ${ms(forced.reduce((sum, { ms: time }) => sum + time, 0))}`);
  const stacks = new Map();
  for (const { name: what, stack } of forced) {
    const top = stack?.slice(0, 3).map(({ functionName, lineNumber, columnNumber }) => `${functionName || "?"}:${lineNumber}:${columnNumber}`).join(" < ") ?? "unknown";
    stacks.set(`${what} ${top}`, (stacks.get(`${what} ${top}`) ?? 0) + 1);
  }
  for (const [where, count] of [...stacks].sort((one, other) => other[1] - one[1]).slice(0, 5)) say("", `${count} × ${where}`);
  say("elements", String(after.Nodes));
  return counts;
}

function tellShifts(shifts) {
  const unasked = shifts.filter(({ hadRecentInput }) => !hadRecentInput);
  say("layout shift", unasked.reduce((sum, { value }) => sum + value, 0).toFixed(4));
  for (const { value, where } of unasked.sort((one, other) => other.value - one.value).slice(0, 4)) say("", `${value.toFixed(4)} ${where.slice(0, 3).join(", ")}`);
}

/** Puts the pointer over the list; what follows turns the wheel there as a person in a hurry does. */
async function pointAtList(page) {
  const box = page.locator(testid("session-box"));
  await box.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await box.boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  return async () => {
    const end = performance.now() + SECONDS * 1000;
    for (let turn = 0; performance.now() < end; turn += 1) {
      // Down for most of the time, sometimes up again.
      await page.mouse.wheel(0, turn % 90 < 70 ? 120 : -200);
      await pause(16);
    }
  };
}

/** The heap after what five minutes bring, and the work of the fastest rate that one connection may see. */
async function memory(page, cdp) {
  const heap = async () => {
    await cdp.send("HeapProfiler.collectGarbage");
    const { usedSize } = await cdp.send("Runtime.getHeapUsage");
    return { used: usedSize, ...(await metrics(cdp)) };
  };
  const before = await heap();
  const sent = await crowd.reportAll(HEAP_RATE, pause((HEAP_UPDATES / HEAP_RATE) * 1000));
  const busy = await metrics(cdp);
  const after = await heap();
  console.log(`\nmemory: ${sent} updates, ${HEAP_RATE} a second`);
  say("heap before and after", `${(before.used / 1e6).toFixed(1)} MB, ${(after.used / 1e6).toFixed(1)} MB`);
  say("elements before and after", `${before.Nodes}, ${after.Nodes}`);
  say("listeners before and after", `${before.JSEventListeners}, ${after.JSEventListeners}`);
  say("main thread busy", `${(((busy.TaskDuration - before.TaskDuration) / (busy.Timestamp - before.Timestamp)) * 100).toFixed(0)} %`);
  say("script per update", `${(((busy.ScriptDuration - before.ScriptDuration) * 1e6) / sent).toFixed(0)} µs`);
}

async function metrics(cdp) {
  const { metrics: all } = await cdp.send("Performance.getMetrics");
  return Object.fromEntries(all.map(({ name, value }) => [name, value]));
}
