import { ApiError, type EndedStatus, fetchHistory } from "./api";
import { kindOf, titleOf } from "./card";
import type { WebSocketClient } from "../client/src/client.js";
import type { Session } from "../client/src/events.js";
import { byId, h } from "./dom";
import { formatDuration, formatTime } from "./format";
import { endingInBrief } from "./outcome";
import type { View } from "./router";
import { addressOf } from "./session-page";
import { type SessionView, sessionView } from "../client/src/session-view.js";
import { LatestThrottle } from "../client/src/throttle.js";
import { COMMON, HISTORY as TEXTS } from "./texts";

const PAGE_SIZE = 50;
/** Bursts of ends are answered by one request per this many milliseconds. */
const REFRESH_INTERVAL_MS = 1_000;
/** The server tells an end before it has written it down: the history is read so often until it is there. */
const MAX_READINGS = 10;
const ROUTE = /^#\/history(?:\?(.*))?$/;
const HOUR_MS = 3_600_000;

const SPANS_MS: Record<string, number> = { "1h": HOUR_MS, "24h": 24 * HOUR_MS, "7d": 7 * 24 * HOUR_MS };

/** The address of the history, perhaps of a part of it only. `since` is a span such as "24h", or milliseconds since 1970. */
export function historyAddress({ status = "", since = "" }: { status?: string; since?: string }): string {
  const query = new URLSearchParams({ ...(status && { status }), ...(since && { since }) });
  return query.size > 0 ? `#/history?${query}` : "#/history";
}

