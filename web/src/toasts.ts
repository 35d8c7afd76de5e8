import { closeButton, h, icon } from "./dom";
import { glide } from "./glide";
import type { AlertLevel, SystemAlert } from "../client/src/events.js";
import { TOASTS as TEXTS } from "./texts";

/** More than this many at once hide the page. The list of alerts has those that make room. */
const MAX_TOASTS = 5;

/** How long the news of a success stays. */
const TOLD_FOR_MS = 10_000;

/** Alerts of the server and complaints of the page, in a corner until dismissed. */
export class Toasts {
  readonly #region: HTMLElement;

  constructor(region: HTMLElement) {
    this.#region = region;
  }

  alert(alert: SystemAlert): void {
    // What needs action stays until a person has seen it.
    const stays = alert.action_required === true;
    this.#show(alert.level, stays ? null : (alert.auto_dismiss ?? null), stays, ...alertContent(alert));
  }

  /** Something that was asked for has happened. */
  tell(message: string): void {
    this.#show("info", TOLD_FOR_MS, false, h("p", { class: "toast-title" }, TEXTS.done), h("p", {}, message));
  }

  complain(message: string): void {
    this.#show("error", null, false, h("p", { class: "toast-title" }, TEXTS.failed), h("p", {}, message));
  }

  #show(level: AlertLevel, dismissAfterMs: number | null, stays: boolean, ...content: HTMLElement[]): void {
    const urgent = level === "error" || level === "critical";
    const toast = h(
      "div",
      { class: "toast", testid: "toast", "data-level": level, "data-stays": stays, role: urgent ? "alert" : "status" },
      icon(level === "info" ? "info" : "alert"),
      h("div", { class: "toast-text" }, ...content),
      closeButton(TEXTS.dismiss, () => this.#dismiss(toast)),
    );
    toast.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#dismiss(toast);
    });
    if (dismissAfterMs !== null) dismissUnlessRead(toast, dismissAfterMs, () => this.#change(() => toast.remove()));
    this.#change(() => {
      while (this.#region.childElementCount >= MAX_TOASTS) {
        const passing = this.#region.querySelector(".toast:not([data-stays])");
        (passing ?? this.#region.firstElementChild)?.remove();
      }
      this.#region.append(toast);
    });
  }

  #change(change: () => void): void {
    glide(() => this.#region.querySelectorAll<HTMLElement>(".toast"), change);
  }

  /** The focus goes to the next toast, if it was in this one. */
  #dismiss(toast: HTMLElement): void {
    const next = toast.nextElementSibling ?? toast.previousElementSibling;
    const focused = toast.contains(document.activeElement);
    this.#change(() => toast.remove());
    if (focused) next?.querySelector("button")?.focus();
  }
}

/** What an alert says, for the corner and for the list. */
export function alertContent(alert: SystemAlert): HTMLElement[] {
  const { description, estimated_time: time, endpoint } = alert.action_details ?? {};
  const content: HTMLElement[] = [
    h(
      "p",
      { class: "toast-title" },
      `${TEXTS.levels[alert.level] ?? alert.level} · ${alert.category}`,
      alert.action_required === true && h("span", { class: "badge" }, TEXTS.actionRequired),
    ),
    h("p", { class: "toast-message" }, h("bdi", {}, alert.message)),
  ];
  if (description || endpoint || time) {
    content.push(
      h(
        "p",
        { class: "subtle" },
        description && h("bdi", {}, description),
        time && ` ${TEXTS.takes(time)}`,
        endpoint && h("code", {}, endpoint),
      ),
    );
  }
  return content;
}

/** The time starts anew when pointer or focus leave, so that nothing vanishes under somebody's eyes. */
function dismissUnlessRead(toast: HTMLElement, afterMs: number, dismiss: () => void): void {
  let timer: ReturnType<typeof setTimeout>;
  const start = (): void => {
    clearTimeout(timer);
    timer = setTimeout(dismiss, afterMs);
  };
  for (const event of ["pointerenter", "focusin"]) toast.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["pointerleave", "focusout"]) toast.addEventListener(event, start);
  start();
}
