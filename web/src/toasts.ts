import { closeButton, h, icon } from "./dom";
import type { AlertLevel, SystemAlert } from "./events";

/** More than this many at once hide the page; the oldest makes room. */
const MAX_TOASTS = 5;

const LEVEL_WORDS: Record<AlertLevel, string> = {
  info: "Notice",
  warning: "Warning",
  error: "Error",
  critical: "Critical",
};

/** Alerts of the server and complaints of the page, in a corner until dismissed. */
export class Toasts {
  readonly #region: HTMLElement;

  constructor(region: HTMLElement) {
    this.#region = region;
  }

  alert(alert: SystemAlert): void {
    const details = alert.action_details;
    this.#show(
      alert.level,
      alert.auto_dismiss ?? null,
      h(
        "p",
        { class: "toast-title" },
        `${LEVEL_WORDS[alert.level] ?? alert.level} · ${alert.category}`,
        alert.action_required === true && h("span", { class: "badge" }, "Action required"),
      ),
      h("p", {}, alert.message),
      details?.description &&
        h(
          "p",
          { class: "subtle" },
          details.description,
          details.estimated_time && ` (takes ${details.estimated_time})`,
          details.endpoint && h("code", {}, details.endpoint),
        ),
    );
  }

  complain(message: string): void {
    this.#show("error", null, h("p", { class: "toast-title" }, "That did not work"), h("p", {}, message));
  }

  #show(level: AlertLevel, dismissAfterMs: number | null, ...content: (Node | string | undefined | false)[]): void {
    const urgent = level === "error" || level === "critical";
    const toast = h(
      "div",
      { class: "toast", testid: "toast", "data-level": level, role: urgent ? "alert" : "status" },
      icon(level === "info" ? "info" : "alert"),
      h("div", { class: "toast-text" }, ...content),
      closeButton("Dismiss", () => toast.remove()),
    );
    toast.addEventListener("keydown", (event) => {
      if (event.key === "Escape") toast.remove();
    });
    if (dismissAfterMs !== null) dismissUnlessRead(toast, dismissAfterMs);
    while (this.#region.childElementCount >= MAX_TOASTS) this.#region.firstElementChild?.remove();
    this.#region.append(toast);
  }
}

/** The time starts anew when pointer or focus leave, so that nothing vanishes under somebody's eyes. */
function dismissUnlessRead(toast: HTMLElement, afterMs: number): void {
  let timer: ReturnType<typeof setTimeout>;
  const start = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => toast.remove(), afterMs);
  };
  for (const event of ["pointerenter", "focusin"]) toast.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["pointerleave", "focusout"]) toast.addEventListener(event, start);
  start();
}