/** All sessions that have ended, the newest end first, page by page. */
export class HistoryView implements View {
  readonly element = byId("history-page");
  readonly title = TEXTS.title;
  /** The present time by the server's clock. */
  readonly #now: () => number;
  readonly #status = h("select", { testid: "history-status" });
  readonly #since = h("select", { testid: "history-since" });
  readonly #body = h("tbody", { role: "rowgroup" });
  readonly #frame: HTMLElement;
  readonly #message = h("div", { class: "table-message", testid: "history-message", role: "status" });
  readonly #more = h("button", { type: "button", class: "quiet-button", testid: "history-more" }, TEXTS.more);
  readonly #refresh = new LatestThrottle<null>(REFRESH_INTERVAL_MS, () => {
    if (this.#isOpen) void this.#read("newer");
  });
  #isOpen = false;
  /** Which sessions are shown, by id and creation: ids may be used again. */
  #shown = new Set<string>();
  /** Sessions whose end was told and is not in the history yet, and how often that is still read for them. */
  readonly #awaited = new Map<string, number>();
  #next: string | null = null;
  #request = 0;

  constructor(client: WebSocketClient, now: () => number) {
    this.#now = now;
    this.#status.append(...Object.entries({ "": COMMON.all, ...TEXTS.statuses }).map(([value, words]) => h("option", { value }, words)));
    this.#since.append(...Object.entries(TEXTS.spans).map(([value, words]) => h("option", { value }, words)));
    for (const select of [this.#status, this.#since]) {
      select.addEventListener("change", () => {
        // The address says what is shown, so that it can be passed on.
        history.replaceState(history.state, "", historyAddress({ status: this.#status.value, since: this.#since.value }));
        void this.#read("anew");
      });
    }
    this.#more.addEventListener("click", () => void this.#read("older"));
    this.#frame = tableOf(this.#body);
    this.element.append(
      h("div", { class: "section-head" }, h("h2", { tabindex: -1 }, TEXTS.title)),
      h("p", { class: "subtle lead" }, TEXTS.lead),
      h(
        "div",
        { class: "card table-card" },
        h(
          "div",
          { class: "filters", role: "search", "aria-label": TEXTS.filters },
          h("label", { class: "field" }, h("span", {}, TEXTS.columns.status), this.#status),
          h("label", { class: "field wide" }, h("span", {}, TEXTS.since), this.#since),
        ),
        this.#frame,
        this.#message,
        h("div", { class: "pager" }, this.#more),
      ),
    );
    this.#showMessage(COMMON.loading);
    for (const event of ["import_complete", "import_error", "import_cancelled"] as const) {
      client.subscribe(event, ({ sessionId, status }) => {
        if (!this.#isOpen) return;
        if (this.#status.value === "" || this.#status.value === status) this.#awaited.set(sessionId, MAX_READINGS);
        this.#refresh.push("", null);
      });
    }
    client.subscribe("session_list", () => this.#refresh.push("", null));
  }

  match(hash: string): string | null {
    const match = ROUTE.exec(hash);
    return match && (match[1] ?? "");
  }

  open(query: string): void {
    const wanted = new URLSearchParams(query);
    const [status, since] = [this.#status.value, this.#since.value];
    this.#isOpen = true;
    select(this.#status, wanted.get("status") ?? "");
    this.#chooseSince(wanted.get("since") ?? "");
    const isSame = this.#shown.size > 0 && status === this.#status.value && since === this.#since.value;
    // Whoever comes back from a session finds the list as it was.
    void this.#read(isSame ? "newer" : "anew");
  }

  close(): void {
    this.#isOpen = false;
  }

  /** A time that the list of spans does not have gets an entry of its own. */
  #chooseSince(since: string): void {
    const known = [...this.#since.options].some(({ value }) => value === since);
    const ms = Number(since);
    if (!known && Number.isSafeInteger(ms) && ms > 0) {
      this.#since.append(h("option", { value: since }, TEXTS.sinceThen(formatTime(new Date(ms).toISOString()))));
    }
    select(this.#since, since);
  }

  /** Reads everything anew, or what has ended since, or what ended before. */
  async #read(what: "anew" | "newer" | "older"): Promise<void> {
    this.#request += 1;
    const request = this.#request;
    const span = this.#since.value;
    const since = SPANS_MS[span] === undefined ? Number(span) : Math.max(0, this.#now() - SPANS_MS[span]);
    const status = this.#status.value as EndedStatus | "";
    const cursor = what === "older" ? (this.#next ?? "") : "";
    try {
      const page = await fetchHistory({ status, since: since > 0 ? Math.floor(since) : "", limit: PAGE_SIZE, cursor });
      // Answers can overtake each other; only the latest question counts.
      if (request === this.#request) this.#show(what, page.sessions, page.next);
    } catch (error) {
      if (request === this.#request) this.#fail(error instanceof ApiError ? error.message : String(error), what);
    }
  }

  #show(what: "anew" | "newer" | "older", sessions: Session[], next: string | null): void {
    const fresh = sessions.filter((session) => !this.#shown.has(keyOf(session)));
    // More have ended than a page holds: what lies between is not known.
    const gap = what === "newer" && fresh.length === sessions.length && next !== null;
    if (what === "anew" || gap) {
      this.#body.replaceChildren();
      this.#shown.clear();
    }
    const added = what === "newer" && !gap ? fresh : sessions;
    const rows = added.map((session) => rowOf(sessionView(session)));
    if (what === "older") this.#body.append(...rows);
    else this.#body.prepend(...rows);
    for (const session of added) this.#shown.add(keyOf(session));
    if (what !== "newer" || gap) this.#next = next;
    if (what !== "older") this.#awaitOthers(sessions);
    const focused = document.activeElement === this.#more;
    this.#more.hidden = this.#next === null;
    if (focused && this.#more.hidden) rows[0]?.querySelector("a")?.focus();
    const none = this.#shown.size === 0;
    const isFiltered = this.#status.value !== "" || this.#since.value !== "";
    this.#frame.hidden = none;
    if (!none) this.#showMessage("");
    else if (isFiltered) this.#showMessage(TEXTS.noMatch);
    else this.#showMessage(h("p", { class: "empty-title" }, TEXTS.empty), h("p", {}, TEXTS.emptyHint));
  }

  #awaitOthers(sessions: Session[]): void {
    for (const { sessionId } of sessions) this.#awaited.delete(sessionId);
    for (const [sessionId, readings] of this.#awaited) {
      if (readings > 1) this.#awaited.set(sessionId, readings - 1);
      else this.#awaited.delete(sessionId);
    }
    if (this.#awaited.size > 0) this.#refresh.push("", null);
  }

  #fail(reason: string, what: "anew" | "newer" | "older"): void {
    const again = h("button", { type: "button", class: "quiet-button", onclick: () => void this.#read(what) }, COMMON.again);
    this.#showMessage(h("p", {}, TEXTS.failed(reason)), again);
  }

  #showMessage(...content: (Node | string)[]): void {
    this.#message.hidden = content.every((part) => part === "");
    this.#message.replaceChildren(...content);
    // Something to press and a failure do not stand beside each other.
    this.#more.parentElement!.hidden = this.#more.hidden || !this.#message.hidden;
  }
}

function keyOf({ sessionId, createdAt }: Session): string {
  return `${sessionId} ${createdAt}`;
}

/** Chooses an option, or the first one where there is none of that value. */
function select(element: HTMLSelectElement, value: string): void {
  element.value = value;
  if (element.selectedIndex < 0) element.selectedIndex = 0;
}

/** The markup carries explicit roles, because on phones the rows are laid out as blocks. */
function tableOf(body: HTMLElement): HTMLElement {
  const heads = Object.values(TEXTS.columns).map((title) => h("th", { scope: "col", role: "columnheader" }, title));
  const table = h(
    "table",
    { testid: "history-table", role: "table" },
    h("caption", { class: "visually-hidden" }, TEXTS.table),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads)),
    body,
  );
  table.hidden = true;
  return table;
}

function rowOf(view: SessionView): HTMLElement {
  const { sessionId, status, createdAt, endedAt, ending } = view;
  const kind = kindOf(view);
  const title = titleOf(view);
  const link = h("a", { href: addressOf(sessionId), class: "plain-link main-text" }, h("bdi", {}, title));
  const badge = h("span", { class: "badge", "data-kind": status }, TEXTS.statuses[status as EndedStatus] ?? status);
  const outcome = ending ? endingInBrief(ending) : "";
  const columns = TEXTS.columns;
  const cell = (label: string | undefined, kindOfCell: string, ...content: (Node | string | false)[]): HTMLElement =>
    h("td", { role: "cell", class: kindOfCell, "data-label": label ?? null }, ...content);
  const row = h(
    "tr",
    { role: "row", testid: "history-row", "data-session-id": sessionId, "data-status": status },
    cell(undefined, "main-cell", link, kind !== "" && kind !== title && h("bdi", { class: "subtle" }, kind)),
    cell(columns.status, "status-cell", badge),
    cell(columns.ended, "time-cell", formatTime(new Date(endedAt ?? createdAt).toISOString())),
    cell(columns.took, "time-cell", formatDuration((endedAt ?? createdAt) - createdAt)),
    cell(columns.outcome, "result-cell", outcome !== "" && h("bdi", { class: "brief-outcome" }, outcome)),
  );
  return row;
}
