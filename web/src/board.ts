import { SessionCard } from "./card";
import { CommandError, type WebSocketClient } from "./client";
import { h } from "./dom";
import type { JsonObject, Session, TerminalEvent } from "./events";
import { plural } from "./format";

/** Ended sessions that stay on the page until they are removed by hand. */
const MAX_ENDED_CARDS = 20;
const STALL_CHECK_MS = 5_000;

interface BoardHooks {
  /** Something about the running sessions differs: the page's title follows. */
  changed: () => void;
  /** A sentence worth reading out. */
  announce: (text: string) => void;
  /** A request failed; `text` says what and why. */
  complain: (text: string) => void;
}

/** All sessions as cards, newest first, fed by the client's events. */
export class SessionBoard {
  readonly #client: WebSocketClient;
  readonly #list: HTMLElement;
  readonly #empty: HTMLElement;
  readonly #clear: HTMLButtonElement;
  readonly #hooks: BoardHooks;
  readonly #cards = new Map<string, SessionCard>();

  constructor(client: WebSocketClient, container: HTMLElement, clear: HTMLButtonElement, hooks: BoardHooks) {
    this.#client = client;
    this.#hooks = hooks;
    this.#clear = clear;
    this.#list = h("div", { class: "session-list" });
    this.#empty = h(
      "div",
      { class: "card empty", testid: "no-sessions" },
      h("p", { class: "empty-title" }, "Nothing is running"),
      h("p", {}, "Drop a scan into the field and watch it here. What others start shows up too, the moment it begins."),
    );
    container.append(this.#empty, this.#list);
    clear.addEventListener("click", () => {
      for (const card of this.#ended()) this.#remove(card);
    });
    setInterval(() => {
      for (const card of this.#cards.values()) card.checkStalled(Date.now());
    }, STALL_CHECK_MS);
    this.#listen();
    this.#tidy();
  }

  get running(): SessionCard[] {
    return [...this.#cards.values()].filter((card) => card.running);
  }

  has(sessionId: string): boolean {
    return this.#cards.has(sessionId);
  }

  #listen(): void {
    const client = this.#client;
    client.subscribe("session_created", ({ sessionId, metadata }) => {
      this.#cards.get(sessionId)?.element.remove();
      this.#cards.delete(sessionId);
      this.#card(sessionId).describe(text(metadata["operation"]), metadata);
      this.#changed();
    });
    client.subscribe("import_progress", (event) => {
      this.#card(event.sessionId).update(event);
      this.#changed();
    });
    client.subscribe("import_complete", (event) => {
      const found = event.summary?.new_vulnerabilities;
      const news = typeof found === "number" ? ` ${plural(found, "new finding")}.` : "";
      this.#end(event, `is done.${news}`).complete(event);
      this.#changed();
    });
    client.subscribe("import_error", (event) => {
      this.#end(event, `failed: ${event.error.message}`).fail(event);
      this.#changed();
    });
    client.subscribe("import_cancelled", (event) => {
      this.#end(event, "was cancelled.").cancelled(event);
      this.#changed();
    });
    client.subscribe("session_lost", ({ sessionId }) => {
      const card = this.#cards.get(sessionId);
      if (card?.running) card.lost();
      this.#changed();
    });
    client.subscribe("session_list", (sessions) => this.#reconcile(sessions));
  }

  /** What ran here and is not in the server's list ended unseen: asking for it tells how. */
  #reconcile(sessions: Session[]): void {
    const listed = new Set(sessions.map((session) => session.sessionId));
    for (const card of this.running) {
      if (!listed.has(card.sessionId)) this.#client.trackImportProgress(card.sessionId);
    }
  }

  #card(sessionId: string): SessionCard {
    let card = this.#cards.get(sessionId);
    if (!card) {
      card = new SessionCard(sessionId, {
        cancel: (which) => void this.#cancel(which),
        close: (which) => this.#remove(which),
      });
      this.#cards.set(sessionId, card);
      this.#list.prepend(card.element);
    }
    return card;
  }

  /** The card of an ended session. Only an end that happened before the reader's eyes is read out. */
  #end(event: TerminalEvent & { metadata?: unknown }, news: string): SessionCard {
    const watched = this.#cards.get(event.sessionId)?.running === true;
    const card = this.#card(event.sessionId);
    // Live terminal events carry no metadata, snapshots of ended sessions do.
    card.describe(event.operation, (event.metadata ?? {}) as JsonObject);
    if (watched) this.#hooks.announce(`${card.title || "The work"} ${news}`);
    return card;
  }

  async #cancel(card: SessionCard): Promise<void> {
    card.setCancelling(true);
    try {
      await this.#client.cancelSession(card.sessionId);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      card.setCancelling(false);
      // An ended session tells its outcome by itself.
      if (error.code === "SESSION_ENDED" || error.code === "SESSION_CANCELLED") return;
      this.#hooks.complain(`${card.title || "The work"} could not be cancelled: ${error.message} (${error.code})`);
    }
  }

  #remove(card: SessionCard): void {
    const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
    const focused = card.element.contains(document.activeElement);
    card.element.remove();
    this.#cards.delete(card.sessionId);
    if (focused) next?.querySelector<HTMLButtonElement>("button:not([hidden])")?.focus();
    this.#changed();
  }

  #ended(): SessionCard[] {
    return [...this.#cards.values()].filter((card) => !card.running);
  }

  #changed(): void {
    this.#tidy();
    this.#hooks.changed();
  }

  #tidy(): void {
    const ended = this.#ended();
    for (const card of ended.slice(0, Math.max(0, ended.length - MAX_ENDED_CARDS))) {
      card.element.remove();
      this.#cards.delete(card.sessionId);
    }
    this.#empty.hidden = this.#cards.size > 0;
    this.#clear.hidden = ended.length === 0;
  }
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
