import { ApiError, type Change, fetchRecord } from "./api";
import { SessionCard, kindOf, titleOf } from "./card";
import type { WebSocketClient } from "../client/src/client.js";
import { copyButton } from "./copy";
import { byId, h, setText, svg } from "./dom";
import { formatClock, formatDuration, formatTime, isolate, rowsInWords } from "./format";
import { definitionList } from "./outcome";
import { type LogEntry, type Point, type SessionLog, joined } from "./session-log";
import type { SessionStore } from "../client/src/session-store.js";
import { type SessionView, sessionView } from "../client/src/session-view.js";
import type { View } from "./router";
import { COMMON, SESSION as TEXTS } from "./texts";

const TICK_MS = 1_000;
const ROUTE = /^#\/session\/([0-9a-f-]{36})$/i;
/** Two times of creation that are so near are those of one session: events tell it less exactly. */
const SAME_SESSION_MS = 1_000;

export interface SessionPageActions {
  cancel: (sessionId: string) => Promise<void>;
  /** Asks for the result that a list has left out. */
  fill: (sessionId: string) => void;
  /** Something about the session has changed: the page's title follows. */
  changed: () => void;
}

/** The address of a session's own page. */
export function addressOf(sessionId: string): string {
  return `#/session/${sessionId}`;
}

/** A session as the server has kept it. */
interface Kept {
  view: SessionView;
  changes: readonly Change[];
}

/** One session on a page with an address of its own: everything that is known of it. */
export class SessionPage implements View {
  readonly element = byId("session-page");
  readonly #client: WebSocketClient;
  readonly #store: SessionStore;
  readonly #log: SessionLog;
  readonly #actions: SessionPageActions;
  #shown: string | null = null;
  #card: SessionCard | null = null;
  #kept: Kept | null = null;
  /** Why there is nothing kept. */
  #problem: string | null = null;
  /** There was no connection since the session was read. */
  #isBehind = false;
  readonly #columns = h("div", { class: "session-columns", testid: "session-columns" });
  readonly #curve = h("div", { class: "curve", testid: "curve" });
  readonly #facts = h("div", { testid: "session-details" });
  readonly #entries = h("ol", { class: "log", testid: "session-log", tabindex: 0, "aria-label": TEXTS.happened });
  readonly #note = h("p", { class: "subtle" }, TEXTS.seenOnly);
  readonly #missing = h("p", { class: "card empty", testid: "session-missing", role: "status" });

