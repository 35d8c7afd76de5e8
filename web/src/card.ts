import { ConfirmButton } from "./confirm-button";
import { closeButton, h, icon, setAttribute, setClass, setHidden, setStyle, setText } from "./dom";
import type { JsonObject, TerminalEvent } from "../client/src/events.js";
import {
  etaInWords,
  formatDuration,
  formatElapsed,
  formatMoment,
  formatPercent,
  formatValue,
  humanise,
  isolate,
  rowsInWords,
  speedInWords,
} from "./format";
import { endingInBrief, endingView, lostView } from "./outcome";
import { type SessionView, type ViewStatus, isStalled } from "../client/src/session-view.js";
import { CARD as TEXTS } from "./texts";

/** Metadata that the card shows in a place of its own, or computes better itself. */
const PLACED = new Set([
  "filename",
  "title",
  "name",
  "vendor",
  "scan_date",
  "startTime",
  "processing_speed",
  "estimatedCompletion",
  "dry_run",
]);
/** An estimate of the time left is shown for so much longer than it said. */
const REFUTED_AFTER_MS = 5_000;
/** Further metadata that a card has room for. */
const MAX_EXTRAS = 6;

export interface CardActions {
  cancel: () => void;
  close: () => void;
  /** Makes a row a card, or a card a row again. */
  toggle: () => void;
}

/** A card where there are few; among many a row of one line, or a card that can be made a row again. */
export type CardForm = "card" | "row" | "opened";

/** What a session is called: by its file or title, else by its kind. */
export function titleOf({ metadata, operation, sessionId }: SessionView): string {
  for (const key of ["filename", "title", "name"]) {
    const value = metadata[key];
    if (typeof value === "string" && value.trim() !== "") return value;
  }
  return operation ? humanise(operation) : TEXTS.nameless(sessionId.slice(0, 8));
}

/** What kind of work a session is; empty where that is not known. */
export function kindOf({ metadata, operation }: SessionView): string {
  if (operation === null) return "";
  return metadata["dry_run"] === true ? TEXTS.dryRun(humanise(operation)) : humanise(operation);
}

/** Differs where a card may become higher or lower. */
export function outlineOf({ status, resultLeftOut, processedRows, metadata }: SessionView): string {
  return [status, resultLeftOut, processedRows === null, ...Object.keys(metadata)].join();
}

/** How a session ended, in a sentence about it. */
export function endInWords(view: SessionView): string {
  if (view.status === "completed") {
    const found = (view.ending as { summary?: { new_vulnerabilities?: unknown } } | null)?.summary?.new_vulnerabilities;
    return typeof found === "number" ? TEXTS.doneWithNew(found) : TEXTS.done;
  }
  if (view.status === "error") return TEXTS.failed(view.ending ? endingInBrief(view.ending) : "");
  return view.status === "cancelled" ? TEXTS.wasCancelled : TEXTS.forgotten;
}

/** One session on the page: built once, then only changed where something differs. */
export class SessionCard {
  readonly element: HTMLElement;
  #view: SessionView | null = null;
  #ending: TerminalEvent | ViewStatus | null = null;
  /** The values of the extras that are shown, by key. */
  #values = new Map<string, HTMLElement>();

  readonly #name = h("bdi");
  readonly #about = h("p", { class: "subtle about" });
  readonly #badge = h("span", { class: "badge" });
  readonly #percent = h("span", { class: "percent", "aria-hidden": "true" });
  readonly #fill = h("div", { class: "fill" });
  readonly #bar: HTMLElement;
  readonly #step = h("bdi", { class: "step", testid: "current-step" });
  readonly #rows = h("span", { testid: "rows" });
  readonly #speed = h("span", { testid: "speed" });
  readonly #eta = h("span", { class: "eta", testid: "eta" });
  readonly #elapsed = h("span", { testid: "elapsed" });
  readonly #brief = h("p", { class: "brief", testid: "brief" });
  readonly #extras = h("dl", { class: "extras", testid: "extras" });
  readonly #outcome = h("div", { class: "outcome-slot" });
  readonly #cancel: ConfirmButton;
  readonly #close: HTMLButtonElement;
  readonly #toggle: HTMLButtonElement;

