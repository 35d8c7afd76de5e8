import { ApiError, fetchFigures, type ServerFigures } from "./api";
import { byId, h, setText, svg } from "./dom";
import { formatBytes, formatClock, formatCount, formatDecimal, formatDuration, formatElapsed } from "./format";
import type { View } from "./router";
import { type Reading, Readings } from "./server-figures";
import { FORMAT, SERVER as TEXTS } from "./texts";

const READ_EVERY_MS = 5_000;

interface Figure {
  value: HTMLElement;
  note: HTMLElement;
  curve: HTMLElement;
  element: HTMLElement;
}

/** What the server counts, for admins: read anew as long as somebody looks. */
export class ServerPage implements View {
  readonly element = byId("server-page");
  readonly title = TEXTS.title;
  readonly #readings = new Readings();
  readonly #lead = h("p", { class: "subtle lead" });
  readonly #status = h("p", { class: "subtle", testid: "server-status" }, TEXTS.reading);
  readonly #content = h("div", { class: "server-content", testid: "server-content" });
  readonly #figures: Record<keyof typeof TEXTS.figures, Figure>;
  readonly #limits = h("div", { testid: "server-limits" });
  readonly #disconnects = h("div", { testid: "server-disconnects" });
  readonly #panics = h("p", { class: "note", testid: "server-panics" });
  #isOpen = false;
  #isReading = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor() {
    const figures = Object.entries(TEXTS.figures).map(([name, label]) => [name, figure(name, label)] as const);
    this.#figures = Object.fromEntries(figures) as Record<keyof typeof TEXTS.figures, Figure>;
    this.#content.hidden = true;
    this.#content.append(
      h("dl", { class: "figures server-figures" }, ...figures.map(([, { element }]) => element)),
      this.#panics,
      h(
        "div",
        { class: "server-tables" },
        h("section", { class: "card" }, h("h3", { class: "section-title" }, TEXTS.limits), this.#limits),
        h("section", { class: "card" }, h("h3", { class: "section-title" }, TEXTS.disconnects), this.#disconnects),
      ),
    );
    this.element.append(
      h("div", { class: "section-head" }, h("h2", { tabindex: -1 }, TEXTS.title), this.#lead),
      this.#status,
      this.#content,
    );
    document.addEventListener("visibilitychange", () => this.#goOn());
  }

  match(hash: string): string | null {
    return hash === "#/server" ? "" : null;
  }

  open(): void {
    this.#isOpen = true;
    this.#goOn();
  }

  close(): void {
    this.#isOpen = false;
    this.#goOn();
  }

  /** Reads now and from now on, or stops where nobody looks. */
  #goOn(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#isLookedAt && !this.#isReading) void this.#read();
  }

  get #isLookedAt(): boolean {
    return this.#isOpen && document.visibilityState === "visible";
  }

  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      this.#show(this.#readings.add(await fetchFigures(), Date.now()));
    } catch (error) {
      this.#complain(error);
    }
    this.#isReading = false;
    if (this.#isLookedAt) this.#timer = setTimeout(() => void this.#read(), READ_EVERY_MS);
  }

  #complain(error: unknown): void {
    const code = error instanceof ApiError ? error.code : "";
    const { last } = this.#readings;
    // Who may not read them any more is shown nothing of them.
    const isRefused = code === "FORBIDDEN" || code === "AUTH_REQUIRED";
    this.#content.hidden = isRefused || last === null;
    this.#content.classList.add("old");
    const problem = isRefused ? TEXTS.forbidden : TEXTS.unread(error instanceof ApiError ? error.message : String(error));
    setText(this.#status, isRefused || last === null ? problem : `${problem} ${TEXTS.old(formatClock(last.at))}`);
  }

  #show({ at, figures, rates }: Reading): void {
    this.#content.hidden = false;
    this.#content.classList.remove("old");
    setText(this.#lead, TEXTS.lead(figures.version));
    setText(this.#status, TEXTS.read(formatClock(at)));
    const { now, memory, loop, packets_in: packetsIn, packets_out: packetsOut } = figures;
    const perSecond = (value: number | undefined): string => (value === undefined ? "–" : TEXTS.perSecond(formatDecimal(value)));
    this.#say("clients", formatCount(now.sockets), TEXTS.transports(now.websockets, now.polling));
    this.#say("sessions", formatCount(now.progress_sessions), TEXTS.queued(formatBytes(now.queued_bytes)));
    this.#say("uptime", formatElapsed(figures.uptime_ms), TEXTS.reconnections(figures.reconnections));
    const left = memory.available_mb === null ? "" : TEXTS.memoryLeft(memory.available_mb);
    this.#say("memory", memory.used_mb === null ? "–" : TEXTS.memory(memory.used_mb), left);
    this.#say("eventsIn", perSecond(rates?.eventsIn), TEXTS.sinceStart(packetsIn.events));
    this.#say("eventsOut", perSecond(rates?.eventsOut), TEXTS.sinceStart(packetsOut.events));
    const traffic = rates ? TEXTS.perSecond(formatBytes(rates.bytesIn + rates.bytesOut)) : "–";
    this.#say("traffic", traffic, rates ? TEXTS.traffic(formatBytes(rates.bytesIn), formatBytes(rates.bytesOut)) : TEXTS.soon);
    const lag = rates?.lagMs ?? null;
    this.#say("lag", lag === null ? (rates ? TEXTS.idle : "–") : smallTime(lag), TEXTS.lagMax(smallTime(loop.lag_us.max / 1000)));
    this.#draw();
    this.#limits.replaceChildren(counts(figures.limits, TEXTS.noLimits));
    this.#disconnects.replaceChildren(counts(figures.disconnects, TEXTS.noDisconnects));
    setText(this.#panics, loop.panics > 0 ? TEXTS.panics(loop.panics) : "");
  }

  #say(name: keyof typeof TEXTS.figures, value: string, note: string): void {
    setText(this.#figures[name].value, value);
    setText(this.#figures[name].note, note);
  }

  #draw(): void {
    const memory = this.#readings.series(({ figures }) => figures.memory.used_mb);
    const events = this.#readings.series(({ rates }) => rates && rates.eventsOut);
    const first = memory[0] ?? 0;
    const words = TEXTS.memoryCurve(TEXTS.memory(first), TEXTS.memory(memory.at(-1) ?? first));
    // Memory is judged by its changes, events by how many there are.
    this.#figures.memory.curve.replaceChildren(curve(memory, Math.min(...memory), words));
    this.#figures.eventsOut.curve.replaceChildren(curve(events, 0, TEXTS.eventsCurve(formatDecimal(Math.max(0, ...events)))));
  }
}

function figure(name: string, label: string): Figure {
  const value = h("span", { class: "server-value", testid: `server-${name}` }, "–");
  const note = h("span", { class: "subtle" });
  const line = h("span", { class: "spark" });
  return { value, note, curve: line, element: h("div", { class: "figure" }, h("dt", {}, label), h("dd", {}, value, note, line)) };
}

/** A line through the values, evenly spaced; nothing where there are less than two. */
function curve(values: number[], least: number, words: string): Node {
  if (values.length < 2) return document.createTextNode("");
  const span = Math.max(...values) - least || 1;
  const points = values.map((value, index) => `${((index / (values.length - 1)) * 100).toFixed(1)},${(22 - ((value - least) / span) * 20).toFixed(1)}`);
  const root = svg("svg", { viewBox: "0 0 100 24", preserveAspectRatio: "none", role: "img", "aria-label": words });
  root.append(svg("polyline", { points: points.join(" ") }));
  return root;
}

/** Counts by name, the largest first; those of nothing are left out. */
function counts(all: ServerFigures["limits"], none: string): HTMLElement {
  const known = Object.entries(all).filter(([, count]) => count > 0);
  if (known.length === 0) return h("p", { class: "subtle" }, none);
  known.sort(([, one], [, other]) => other - one);
  return h("dl", { class: "details" }, ...known.map(([name, count]) => h("div", {}, h("dt", {}, name), h("dd", {}, formatCount(count)))));
}

/** Delays of a loop are far below what others take: "0.4 ms". */
function smallTime(ms: number): string {
  return ms < 10 ? `${formatDecimal(ms)} ${FORMAT.ms}` : formatDuration(ms);
}
