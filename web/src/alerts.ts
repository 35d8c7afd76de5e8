import { AlertMemory, keyOf, timeOf } from "./alert-memory";
import { ApiError, fetchAlerts } from "./api";
import { byId, closeButton, h, setText } from "./dom";
import type { SystemAlert } from "../client/src/events.js";
import { formatCount, formatTime } from "./format";
import { alertContent } from "./toasts";
import { ALERTS as TEXTS } from "./texts";

/** Alerts that need no action are kept up to this number; the oldest make room. Those that need action stay. */
const MAX_KEPT = 200;

interface Entry {
  alert: SystemAlert;
  element: HTMLElement;
}

/** The list of the alerts that the server keeps, and of new ones, behind a button that counts what is new or needs action. */
export class AlertList {
  readonly #button = byId<HTMLButtonElement>("alerts-button");
  readonly #count = byId("alerts-count");
  readonly #dialog = byId<HTMLDialogElement>("alerts");
  readonly #list = byId("alerts-list");
  readonly #none = byId("alerts-none");
  readonly #problem = byId("alerts-problem");
  readonly #clear = byId<HTMLButtonElement>("alerts-clear");
  readonly #memory = new AlertMemory(() => this.#follow());
  /** By what they are known again; the newest is the first. */
  #entries = new Map<string, Entry>();

  constructor() {
    this.#button.addEventListener("click", () => this.open());
    byId("alerts-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", (event) => {
      // A click beside the content is one on the dialog's own backdrop.
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#clear.addEventListener("click", () => {
      const harmless = this.#alerts().filter((alert) => !needsAction(alert));
      this.#memory.clear(harmless);
      for (const alert of harmless) this.#remove(alert);
      byId("alerts-close").focus();
    });
    this.#show();
  }

  /** Reads the alerts that the server keeps. */
  async load(): Promise<void> {
    try {
      for (const alert of (await fetchAlerts(MAX_KEPT)).reverse()) this.#take(alert);
      setText(this.#problem, "");
    } catch (error) {
      setText(this.#problem, TEXTS.unread(error instanceof ApiError ? error.message : String(error)));
    }
    this.#show();
  }

  add(alert: SystemAlert): void {
    this.#take(alert);
    this.#show();
  }

  open(): void {
    this.#dialog.showModal();
    this.#show();
  }

  #take(alert: SystemAlert): void {
    if (this.#entries.has(keyOf(alert)) || this.#memory.isRemoved(alert)) return;
    const entry = { alert, element: this.#line(alert) };
    const later = [...this.#entries].filter(([, known]) => timeOf(known.alert) > timeOf(alert));
    const earlier = [...this.#entries].slice(later.length);
    this.#entries = new Map([...later, [keyOf(alert), entry], ...earlier]);
    const [before] = earlier;
    this.#list.insertBefore(entry.element, before?.[1].element ?? null);
    for (const oldest of this.#alerts().filter((kept) => !needsAction(kept)).slice(MAX_KEPT)) this.#remove(oldest);
  }

  #line(alert: SystemAlert): HTMLElement {
    const remove = (): void => {
      const next = element.nextElementSibling ?? element.previousElementSibling;
      this.#memory.remove(alert);
      this.#remove(alert);
      (next?.querySelector("button") ?? byId("alerts-close")).focus();
    };
    const element = h(
      "li",
      { class: "alert", testid: "alert", "data-level": alert.level },
      h("div", { class: "toast-text" }, ...alertContent(alert), h("p", { class: "subtle" }, formatTime(alert.timestamp))),
      closeButton(TEXTS.remove, remove),
    );
    return element;
  }

  #alerts(): SystemAlert[] {
    return [...this.#entries.values()].map(({ alert }) => alert);
  }

  #remove(alert: SystemAlert): void {
    this.#entries.get(keyOf(alert))?.element.remove();
    this.#entries.delete(keyOf(alert));
    this.#show();
  }

  /** Does what was done in another tab. */
  #follow(): void {
    for (const alert of this.#alerts()) if (this.#memory.isRemoved(alert)) this.#remove(alert);
    this.#show();
  }

  #show(): void {
    const alerts = this.#alerts();
    if (this.#dialog.open && alerts.some((alert) => !this.#memory.isSeen(alert))) this.#memory.see(alerts);
    const pending = alerts.filter((alert) => !this.#memory.isSeen(alert) || needsAction(alert)).length;
    const actions = alerts.filter(needsAction).length;
    setText(this.#count, pending === 0 ? "" : formatCount(pending));
    this.#count.hidden = pending === 0;
    this.#button.classList.toggle("urgent", actions > 0);
    const told = pending === 0 ? TEXTS.alerts : TEXTS.count(formatCount(pending));
    this.#button.setAttribute("aria-label", actions === 0 ? told : `${told}, ${TEXTS.actions(actions)}`);
    this.#none.hidden = alerts.length > 0;
    this.#problem.hidden = this.#problem.textContent === "";
    this.#clear.hidden = alerts.every(needsAction);
  }
}

export function needsAction(alert: SystemAlert): boolean {
  return alert.action_required === true;
}
