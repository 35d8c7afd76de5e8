import { byId, closeButton, h, setText } from "./dom";
import type { SystemAlert } from "../client/src/events.js";
import { formatCount, formatTime, plural } from "./format";
import { alertContent } from "./toasts";

/** Alerts that need no action are kept up to this number; the oldest make room. Those that need action stay. */
const MAX_KEPT = 200;

interface Entry {
  alert: SystemAlert;
  element: HTMLElement;
  seen: boolean;
}

/** The list of all alerts since the page was opened, behind a button that counts what is new or needs action. */
export class AlertList {
  readonly #button = byId<HTMLButtonElement>("alerts-button");
  readonly #count = byId("alerts-count");
  readonly #dialog = byId<HTMLDialogElement>("alerts");
  readonly #list = byId("alerts-list");
  readonly #none = byId("alerts-none");
  readonly #clear = byId<HTMLButtonElement>("alerts-clear");
  #entries: Entry[] = [];

  constructor() {
    this.#button.addEventListener("click", () => this.#open());
    byId("alerts-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", (event) => {
      // A click beside the content is one on the dialog's own backdrop.
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#clear.addEventListener("click", () => {
      for (const entry of this.#entries.filter(({ alert }) => !needsAction(alert))) this.#remove(entry);
      byId("alerts-close").focus();
    });
    this.#show();
  }

  add(alert: SystemAlert): void {
    const remove = (): void => {
      const next = entry.element.nextElementSibling ?? entry.element.previousElementSibling;
      this.#remove(entry);
      (next?.querySelector("button") ?? byId("alerts-close")).focus();
    };
    const element = h(
      "li",
      { class: "alert", testid: "alert", "data-level": alert.level },
      h("div", { class: "toast-text" }, ...alertContent(alert), h("p", { class: "subtle" }, formatTime(alert.timestamp))),
      closeButton("Take this alert off the list", remove),
    );
    const entry: Entry = { alert, element, seen: this.#dialog.open };
    this.#entries.push(entry);
    this.#list.prepend(element);
    const harmless = this.#entries.filter((kept) => !needsAction(kept.alert));
    for (const oldest of harmless.slice(0, Math.max(0, harmless.length - MAX_KEPT))) this.#remove(oldest);
    this.#show();
  }

  #open(): void {
    this.#dialog.showModal();
    for (const entry of this.#entries) entry.seen = true;
    this.#show();
  }

  #remove(entry: Entry): void {
    entry.element.remove();
    this.#entries = this.#entries.filter((kept) => kept !== entry);
    this.#show();
  }

  #show(): void {
    const pending = this.#entries.filter(({ alert, seen }) => !seen || needsAction(alert)).length;
    const actions = this.#entries.filter(({ alert }) => needsAction(alert)).length;
    setText(this.#count, pending === 0 ? "" : formatCount(pending));
    this.#count.hidden = pending === 0;
    this.#button.classList.toggle("urgent", actions > 0);
    const told = pending === 0 ? "Alerts" : `Alerts: ${formatCount(pending)}`;
    this.#button.setAttribute("aria-label", actions === 0 ? told : `${told}, ${plural(actions, "needs", "need")} action`);
    this.#none.hidden = this.#entries.length > 0;
    this.#clear.hidden = this.#entries.every(({ alert }) => needsAction(alert));
  }
}

export function needsAction(alert: SystemAlert): boolean {
  return alert.action_required === true;
}
