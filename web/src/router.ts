import { byId } from "./dom";

/** A part of the page with an address of its own, behind a `#`. */
export interface View {
  readonly element: HTMLElement;
  /** What the view shows at an address; null where the address is not the view's. */
  match: (hash: string) => string | null;
  open: (what: string) => void;
  close: () => void;
}

/** Shows the view that the address names, or else the overview; the focus goes along. */
export class Router {
  readonly #overview = byId("overview");
  readonly #views: readonly View[];
  readonly #moved: () => void;
  #view: View | null = null;
  #hash = "";

  /** `moved` is called whenever another view is shown. */
  constructor(views: readonly View[], moved: () => void) {
    this.#views = views;
    this.#moved = moved;
    window.addEventListener("hashchange", () => {
      // Other fragments are places within the page.
      if (location.hash === "" || location.hash.startsWith("#/")) this.#show(true);
    });
    this.#show(false);
  }

  #show(byHand: boolean): void {
    const { hash } = location;
    const before = this.#hash;
    this.#hash = hash;
    const view = this.#viewOf(hash);
    this.#view?.close();
    this.#view = view;
    for (const { element } of this.#views) element.hidden = element !== view?.element;
    this.#overview.hidden = view !== null;
    view?.open(view.match(hash)!);
    this.#markPlace();
    this.#moved();
    if (!byHand) return;
    window.scrollTo(0, 0);
    // Whoever comes back goes on at the link that led away.
    const shown = view?.element ?? this.#overview;
    const link = before === "" ? null : shown.querySelector<HTMLElement>(`a[href="${CSS.escape(before)}"]`);
    (link ?? view?.element.querySelector<HTMLElement>("h2") ?? byId("main")).focus();
  }

  #viewOf(hash: string): View | null {
    return this.#views.find((view) => view.match(hash) !== null) ?? null;
  }

  /** Says in the navigation where the reader is. */
  #markPlace(): void {
    for (const link of document.querySelectorAll<HTMLAnchorElement>("#places a")) {
      if (this.#viewOf(link.hash) === this.#view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }
}
