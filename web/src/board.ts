import { besidePage } from "./address";
import { fetchRecord } from "./api";
import { type CardForm, SessionCard, outlineOf, titleOf } from "./card";
import { CommandError, type WebSocketClient } from "../client/src/client.js";
import { copyButton } from "./copy";
import { byId, h, setAttribute, setClass, setHidden, setStyle, setText } from "./dom";
import { formatCount, formatPercent, isolate } from "./format";
import { glide, isGliding } from "./glide";
import { SessionFilter } from "./session-filter";
import type { SessionStore } from "../client/src/session-store.js";
import { type Place, type Stretch, placeOf, stretchAt } from "./stretch";
import type { SessionView } from "../client/src/session-view.js";
import { BOARD as TEXTS } from "./texts";

/** Up to so many sessions each have a card; where there are more, most are rows of one line. */
const MAX_CARDS = 8;
/** Among rows, so many keep their card: those that ended before the reader's eyes, and those that were opened by hand. */
const MAX_OPEN = 20;
/** Among many, those beside the visible ones that are kept ready for scrolling, in pixels. */
const SPARE_PX = 400;
/** Rows are as high as the style sheet says, in `rem`. */
const RUNNING_ROW_REM = 5.5;
const ENDED_ROW_REM = 4.25;
/** Height of an opened card that has not been on the page yet, in pixels. */
const OPENED_GUESS_PX = 320;
/** Above and below an opened card among rows; the style sheet has half of it as the margin. */
const CARD_MARGINS_PX = 20;
/** Of the list, before it is known. */
const VIEWPORT_GUESS_PX = 700;
/** From so many sessions on there is something to search. */
const TOOLS_FROM = 6;
const TICK_MS = 1_000;
/** Pages that are not looked at are brought up to date in larger steps. */
const HIDDEN_STEP_MS = 500;

/** What begins a session here, for a first look. */
const TRY_IT = `curl -H 'Content-Type: application/json' -d '{"metadata":{"title":"${TEXTS.firstJob}"}}' ${besidePage("api/sessions")}`;

interface BoardHooks {
  /** The sessions differ: the page's title follows. */
  changed: () => void;
  /** A session has ended before the reader's eyes. */
  ended: (view: SessionView) => void;
  /** A request failed; `text` says what and why. */
  complain: (text: string) => void;
  /** What stands below the sessions, and moves when these need more room. */
  below: () => Iterable<HTMLElement>;
}

/** What is to be shown of all sessions, in which order and form. */
interface Arrangement {
  all: readonly SessionView[];
  matching: readonly SessionView[];
  many: boolean;
  forms: readonly CardForm[];
  heights: readonly number[];
}