  constructor(
    readonly sessionId: string,
    actions: CardActions,
    readonly form: CardForm = "card",
  ) {
    const row = form === "row";
    this.#bar = h(
      "div",
      { class: "bar", testid: "progress-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 },
      this.#fill,
    );
    this.#cancel = new ConfirmButton({
      testid: "cancel",
      // Pictures are what costs most while rows are scrolled through.
      ...(!row && { icon: "stop" as const }),
      ...TEXTS.cancel,
      confirmed: actions.cancel,
    });
    this.#close = closeButton(TEXTS.remove, actions.close);
    this.#toggle = h("button", {
      type: "button",
      class: "icon-button toggle",
      testid: "toggle",
      "aria-expanded": String(!row),
      "aria-label": TEXTS.details,
      title: row ? TEXTS.showDetails : TEXTS.hideDetails,
      onclick: actions.toggle,
    });
    this.#toggle.append(icon("chevron"));
    this.element = h(
      "article",
      { class: row ? "session row" : "card session", testid: "session-card", "data-session-id": sessionId },
      h(
        "header",
        {},
        h("div", { class: "session-title" }, h("h3", {}, h("a", { href: `#/session/${sessionId}`, class: "plain-link" }, this.#name)), this.#about),
        h("div", { class: "session-state" }, this.#badge, this.#percent, form !== "card" && this.#toggle, this.#close),
      ),
      this.#bar,
      h("div", { class: "session-line" }, row ? h("p", { class: "session-facts" }, this.#step, this.#rows, this.#eta) : this.#step, this.#cancel.element),
      !row && h("p", { class: "session-facts" }, this.#elapsed, this.#eta, this.#rows, this.#speed),
      row ? this.#brief : this.#extras,
      !row && this.#outcome,
    );
  }

  /** Shows the session; `now` is the present time of the server's clock. */
  render(view: SessionView, now: number): void {
    if (view === this.#view) return this.tick(now);
    // Another session under the same id: nobody has asked to cancel this one.
    if (view.createdAt !== this.#view?.createdAt) this.setCancelling(false);
    this.#view = view;
    this.#showStatus(view);
    this.#describe(view, now);
    const rows = rowsInWords(view.processedRows, view.totalRows);
    this.#showBar(view, rows);
    setText(this.#step, view.currentStep ?? TEXTS.working);
    setText(this.#rows, rows);
    setText(this.#speed, speedInWords(view.metadata["processing_speed"]));
    if (this.form !== "row") this.#showExtras(view.metadata);
    this.#showEnding(view);
    this.tick(now);
  }

  /** Called every second, since silence is no event. */
  tick(now: number): void {
    const view = this.#view;
    if (!view || view.endedAt !== null) return;
    const stalled = isStalled(view, now);
    setClass(this.element, "stalled", stalled);
    const silence = now - view.lastUpdate;
    // An estimate that silence has refuted says nothing any more.
    const refuted = view.etaSeconds === null || silence > view.etaSeconds * 1000 + REFUTED_AFTER_MS;
    const eta = refuted ? "" : etaInWords(view.etaSeconds!);
    setText(this.#eta, stalled ? TEXTS.noNews(formatElapsed(silence)) : eta);
    setText(this.#elapsed, TEXTS.runningFor(formatElapsed(now - view.createdAt)));
  }

  /** Takes the focus that a card in another form had. */
  focus(): void {
    (this.#close.hidden ? this.#toggle : this.#close).focus();
  }

  focusToggle(): void {
    this.#toggle.focus();
  }

  /** Shows that the request to cancel is on its way, or takes that back. */
  setCancelling(cancelling: boolean): void {
    this.#cancel.setSent(cancelling);
  }

  #describe(view: SessionView, now: number): void {
    const title = titleOf(view);
    const kind = kindOf(view);
    const named = title !== kind;
    setText(this.#name, title);
    setAttribute(this.element, "aria-label", named && kind ? `${kind}: ${isolate(title)}` : isolate(title));
    setAttribute(this.#bar, "aria-label", TEXTS.progressOf(isolate(title)));
    const { vendor, scan_date: scanned, startTime } = view.metadata;
    const started = typeof startTime === "string" ? startTime : new Date(view.createdAt).toISOString();
    const took = view.endedAt === null ? "" : TEXTS.took(formatDuration(view.endedAt - view.createdAt));
    const about = [
      named && kind,
      typeof vendor === "string" && isolate(vendor),
      typeof scanned === "string" && TEXTS.scanned(isolate(scanned)),
      TEXTS.started(isolate(formatMoment(started, now))),
      view.status === "lost" ? "" : took,
    ].filter(Boolean);
    setText(this.#about, about.join(" · "));
  }

  #showStatus({ status }: SessionView): void {
    // A hidden button would drop the keyboard focus to the top of the page.
    const focused = this.#cancel.element.contains(document.activeElement);
    const running = status === "processing";
    setAttribute(this.element, "data-status", status);
    setText(this.#badge, TEXTS.statuses[status]);
    setHidden(this.#close, running);
    setHidden(this.#percent, !running);
    if (running) return this.#cancel.show();
    this.#cancel.hide();
    setClass(this.element, "stalled", false);
    if (focused) this.#close.focus();
  }

  #showBar({ status, progress, totalRows }: SessionView, rows: string): void {
    const unknown = status === "processing" && progress === 0 && totalRows === null;
    setClass(this.element, "unknown-length", unknown);
    // A property set by script is no inline style in the eyes of the content security policy.
    setStyle(this.#fill, "transform", unknown ? "" : `translateX(${progress * 100 - 100}%)`);
    setText(this.#percent, unknown ? "" : formatPercent(progress));
    if (unknown) this.#bar.removeAttribute("aria-valuenow");
    else setAttribute(this.#bar, "aria-valuenow", String(Math.floor(progress * 1000) / 10));
    const said = unknown ? TEXTS.unknownLength : formatPercent(progress);
    setAttribute(this.#bar, "aria-valuetext", rows && status === "processing" ? `${said}, ${rows}` : said);
  }

  #showExtras(metadata: JsonObject): void {
    const extras = Object.entries(metadata)
      .filter(([key, value]) => !PLACED.has(key) && typeof value !== "object")
      .slice(0, MAX_EXTRAS);
    // Mostly the figures are new and what they are is not.
    if (extras.map(([key]) => key).join("\n") !== [...this.#values.keys()].join("\n")) {
      this.#values = new Map(extras.map(([key]) => [key, h("bdi")]));
      this.#extras.replaceChildren(
        ...[...this.#values].map(([key, value]) => h("div", {}, h("dt", {}, h("bdi", {}, humanise(key))), h("dd", {}, value))),
      );
    }
    for (const [key, value] of extras) setText(this.#values.get(key)!, formatValue(value));
  }

  #showEnding({ status, ending, operation }: SessionView): void {
    const shown = status === "lost" ? status : ending;
    if (shown === this.#ending) return;
    this.#ending = shown;
    if (this.form === "row") {
      setText(this.#brief, ending ? endingInBrief(ending) : "");
      return;
    }
    const view = ending && status !== "lost" ? endingView(ending) : status === "lost" ? lostView(operation) : null;
    this.#outcome.replaceChildren(...(view ? [view] : []));
  }
}
