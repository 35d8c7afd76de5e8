import { titleOf } from "./card";
import { byId } from "./dom";
import { type SessionView, isStalled } from "../client/src/session-view.js";

type Kind = "" | "running" | "stalled" | "completed" | "error" | "cancelled";

/** The search field and the choice of a status above the sessions. */
export class SessionFilter {
  readonly #search = byId<HTMLInputElement>("session-search");
  readonly #kind = byId<HTMLSelectElement>("session-filter");
  readonly #texts = new WeakMap<SessionView, string>();

  constructor(changed: () => void) {
    this.#search.addEventListener("input", changed);
    this.#kind.addEventListener("change", changed);
  }

  get isSet(): boolean {
    return this.#search.value !== "" || this.#kind.value !== "";
  }

  matching(all: readonly SessionView[], now: number): readonly SessionView[] {
    const kind = this.#kind.value as Kind;
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (kind === "" && words.length === 0) return all;
    return all.filter((view) => passes(view, kind, now) && words.every((word) => this.#text(view).includes(word)));
  }

  /** What a session is searched by. */
  #text(view: SessionView): string {
    let text = this.#texts.get(view);
    if (text === undefined) {
      const values = Object.values(view.metadata).filter((value) => typeof value === "string" || typeof value === "number");
      text = [view.sessionId, view.operation, view.currentStep, titleOf(view), ...values].join("\n").toLowerCase();
      this.#texts.set(view, text);
    }
    return text;
  }
}

function passes(view: SessionView, kind: Kind, now: number): boolean {
  if (kind === "running") return view.endedAt === null;
  if (kind === "stalled") return isStalled(view, now);
  return kind === "" || view.status === kind;
}
