import { closeButton, h, icon, setAttribute, setText } from "./dom";
import type {
  ImportCancelled,
  ImportComplete,
  ImportError,
  ImportProgress,
  JsonObject,
  SessionStatus,
} from "./events";
import { etaInWords, formatPercent, formatTime, humanise, rowsInWords, speedInWords } from "./format";
import { cancelledView, completeView, errorView } from "./outcome";

/** A processing session without news for this long is called stalled, as on the server. */
const STALLED_AFTER_MS = 30_000;

type CardStatus = SessionStatus | "lost";

const STATUS_WORDS: Record<CardStatus, string> = {
  processing: "Running",
  completed: "Done",
  error: "Failed",
  cancelled: "Cancelled",
  lost: "Unknown",
};

/** One session on the page: built once, then only changed where something differs. */
export class SessionCard {
  readonly element: HTMLElement;
  status: CardStatus = "processing";
  progress = 0;
  title = "";
  #lastNewsMs = Date.now();
  #operation: string | null = null;
  #metadata: JsonObject = {};

  readonly #name = h("h3", {});
  readonly #about = h("p", { class: "subtle about" });
  readonly #badge = h("span", { class: "badge" });
  readonly #percent = h("span", { class: "percent", "aria-hidden": "true" });
  readonly #fill = h("div", { class: "fill" });
  readonly #bar: HTMLElement;
  readonly #step = h("span", { class: "step", testid: "current-step" });
  readonly #rows = h("span", { testid: "rows" });
  readonly #speed = h("span", { testid: "speed" });
  readonly #eta = h("span", { class: "eta", testid: "eta" });
  readonly #outcome = h("div", { class: "outcome-slot" });
  readonly #cancel: HTMLButtonElement;
  readonly #close: HTMLButtonElement;

  constructor(
    readonly sessionId: string,
    actions: { cancel: (card: SessionCard) => void; close: (card: SessionCard) => void },
  ) {
    this.#bar = h(
      "div",
      { class: "bar", testid: "progress-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 },
      this.#fill,
    );
    this.#cancel = h(
      "button",
      { type: "button", class: "quiet-button", testid: "cancel", onclick: () => actions.cancel(this) },
      icon("stop"),
      h("span", {}, "Cancel"),
    );
    this.#close = closeButton("Remove this card", () => actions.close(this));
    this.element = h(
      "article",
      { class: "card session", testid: "session-card", "data-session-id": sessionId },
      h(
        "header",
        {},
        h("div", { class: "session-title" }, this.#name, this.#about),
        h("div", { class: "session-state" }, this.#badge, this.#percent, this.#close),
      ),
      this.#bar,
      h(
        "div",
        { class: "session-line" },
        h("p", { class: "session-facts" }, this.#step, this.#rows, this.#speed, this.#eta),
        this.#cancel,
      ),
      this.#outcome,
    );
    this.describe(null, {});
    this.#setStatus("processing");
    this.#showBar(0, true, "");
  }

  get running(): boolean {
    return this.status === "processing";
  }

  /** Takes names from an event's `operation` and `metadata`; what is missing there keeps its old value. */
  describe(operation: string | null, metadata: JsonObject): void {
    this.#operation = operation ?? this.#operation;
    this.#metadata = { ...this.#metadata, ...metadata };
    const { vendor, scan_date: scanned, startTime: started } = this.#metadata;
    const filename = this.#metadata["filename"] ?? this.#metadata["title"];
    const kind = this.#operation ? humanise(this.#operation) : "Work in progress";
    if (typeof filename === "string" && filename !== "") this.title = filename;
    const named = this.title !== "";
    setText(this.#name, named ? this.title : kind);
    setAttribute(this.element, "aria-label", named ? `${kind}: ${this.title}` : kind);
    setAttribute(this.#bar, "aria-label", `Progress of ${named ? this.title : kind}`);
    const about = [
      named && kind,
      typeof vendor === "string" && vendor,
      typeof scanned === "string" && `scanned ${scanned}`,
      typeof started === "string" && `started ${formatTime(started)}`,
    ].filter(Boolean);
    setText(this.#about, about.join(" · "));
  }

  update(event: ImportProgress): void {
    if (!this.running) return;
    this.#lastNewsMs = Date.now();
    this.progress = Math.max(this.progress, event.progress);
    this.describe(event.operation, event.metadata);
    const rows = rowsInWords(event.processed_rows, event.total_rows);
    this.#showBar(this.progress, this.progress === 0 && event.total_rows === null, rows);
    setText(this.#step, event.current_step ?? "Working");
    setText(this.#rows, rows);
    setText(this.#speed, speedInWords(event.metadata["processing_speed"]));
    setText(this.#eta, event.eta_seconds === null ? "" : etaInWords(event.eta_seconds));
    this.element.classList.remove("stalled");
  }

  complete(event: ImportComplete): void {
    this.progress = 1;
    this.#end("completed", completeView(event));
    this.#showBar(1, false, "");
  }

  fail(event: ImportError): void {
    this.#end("error", errorView(event));
  }

  cancelled(event: ImportCancelled): void {
    this.#end("cancelled", cancelledView(event));
  }

  /** The server does not know the session any more, and its end was not seen. */
  lost(): void {
    const text =
      "The server no longer knows this piece of work: it was restarted, or the work ended while this page was not connected. The list of past imports tells more.";
    this.#end("lost", h("div", { class: "outcome" }, h("p", { class: "note" }, text)));
  }

  /** Shows that the request to cancel is on its way, or takes that back. */
  setCancelling(cancelling: boolean): void {
    this.#cancel.disabled = cancelling;
    setText(this.#cancel.lastElementChild!, cancelling ? "Cancelling…" : "Cancel");
  }

  /** Called now and then, since silence is no event. */
  checkStalled(nowMs: number): void {
    if (!this.running || nowMs - this.#lastNewsMs < STALLED_AFTER_MS) return;
    this.element.classList.add("stalled");
    setText(this.#eta, `no news for ${Math.floor((nowMs - this.#lastNewsMs) / 1000)} seconds`);
  }

  #end(status: CardStatus, view: HTMLElement): void {
    // A removed button would drop the keyboard focus to the top of the page.
    const focused = this.#cancel.contains(document.activeElement);
    this.#setStatus(status);
    for (const text of [this.#step, this.#rows, this.#speed, this.#eta]) setText(text, "");
    this.#outcome.replaceChildren(view);
    this.element.classList.remove("stalled");
    if (focused) this.#close.focus();
  }

  #setStatus(status: CardStatus): void {
    this.status = status;
    setAttribute(this.element, "data-status", status);
    setText(this.#badge, STATUS_WORDS[status]);
    this.#cancel.hidden = status !== "processing";
    this.#close.hidden = status === "processing";
    this.#percent.hidden = status !== "processing";
    if (status !== "processing") this.element.classList.remove("unknown-length");
  }

  #showBar(progress: number, unknown: boolean, rows: string): void {
    this.element.classList.toggle("unknown-length", unknown);
    // A property set by script is no inline style in the eyes of the content security policy.
    this.#fill.style.width = `${progress * 100}%`;
    setText(this.#percent, unknown ? "" : formatPercent(progress));
    if (unknown) this.#bar.removeAttribute("aria-valuenow");
    else setAttribute(this.#bar, "aria-valuenow", String(Math.floor(progress * 1000) / 10));
    const said = unknown ? "not known yet" : formatPercent(progress);
    setAttribute(this.#bar, "aria-valuetext", rows ? `${said}, ${rows}` : said);
  }
}
