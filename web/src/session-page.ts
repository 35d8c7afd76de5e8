import { SessionCard, titleOf } from "./card";
import type { WebSocketClient } from "../client/src/client.js";
import { copyButton } from "./copy";
import { byId, h, setText } from "./dom";
import { formatDuration, formatTime, humanise, isolate } from "./format";
import { definitionList } from "./outcome";
import type { LogEntry, Point, SessionLog } from "./session-log";
import type { SessionStore } from "../client/src/session-store.js";
import type { SessionView } from "../client/src/session-view.js";

const TICK_MS = 1_000;
const SVG = "http://www.w3.org/2000/svg";
const ROUTE = /^#\/session\/([0-9a-f-]{36})$/i;

export interface SessionPageActions {
  cancel: (sessionId: string) => Promise<void>;
  /** Asks for the result that a list has left out. */
  fill: (sessionId: string) => void;
  /** The address has changed: the page's title follows. */
  moved: () => void;
}

/** The address of a session's own page. */
export function addressOf(sessionId: string): string {
  return `#/session/${sessionId}`;
}

/** One session on a page with an address of its own: everything that is known of it. */
export class SessionPage {
  readonly #client: WebSocketClient;
  readonly #store: SessionStore;
  readonly #log: SessionLog;
  readonly #actions: SessionPageActions;
  readonly #overview = byId("overview");
  readonly #page = byId("session-page");
  #shown: string | null = null;
  #card: SessionCard | null = null;
  #curve = h("div", { class: "curve", testid: "curve" });
  #facts = h("div", { testid: "session-details" });
  #entries = h("ol", { class: "log", testid: "session-log" });
  #missing = h("p", { class: "card empty", testid: "session-missing", role: "status" });

  constructor(client: WebSocketClient, store: SessionStore, log: SessionLog, actions: SessionPageActions) {
    this.#client = client;
    this.#store = store;
    this.#log = log;
    this.#actions = actions;
    window.addEventListener("hashchange", () => this.#route(true));
    store.subscribe((changed) => {
      if (this.#shown !== null && changed.has(this.#shown)) this.#render();
    });
    client.subscribe("session_lost", ({ sessionId }) => {
      if (sessionId === this.#shown) this.#render(true);
    });
    setInterval(() => this.#card?.tick(store.now()), TICK_MS);
    this.#route(false);
  }

  /** The session that has the page to itself, if one has. */
  get view(): SessionView | undefined {
    return this.#shown === null ? undefined : this.#store.get(this.#shown);
  }

  #route(byHand: boolean): void {
    const sessionId = ROUTE.exec(location.hash)?.[1]?.toLowerCase() ?? null;
    if (sessionId === this.#shown) return;
    const before = this.#shown;
    this.#shown = sessionId;
    this.#overview.hidden = sessionId !== null;
    this.#page.hidden = sessionId === null;
    this.#card = null;
    this.#page.replaceChildren();
    if (sessionId !== null) this.#open(sessionId);
    this.#actions.moved();
    if (!byHand) return;
    window.scrollTo(0, 0);
    const link = before === null ? null : document.querySelector<HTMLElement>(`a[href="${addressOf(before)}"]`);
    (sessionId === null ? (link ?? byId("main")) : this.#page.querySelector<HTMLElement>("h2"))?.focus();
  }

  #open(sessionId: string): void {
    const address = `${location.origin}${location.pathname}${addressOf(sessionId)}`;
    const actions = {
      cancel: () => void this.#actions.cancel(sessionId).then(() => card.setCancelling(false)),
      close: () => {
        this.#store.remove(sessionId);
        location.hash = "";
      },
      toggle: () => {},
    };
    const card = new SessionCard(sessionId, actions);
    this.#card = card;
    this.#page.append(
      h(
        "div",
        { class: "section-head" },
        h("h2", { tabindex: -1 }, "Session"),
        h("a", { href: "#", class: "quiet-button", testid: "back" }, "All sessions"),
      ),
      this.#missing,
      h(
        "div",
        { class: "session-columns", testid: "session-columns" },
        h("div", { class: "session-main" }, card.element, this.#section("Progress", this.#curve)),
        h(
          "div",
          { class: "session-side" },
          this.#section(
            "Details",
            this.#facts,
            h("p", { class: "copies" }, copyButton("Copy the id", sessionId), copyButton("Copy the link", address)),
          ),
          this.#section("What this page has seen", this.#entries),
        ),
      ),
    );
    this.#render();
    // It may be none of the listed ones, and what it does from now on is wanted too.
    if (this.#store.get(sessionId)?.endedAt === undefined) this.#client.trackImportProgress(sessionId);
  }

  #section(title: string, ...content: HTMLElement[]): HTMLElement {
    return h("section", { class: "card" }, h("h3", { class: "section-title" }, title), ...content);
  }

  #render(lost = false): void {
    const { view } = this;
    const columns = this.#page.querySelector<HTMLElement>(".session-columns")!;
    columns.hidden = !view;
    this.#missing.hidden = view !== undefined;
    setText(this.#missing, lost ? "The server does not know this session, or not any more." : "Looking for the session…");
    if (!view) return;
    this.#card?.render(view, this.#store.now());
    if (view.resultLeftOut) this.#actions.fill(view.sessionId);
    this.#facts.replaceChildren(definitionList(detailsOf(view), 100));
    this.#curve.replaceChildren(curveOf(this.#log.points(view.sessionId), view));
    this.#entries.replaceChildren(...this.#log.entries(view.sessionId).map(entryLine).reverse());
    this.#actions.moved();
  }

  /** For the title of the tab. */
  get title(): string | null {
    return this.view ? isolate(titleOf(this.view)) : null;
  }
}

function detailsOf(view: SessionView): [string, unknown][] {
  const { sessionId, operation, createdAt, lastUpdate, endedAt, metadata } = view;
  const times: [string, unknown][] = [
    ["started", formatTime(new Date(createdAt).toISOString())],
    ["last news", formatTime(new Date(lastUpdate).toISOString())],
  ];
  if (endedAt !== null) times.push(["took", formatDuration(endedAt - createdAt)]);
  const kind: [string, unknown][] = operation === null ? [] : [["kind", humanise(operation)]];
  return [["id", sessionId], ...kind, ...times, ...Object.entries(metadata)];
}

function entryLine({ at, text }: LogEntry): HTMLElement {
  const iso = new Date(at).toISOString();
  const time = h("time", { datetime: iso }, new Date(at).toLocaleTimeString("en-GB"));
  return h("li", {}, time, " ", h("bdi", {}, text));
}

/** The progress that this page has seen, over time. */
function curveOf(points: readonly Point[], view: SessionView): Element {
  if (points.length < 2) return h("p", { class: "subtle" }, "A curve appears as soon as there is progress to see.");
  const from = Math.min(view.createdAt, points[0]!.at);
  const span = Math.max(1, points.at(-1)!.at - from);
  const place = ({ at, progress }: Point): string => `${(((at - from) / span) * 300).toFixed(1)},${(98 - progress * 96).toFixed(1)}`;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 300 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Progress over time");
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.map(place).join(" "));
  svg.append(line);
  return svg;
}