/** All sessions: running ones first, as cards where they are few, as searchable pages of rows where they are many. */
export class SessionBoard {
  readonly #client: WebSocketClient;
  readonly #store: SessionStore;
  readonly #hooks: BoardHooks;
  readonly #container: HTMLElement;
  readonly #list = h("div", { class: "session-list", testid: "session-list", role: "feed", "aria-label": TEXTS.list });
  /** What scrolls: the list in it is as high as all sessions are. */
  readonly #box = h("div", { class: "session-box", testid: "session-box" }, this.#list);
  readonly #empty: HTMLElement;
  readonly #nothing = h("p", { class: "card empty", testid: "no-match" }, TEXTS.noMatch);
  readonly #clear = byId<HTMLButtonElement>("clear-ended");
  readonly #tools = byId("session-tools");
  readonly #filter: SessionFilter;
  readonly #counts = byId("session-counts");
  readonly #range = byId("session-range");
  readonly #rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
  /** Heights of opened cards as the page has shown them. */
  readonly #heights = new Map<string, number>();
  readonly #sizes = new ResizeObserver((entries) => this.#measured(entries));
  /** What is to be shown; null where that is not known any more. */
  #arranged: Arrangement | null = null;
  #viewport = { top: 0, height: VIEWPORT_GUESS_PX };
  /** Where the rows were that are on the page now. */
  #places: Place[] = [];
  /** What is on the page in which form and order, and the place that it was scrolled to. */
  #shape = "";
  #shownTop = 0;
  /** The cards that are on the page now. */
  readonly #cards = new Map<string, SessionCard>();
  /** Sessions that were seen running, so that their end is news. */
  readonly #running = new Set<string>();
  /** Sessions that keep their card among rows. */
  readonly #open = new Set<string>();
  /** Sessions that this page has begun: they come first. */
  readonly #own = new Set<string>();
  /** Sessions that only answer a question of this page: they are not shown. */
  readonly #concealed = new Set<string>();
  /** Sessions whose result has been asked for and has not come yet. */
  readonly #asked = new Set<string>();
  #scheduled = false;
  /** Whether the server's list has come: before, nothing is known to be running, and nothing not to be. */
  #known = false;
  #tellRead!: () => void;
  /** Resolves when the server's list is on the page for the first time. */
  readonly read = new Promise<void>((resolve) => (this.#tellRead = resolve));

  constructor(client: WebSocketClient, store: SessionStore, container: HTMLElement, hooks: BoardHooks) {
    this.#client = client;
    this.#store = store;
    this.#hooks = hooks;
    this.#container = container;
    this.#empty = h(
      "div",
      { class: "card empty", testid: "no-sessions" },
      h("p", { class: "empty-title" }, TEXTS.empty),
      h("p", {}, TEXTS.emptyHint),
      h("p", { class: "try-it" }, TEXTS.tryIt),
      h("code", { class: "command", testid: "try-command" }, TRY_IT),
      copyButton(TEXTS.copy, TRY_IT),
    );
    container.append(this.#empty, this.#nothing, this.#box);
    this.#sizes.observe(this.#box);
    this.#box.addEventListener("scroll", () => {
      this.#viewport.top = this.#box.scrollTop;
      this.#schedule(false);
    }, { passive: true });
    this.#clear.addEventListener("click", () => this.#removeEnded());
    this.#filter = new SessionFilter(() => {
      this.#box.scrollTop = this.#viewport.top = 0;
      this.#places = [];
      this.#schedule();
    });
    // Directly from the client: what begins and ends at once is seen too.
    client.subscribe("session_created", ({ sessionId }) => this.#running.add(sessionId));
    client.subscribe("import_progress", ({ sessionId }) => this.#running.add(sessionId));
    store.subscribe((changed) => this.#take(changed));
    client.subscribe("session_list", () => {
      if (this.#known) return;
      this.#known = true;
      this.#renderAnew();
      this.#tellRead();
    });
    setInterval(() => {
      for (const card of this.#cards.values()) card.tick(store.now());
    }, TICK_MS);
    this.#render();
  }

  /** A session that this page begins: among many it is shown before all others until it is removed. */
  pin(sessionId: string): void {
    this.#own.add(sessionId);
    this.#keepOpen(sessionId);
    this.#schedule();
  }

  conceal(sessionId: string): void {
    this.#concealed.add(sessionId);
  }

  #take(changed: ReadonlySet<string>): void {
    for (const sessionId of changed) {
      if (this.#concealed.has(sessionId)) continue;
      const view = this.#store.get(sessionId);
      if (view?.endedAt === null || !this.#running.delete(sessionId) || !view) continue;
      // Only an end that happened before the reader's eyes is read out, and keeps its card.
      this.#keepOpen(sessionId);
      this.#hooks.ended(view);
    }
    this.#schedule();
  }

  #keepOpen(sessionId: string): void {
    this.#open.delete(sessionId);
    this.#open.add(sessionId);
    for (const oldest of this.#open) {
      if (this.#open.size <= MAX_OPEN) break;
      this.#close(oldest);
    }
  }

  /** False if it was not open. */
  #close(sessionId: string): boolean {
    this.#heights.delete(sessionId);
    return this.#open.delete(sessionId);
  }

  /** `news` is false where only another part of the list is to be seen. */
  #schedule(news = true): void {
    if (news) this.#arranged = null;
    if (this.#scheduled) return;
    this.#scheduled = true;
    const render = (): void => {
      const mayMove = this.#arranged === null && this.#viewport.top === this.#shownTop;
      if (mayMove && isGliding()) return void requestAnimationFrame(render);
      this.#scheduled = false;
      this.#render();
    };
    // Browsers stop animation frames of pages that nobody sees, but the tab's title goes on.
    if (document.hidden) setTimeout(render, HIDDEN_STEP_MS);
    else requestAnimationFrame(render);
  }

  #renderAnew(): void {
    this.#arranged = null;
    this.#render();
  }

  #render(): void {
    const news = this.#arranged === null;
    const arranged = (this.#arranged ??= this.#arrange());
    const { matching, many, forms, heights } = arranged;
    const moved = many && news ? this.#movedBy(matching, heights) : 0;
    this.#viewport.top += moved;
    const { top, height } = this.#viewport;
    const stretch = many ? stretchAt(heights, top, height, SPARE_PX) : { from: 0, to: matching.length, before: 0, after: 0 };
    const change = (): void => {
      this.#showCards(matching, forms, many, stretch);
      if (news) this.#showAround(arranged);
    };
    const shape = this.#shapeOf(matching, forms, stretch);
    // Figures move nothing, and whoever scrolls moves all of it.
    if (shape === this.#shape || top !== this.#shownTop) change();
    else glide(() => [this.#container, ...[...this.#cards.values()].map(({ element }) => element), ...this.#hooks.below()], change);
    if (moved !== 0) this.#box.scrollTop = top;
    this.#shape = shape;
    this.#shownTop = top;
    this.#places = many ? placesIn(matching, heights, stretch) : [];
    if (news) this.#hooks.changed();
  }

  #arrange(): Arrangement {
    const all = this.#ordered();
    const matching = this.#filter.matching(all, this.#store.now());
    const many = all.length > MAX_CARDS;
    const forms = matching.map(({ sessionId }) => this.#form(sessionId, many));
    return { all, matching, many, forms, heights: matching.map((view, index) => this.#height(view, forms[index]!)) };
  }

  /** How far that which is in sight has been moved by what has come, gone or grown above it. */
  #movedBy(matching: readonly SessionView[], heights: readonly number[]): number {
    const { top } = this.#viewport;
    // At the beginning the newest are wanted.
    if (top <= 0) return 0;
    for (const { sessionId, running, y, height } of this.#places) {
      if (y + height <= top) continue;
      const view = this.#store.get(sessionId);
      // One that has ended goes elsewhere, and is not followed there.
      if (!view || (view.endedAt === null) !== running) continue;
      const now = placeOf(matching, heights, sessionId);
      if (now !== null) return now - y;
    }
    return 0;
  }

  /** Differs where anything on the page changes its place or grows. */
  #shapeOf(matching: readonly SessionView[], forms: readonly CardForm[], { from, to }: Stretch): string {
    const parts = matching.slice(from, to).map((view, index) => {
      const form = forms[from + index]!;
      return `${view.sessionId} ${form} ${form === "row" ? view.status : outlineOf(view)}`;
    });
    return [matching.length === 0, this.#known, ...parts].join("\n");
  }

  #showAround({ all, matching, many }: Arrangement): void {
    setHidden(this.#list, matching.length === 0);
    setHidden(this.#empty, all.length > 0 || !this.#known);
    setHidden(this.#nothing, all.length === 0 || matching.length > 0);
    setHidden(this.#tools, all.length < TOOLS_FROM && !this.#filter.isSet);
    setHidden(this.#clear, all.every(({ endedAt }) => endedAt === null));
    setHidden(this.#range, !many || matching.length === 0);
    setText(this.#range, TEXTS.total(matching.length));
    this.#showCounts(all);
  }

  #ordered(): readonly SessionView[] {
    const known = this.#store.getSnapshot();
    const all = this.#concealed.size === 0 ? known : known.filter(({ sessionId }) => !this.#concealed.has(sessionId));
    // Where all are cards nothing is out of sight, and what runs comes first.
    if (this.#own.size === 0 || all.length <= MAX_CARDS) return all;
    const own = all.filter(({ sessionId }) => this.#own.has(sessionId));
    return [...own, ...all.filter(({ sessionId }) => !this.#own.has(sessionId))];
  }

  /** Only what is in sight, or nearly, is on the page; room is kept for all else. */
  #showCards(all: readonly SessionView[], forms: readonly CardForm[], many: boolean, { from, to, before, after }: Stretch): void {
    const now = this.#store.now();
    const shown = all.slice(from, to);
    const wanted = new Map(shown.map(({ sessionId }, index) => [sessionId, forms[from + index]!]));
    const focused = document.activeElement;
    setClass(this.#list, "many", many);
    setClass(this.#box, "bounded", many);
    setStyle(this.#list, "paddingTop", `${before}px`);
    setStyle(this.#list, "paddingBottom", `${after}px`);
    // What scrolls is to be reached by the keyboard.
    if (many) setAttribute(this.#box, "tabindex", "0");
    else this.#box.removeAttribute("tabindex");
    let replaced: string | null = null;
    for (const [sessionId, card] of this.#cards) {
      if (wanted.get(sessionId) === card.form) continue;
      if (card.element.contains(focused)) replaced = sessionId;
      this.#takeAway(card);
    }
    shown.forEach((view, index) => {
      const card = this.#card(view.sessionId, wanted.get(view.sessionId)!);
      card.render(view, now);
      setAttribute(card.element, "aria-posinset", String(from + index + 1));
      setAttribute(card.element, "aria-setsize", String(all.length));
      if (card.form !== "row" && view.resultLeftOut) this.fill(view.sessionId);
      const present = this.#list.children[index];
      if (present !== card.element) this.#list.insertBefore(card.element, present ?? null);
    });
    // Moving an element takes the focus from it; one that was scrolled away leaves it to the list.
    if (focused === document.activeElement || !(focused instanceof HTMLElement)) return;
    const successor = replaced === null ? undefined : this.#cards.get(replaced);
    if (focused.isConnected) focused.focus();
    else if (successor) successor.focus();
    else if (many) this.#box.focus();
  }

  #takeAway(card: SessionCard): void {
    this.#sizes.unobserve(card.element);
    card.element.remove();
    this.#cards.delete(card.sessionId);
  }

  #height({ sessionId, endedAt }: SessionView, form: CardForm): number {
    if (form === "row") return this.#rem * (endedAt === null ? RUNNING_ROW_REM : ENDED_ROW_REM);
    return this.#heights.get(sessionId) ?? OPENED_GUESS_PX;
  }

  /** What was guessed is known now, or has changed. */
  #measured(entries: ResizeObserverEntry[]): void {
    let changed = false;
    for (const { target, borderBoxSize } of entries) {
      const height = borderBoxSize[0]?.blockSize ?? 0;
      if (target === this.#box) {
        changed ||= this.#viewport.height !== this.#box.clientHeight;
        this.#viewport.height = this.#box.clientHeight;
        continue;
      }
      const card = this.#cards.get((target as HTMLElement).dataset["sessionId"] ?? "");
      if (!card || height === 0) continue;
      changed ||= this.#heights.get(card.sessionId) !== height + CARD_MARGINS_PX;
      this.#heights.set(card.sessionId, height + CARD_MARGINS_PX);
    }
    if (changed && this.#list.classList.contains("many")) this.#schedule();
  }

  #form(sessionId: string, many: boolean): CardForm {
    if (!many) return "card";
    return this.#open.has(sessionId) ? "opened" : "row";
  }

  #card(sessionId: string, form: CardForm): SessionCard {
    let card = this.#cards.get(sessionId);
    if (!card) {
      const actions = {
        cancel: () => void this.cancel(sessionId),
        close: () => this.#remove(sessionId),
        toggle: () => this.#toggle(sessionId),
      };
      card = new SessionCard(sessionId, actions, form);
      this.#cards.set(sessionId, card);
      if (form === "opened") this.#sizes.observe(card.element);
    }
    return card;
  }

  #toggle(sessionId: string): void {
    if (!this.#close(sessionId)) this.#keepOpen(sessionId);
    this.#renderAnew();
    this.#cards.get(sessionId)?.focusToggle();
  }

  #showCounts(all: readonly SessionView[]): void {
    const counts = new Map<string, number>();
    for (const { status } of all) counts.set(status, (counts.get(status) ?? 0) + 1);
    const parts = Object.entries(TEXTS.counts).filter(([status]) => counts.has(status));
    setText(this.#counts, parts.map(([status, word]) => `${formatCount(counts.get(status)!)} ${word}`).join(" · "));
  }

  /** Asks for the result that the list has left out. */
  fill(sessionId: string): void {
    if (this.#asked.has(sessionId)) return;
    this.#asked.add(sessionId);
    // Gone meanwhile, or out of reach: then the rest of the outcome stands.
    void fetchRecord(sessionId)
      .then(({ session }) => session)
      .catch(() => null)
      .then((session) => {
        this.#asked.delete(sessionId);
        this.#store.fill(sessionId, session);
      });
  }

  async cancel(sessionId: string): Promise<void> {
    this.#cards.get(sessionId)?.setCancelling(true);
    try {
      await this.#client.cancelSession(sessionId);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#cards.get(sessionId)?.setCancelling(false);
      // An ended session tells its outcome by itself.
      if (error.code === "SESSION_ENDED" || error.code === "SESSION_CANCELLED") return;
      const view = this.#store.get(sessionId);
      const title = view ? isolate(titleOf(view)) : TEXTS.theSession;
      this.#hooks.complain(TEXTS.notCancelled(title, error.message, error.code));
    }
  }

  /** Takes an ended session off the page; the focus goes to what is nearest. */
  #remove(sessionId: string): void {
    const element = this.#cards.get(sessionId)?.element;
    const focused = element?.contains(document.activeElement);
    const next = element?.nextElementSibling ?? element?.previousElementSibling;
    this.#own.delete(sessionId);
    this.#store.remove(sessionId);
    this.#renderAnew();
    if (!focused) return;
    const target = next?.querySelector<HTMLElement>("button:not([hidden]):not([hidden] button)");
    (target ?? byId("sessions-title")).focus();
  }

  #removeEnded(): void {
    for (const { sessionId, endedAt } of this.#store.getSnapshot()) {
      if (endedAt === null) continue;
      this.#own.delete(sessionId);
      this.#store.remove(sessionId);
    }
    this.#renderAnew();
    byId("sessions-title").focus();
  }
}

/** Where the items of a stretch stand in the whole list. */
function placesIn(matching: readonly SessionView[], heights: readonly number[], { from, to, before }: Stretch): Place[] {
  let y = before;
  return matching.slice(from, to).map(({ sessionId, endedAt }, index) => {
    const place = { sessionId, running: endedAt === null, y, height: heights[from + index]! };
    y += place.height;
    return place;
  });
}

/** How far all running sessions are together, for the title of the page. */
export function runningInBrief(views: readonly SessionView[]): { share: number; text: string } | null {
  const running = views.filter(({ endedAt }) => endedAt === null);
  if (running.length === 0) return null;
  const share = running.reduce((sum, { progress }) => sum + progress, 0) / running.length;
  const what = running.length === 1 ? isolate(titleOf(running[0]!)) : TEXTS.running(running.length);
  return { share, text: `${formatPercent(share)} · ${what}` };
}
