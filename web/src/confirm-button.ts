import { type IconName, h, icon, setText } from "./dom";

interface ConfirmOptions {
  /** Of the button; `-confirm` and `-keep` are added for the two answers. */
  testid: string;
  icon?: IconName;
  word: string;
  question: string;
  yes: string;
  no: string;
  /** What the button says after it was confirmed. */
  busy: string;
  confirmed: () => void;
}

/** Asks before it acts: what is done by a slip is lost, and not only for whoever slipped. */
export class ConfirmButton {
  readonly element: HTMLElement;
  readonly #options: ConfirmOptions;
  readonly #word: HTMLElement;
  readonly #ask: HTMLButtonElement;
  readonly #sure: HTMLElement;
  readonly #yes: HTMLButtonElement;
  #sent = false;

  constructor(options: ConfirmOptions) {
    this.#options = options;
    const { testid, word, question, yes, no, confirmed } = options;
    const answer = (text: string, id: string, danger: boolean, act: () => void): HTMLButtonElement =>
      h("button", { type: "button", class: danger ? "quiet-button danger" : "quiet-button", testid: `${testid}-${id}`, onclick: act }, text);
    this.#word = h("span", {}, word);
    this.#ask = h(
      "button",
      { type: "button", class: "quiet-button", testid, onclick: () => this.#confirm(true) },
      options.icon && icon(options.icon),
      this.#word,
    );
    this.#yes = answer(yes, "confirm", true, () => {
      this.setSent(true);
      confirmed();
    });
    const keep = answer(no, "keep", false, () => this.#confirm(false));
    this.#sure = h("span", { class: "confirm", role: "group", "aria-label": question }, this.#yes, keep);
    this.#sure.hidden = true;
    this.element = h("div", { class: "cancel" }, this.#ask, this.#sure);
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.#sure.hidden) this.#confirm(false);
    });
  }

  show(): void {
    if (!this.element.hidden) return;
    this.element.hidden = false;
    this.setSent(false);
  }

  hide(): void {
    this.element.hidden = true;
  }

  setSent(sent: boolean): void {
    const focused = this.#sure.contains(document.activeElement);
    this.#sent = sent;
    this.#sure.hidden = true;
    this.#ask.hidden = false;
    // One that is disabled cannot keep the focus.
    this.#ask.setAttribute("aria-disabled", String(sent));
    setText(this.#word, sent ? this.#options.busy : this.#options.word);
    if (focused) this.#ask.focus();
  }

  #confirm(asking: boolean): void {
    if (this.#sent) return;
    this.#ask.hidden = asking;
    this.#sure.hidden = !asking;
    (asking ? this.#yes : this.#ask).focus();
  }
}