  constructor(client: WebSocketClient, store: SessionStore, log: SessionLog, actions: SessionPageActions) {
    this.#client = client;
    this.#store = store;
    this.#log = log;
    this.#actions = actions;
    store.subscribe((changed) => {
      if (this.#shown !== null && changed.has(this.#shown)) this.#render();
    });
    // What the server has kept is read anew where another session has begun under the id, or something may have been missed.
    client.subscribe("session_created", ({ sessionId }) => {
      if (sessionId === this.#shown) void this.#read();
    });
    client.subscribe("connection_changed", ({ state }) => {
      if (state === "reconnecting" || state === "offline") this.#isBehind = true;
    });
    client.subscribe("session_list", () => {
      if (this.#shown !== null && this.#isBehind) void this.#read();
      this.#isBehind = client.connection.state !== "connected";
    });
    setInterval(() => this.#card?.tick(store.now()), TICK_MS);
  }

  match(hash: string): string | null {
    return ROUTE.exec(hash)?.[1]?.toLowerCase() ?? null;
  }

  /** The session that has the page to itself, if one has: live, or as it was kept. */
  get view(): SessionView | undefined {
    if (this.#shown === null) return undefined;
    const live = this.#store.get(this.#shown);
    return live && !this.#isKeptBetter(live) ? live : (this.#kept?.view ?? live);
  }

  /** For the title of the tab. */
  get title(): string | null {
    return this.view ? isolate(titleOf(this.view)) : null;
  }

  close(): void {
    this.#shown = null;
    this.#card = null;
    this.#kept = null;
    this.element.replaceChildren();
  }

  open(sessionId: string): void {
    const address = `${location.href.replace(/#.*$/, "")}${addressOf(sessionId)}`;
    const actions = {
      cancel: () => void this.#actions.cancel(sessionId).then(() => card.setCancelling(false)),
      close: () => {
        this.#store.remove(sessionId);
        location.hash = "";
      },
      toggle: () => {},
    };
    const card = new SessionCard(sessionId, actions);
    this.#shown = sessionId;
    this.#card = card;
    this.#problem = null;
    this.#columns.replaceChildren(
      h("div", { class: "session-main" }, card.element, this.#section(TEXTS.progress, this.#curve)),
      h(
        "div",
        { class: "session-side" },
        this.#section(
          TEXTS.details,
          this.#facts,
          h("p", { class: "copies" }, copyButton(TEXTS.copyId, sessionId), copyButton(TEXTS.copyLink, address)),
        ),
        this.#section(TEXTS.happened, this.#note, this.#entries),
      ),
    );
    this.element.replaceChildren(
      h(
        "div",
        { class: "section-head" },
        h("h2", { tabindex: -1 }, COMMON.session),
        h("a", { href: "#", class: "quiet-button", testid: "back" }, TEXTS.all),
      ),
      this.#missing,
      this.#columns,
    );
    this.#render();
    void this.#read();
    // It may be none of the listed ones, and what it does from now on is wanted too.
    if (this.#store.get(sessionId)?.endedAt === undefined) this.#client.trackImportProgress(sessionId);
  }

  #section(title: string, ...content: HTMLElement[]): HTMLElement {
    return h("section", { class: "card" }, h("h3", { class: "section-title" }, title), ...content);
  }

  /** Reads what the server has kept of the session. */
  async #read(): Promise<void> {
    const sessionId = this.#shown!;
    let kept: Kept | null = null;
    let problem: string | null = null;
    try {
      const { session, changes } = await fetchRecord(sessionId);
      kept = { view: sessionView(session), changes };
    } catch (error) {
      const isUnknown = error instanceof ApiError && error.code === "SESSION_NOT_FOUND";
      problem = isUnknown ? TEXTS.unknown : TEXTS.unread(error instanceof ApiError ? error.message : String(error));
    }
    if (sessionId !== this.#shown) return;
    this.#problem = problem;
    if (kept || problem === TEXTS.unknown) this.#kept = kept;
    this.#render();
  }

  /** Whether the server tells more of a session than this page has seen. */
  #isKeptBetter(live: SessionView): boolean {
    const kept = this.#kept?.view;
    if (!kept || kept.endedAt === null) return false;
    // A later session under the same id is only known live.
    if (live.createdAt > kept.createdAt + SAME_SESSION_MS && live.createdAt > kept.endedAt) return false;
    return live.status === "lost" || live.resultLeftOut;
  }

  #render(): void {
    const { view } = this;
    this.#columns.hidden = !view;
    this.#missing.hidden = view !== undefined;
    setText(this.#missing, this.#problem ?? TEXTS.looking);
    if (!view) return;
    this.#card?.render(view, this.#store.now());
    if (view.resultLeftOut) this.#actions.fill(view.sessionId);
    this.#facts.replaceChildren(definitionList(detailsOf(view), 100));
    const isSame = this.#kept !== null && Math.abs(this.#kept.view.createdAt - view.createdAt) <= SAME_SESSION_MS;
    const story = joined(isSame ? this.#kept!.changes : [], this.#log.story(view.sessionId));
    this.#note.hidden = isSame || this.#problem === null;
    this.#curve.replaceChildren(curveOf(story.points, view));
    this.#entries.replaceChildren(...story.entries.map(entryLine).reverse());
    this.#actions.changed();
  }
}

function detailsOf(view: SessionView): [string, unknown][] {
  const { sessionId, operation, createdAt, lastUpdate, endedAt, metadata, currentStep } = view;
  const moment = (ms: number): string => formatTime(new Date(ms).toISOString());
  const rows = rowsInWords(view.processedRows, view.totalRows);
  const facts: [string, unknown][] = [[TEXTS.facts.id, sessionId]];
  if (operation !== null) facts.push([TEXTS.facts.kind, kindOf(view)]);
  facts.push([TEXTS.facts.started, moment(createdAt)]);
  if (endedAt === null) facts.push([TEXTS.facts.lastNews, moment(lastUpdate)]);
  else facts.push([TEXTS.facts.ended, moment(endedAt)], [TEXTS.facts.took, formatDuration(endedAt - createdAt)]);
  // While it runs the card tells these.
  if (endedAt !== null && currentStep !== null) facts.push([TEXTS.facts.lastStep, currentStep]);
  if (endedAt !== null && rows !== "") facts.push([TEXTS.facts.rows, rows]);
  // How long it will take the card tells, as long as that is known.
  return [...facts, ...Object.entries(metadata).filter(([key]) => key !== "estimatedCompletion")];
}

function entryLine({ at, percent, text }: LogEntry): HTMLElement {
  const time = h("time", { datetime: new Date(at).toISOString() }, formatClock(at));
  return h("li", {}, time, " ", h("span", { class: "log-percent" }, percent), " ", h("bdi", {}, text));
}

/** Progress over time. */
function curveOf(points: readonly Point[], view: SessionView): Element {
  if (points.length < 2) return h("p", { class: "subtle" }, TEXTS.noCurve);
  const from = Math.min(view.createdAt, points[0]!.at);
  const span = Math.max(1, points.at(-1)!.at - from);
  const place = ({ at, progress }: Point): string => `${(((at - from) / span) * 300).toFixed(1)},${(98 - progress * 96).toFixed(1)}`;
  const root = svg("svg", { viewBox: "0 0 300 100", preserveAspectRatio: "none", role: "img", "aria-label": TEXTS.curve });
  root.append(svg("polyline", { points: points.map(place).join(" ") }));
  return root;
}
