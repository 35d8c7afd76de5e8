import type { WebSocketClient } from "../client/src/client.js";
import type { Missed, TerminalEvent } from "../client/src/events.js";
import type { SessionStore } from "../client/src/session-store.js";
import { titleOf } from "./card";
import { byId, closeButton, h } from "./dom";
import { formatCount, formatElapsed } from "./format";
import { glide } from "./glide";
import { historyAddress } from "./history";
import { addressOf } from "./session-page";
import { AWAY as TEXTS } from "./texts";

/** Sessions that are named; the history has the others. */
const MAX_NAMED = 5;
/** Failures are named first. */
const STATUSES = ["error", "cancelled", "completed"] as const;

interface AwayHooks {
  openAlerts: () => void;
  /** A sentence worth reading out. */
  announce: (text: string) => void;
}

/** Says once what happened while there was no connection, until somebody dismisses it. */
export class AwayNotice {
  readonly #element = byId("away");
  readonly #store: SessionStore;
  readonly #hooks: AwayHooks;
  #missed: Missed | null = null;

  constructor(client: WebSocketClient, store: SessionStore, hooks: AwayHooks) {
    this.#store = store;
    this.#hooks = hooks;
    client.subscribe("missed", (missed) => {
      // What has not been dismissed was missed, too.
      const before = this.#missed;
      this.#missed = {
        since: before?.since ?? missed.since,
        sessions: [...(before?.sessions ?? []), ...missed.sessions],
        alerts: [...(before?.alerts ?? []), ...missed.alerts],
      };
      this.#show(this.#missed);
    });
  }

  #show({ since, sessions, alerts }: Missed): void {
    const counts = (Object.keys(TEXTS.statuses) as TerminalEvent["status"][]).map((status) => {
      const count = sessions.filter((ending) => ending.status === status).length;
      return count > 0 ? `${formatCount(count)} ${TEXTS.statuses[status]}` : "";
    });
    const told = [...counts, alerts.length > 0 ? TEXTS.alerts(alerts.length) : ""].filter(Boolean).join(", ");
    const running = this.#store.getSnapshot().filter(({ endedAt }) => endedAt === null).length;
    const named = STATUSES.flatMap((status) => sessions.filter((ending) => ending.status === status)).slice(0, MAX_NAMED);
    const text = h("p", { testid: "away-text" }, h("strong", {}, TEXTS.title(formatElapsed(this.#store.now() - since))), ` ${told}.`);
    if (running > 0) text.append(` ${TEXTS.running(running)}`);
    const content = [
      h(
        "div",
        { class: "away-content" },
        text,
        named.length > 0 && h("ul", { testid: "away-sessions" }, ...named.map((ending) => this.#line(ending))),
        h(
          "p",
          { class: "away-links" },
          sessions.length > 0 && h("a", { href: historyAddress({ since: String(since) }), testid: "away-history" }, TEXTS.history),
          alerts.length > 0 &&
            h("button", { type: "button", class: "link-button", testid: "away-alerts", onclick: this.#hooks.openAlerts }, TEXTS.showAlerts),
        ),
      ),
      closeButton(TEXTS.dismiss, () => this.#dismiss()),
    ];
    this.#change(false, ...content);
    this.#hooks.announce(text.textContent);
  }

  #line({ sessionId, status }: TerminalEvent): HTMLElement {
    const view = this.#store.get(sessionId);
    const name = view ? titleOf(view) : sessionId;
    return h(
      "li",
      {},
      h("a", { href: addressOf(sessionId) }, h("bdi", {}, name)),
      " ",
      h("span", { class: "badge", "data-kind": status }, TEXTS.statuses[status]),
    );
  }

  #dismiss(): void {
    const focused = this.#element.contains(document.activeElement);
    this.#missed = null;
    this.#change(true);
    if (focused) byId("main").focus();
  }

  #change(hidden: boolean, ...content: HTMLElement[]): void {
    glide(
      () => document.querySelectorAll<HTMLElement>("main, .bottom"),
      () => {
        this.#element.hidden = hidden;
        this.#element.replaceChildren(...content);
      },
    );
  }
}
