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
  /** The two answers, while it asks. */
  #answers: HTMLElement | null = null;
  #sent = false;

  constructor(options: ConfirmOptions) {
    this.#options = options;
    const { testid, word } = options;
    this.#word = h("span", {}, word);
    this.#ask = h(
      "button",
      { type: "button", class: "quiet-button", testid, onclick: () => this.#confirm(true) },
      options.icon && icon(options.icon),
      this.#word,
    );
    this.element = h("div", { class: "cancel" }, this.#ask);
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#answers) this.#confirm(false);
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
    const focused = this.#answers?.contains(document.activeElement);
    this.#sent = sent;
    this.#dismiss();
    // One that is disabled cannot keep the focus.
    this.#ask.setAttribute("aria-disabled", String(sent));
    setText(this.#word, sent ? this.#options.busy : this.#options.word);
    if (focused) this.#ask.focus();
  }

  #confirm(asking: boolean): void {
    if (this.#sent) return;
    if (!asking) {
      this.#dismiss();
      return this.#ask.focus();
    }
    const { testid, question, yes, no, confirmed } = this.#options;
    const agree = (): void => {
      this.setSent(true);
      confirmed();
    };
    const sure = h("button", { type: "button", class: "quiet-button danger", testid: `${testid}-confirm`, onclick: agree }, yes);
    const keep = h("button", { type: "button", class: "quiet-button", testid: `${testid}-keep`, onclick: () => this.#confirm(false) }, no);
    this.#answers = h("span", { class: "confirm", role: "group", "aria-label": question }, sure, keep);
    this.#ask.hidden = true;
    this.element.append(this.#answers);
    sure.focus();
  }

  #dismiss(): void {
    this.#answers?.remove();
    this.#answers = null;
    this.#ask.hidden = false;
  }
}
