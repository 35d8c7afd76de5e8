// Reads a trace of Chromium: what the main thread of the page was busy with.

/** Events that are not what they seem: they only wrap others. */
const WRAPPERS = new Set(["RunTask", "ThreadControllerImpl::RunTask", "ThreadPool_RunTask"]);

/** Kinds of work, by the names of events. */
const KINDS = {
  script: /^(FunctionCall|EvaluateScript|v8\.|V8\.|RunMicrotasks|TimerFire|FireAnimationFrame|EventDispatch|WebSocketReceive|XHR)/,
  style: /^(UpdateLayoutTree|ParseAuthorStyleSheet|RecalculateStyles)/,
  layout: /^(Layout|IntersectionObserver|HitTest)/,
  paint: /^(Paint|PrePaint|Layerize|Commit|UpdateLayer|CompositeLayers|RasterTask|Decode)/,
  garbage: /^(MinorGC|MajorGC|BlinkGC|V8\.GC)/,
};

/** The main thread that did most in `events`. */
function mainThread(events) {
  const names = new Map(events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(({ pid, tid }) => [`${pid}/${tid}`, 0]));
  for (const { ph, pid, tid, dur = 0 } of events) {
    const key = `${pid}/${tid}`;
    if (ph === "X" && names.has(key)) names.set(key, names.get(key) + dur);
  }
  return [...names].sort((one, other) => other[1] - one[1])[0]?.[0];
}

const kindOf = (name) => Object.keys(KINDS).find((kind) => KINDS[kind].test(name)) ?? "other";

/**
 * Times in milliseconds. `tasks` are those of the main thread with what they
 * were made of, longest first by the time that the processor gave to them;
 * `wall` has passed meanwhile. `self` is the time by kind of work; `forced`
 * are layouts that a script has asked for.
 */
export function readTrace({ traceEvents }) {
  const main = mainThread(traceEvents);
  const events = traceEvents
    .filter(({ ph, pid, tid }) => ph === "X" && `${pid}/${tid}` === main)
    .sort((one, other) => one.ts - other.ts || (other.dur ?? 0) - (one.dur ?? 0));
  const self = Object.fromEntries([...Object.keys(KINDS), "other"].map((kind) => [kind, 0]));
  const counts = {};
  const tasks = [];
  const forced = [];
  const stack = [];
  const close = (ts) => {
    while (stack.length > 0 && stack.at(-1).end <= ts) {
      const { event, inner, kind } = stack.pop();
      const own = Math.max(0, cpu(event) - inner);
      self[kind] += own;
      const task = stack.find(({ task }) => task)?.task;
      if (task) task.parts[event.name] = (task.parts[event.name] ?? 0) + own;
    }
  };
  for (const event of events) {
    close(event.ts);
    const inScript = stack.some(({ event: { name } }) => name === "FunctionCall" || name === "RunMicrotasks");
    const isTask = WRAPPERS.has(event.name) && !stack.some(({ task }) => task);
    const parent = stack.at(-1);
    if (parent) parent.inner += cpu(event);
    // What a wrapper does itself belongs to what it wraps, or is unknown.
    const kind = event.name === "FunctionCall" || !WRAPPERS.has(event.name) ? kindOf(event.name) : "other";
    const task = isTask ? { at: event.ts, wall: (event.dur ?? 0) / 1000, cpu: cpu(event), parts: {} } : null;
    if (task) tasks.push(task);
    counts[event.name] = (counts[event.name] ?? 0) + 1;
    if (inScript && (event.name === "Layout" || event.name === "UpdateLayoutTree")) {
      forced.push({ name: event.name, ms: cpu(event), stack: event.args?.beginData?.stackTrace ?? event.args?.stackTrace ?? null });
    }
    stack.push({ event, end: event.ts + (event.dur ?? 0), inner: 0, kind, task });
  }
  close(Number.POSITIVE_INFINITY);
  tasks.sort((one, other) => other.cpu - one.cpu);
  return { tasks, self, counts, forced };
}

/** Without the time that other programs took from it. */
function cpu({ tdur, dur = 0 }) {
  return (tdur ?? dur) / 1000;
}
