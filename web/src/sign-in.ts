import type { WebSocketClient } from "../client/src/client.js";
import { byId, setText } from "./dom";
import { SIGN_IN } from "./texts";

/** Asks for a token when the server wants to know who looks, and signs in with it. */
export class SignIn {
  readonly #dialog = byId<HTMLDialogElement>("sign-in");
  readonly #token = byId<HTMLInputElement>("sign-in-token");
  readonly #problem = byId("sign-in-problem");

  /** `done` is called after a sign-in. */
  constructor(client: WebSocketClient, done: () => void) {
    client.subscribe("auth_required", () => this.ask());
    byId<HTMLFormElement>("sign-in-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send(done);
    });
    this.#dialog.addEventListener("cancel", (event) => event.preventDefault());
  }

  ask(): void {
    if (this.#dialog.open) return;
    this.#dialog.showModal();
    this.#token.focus();
  }

  async #send(done: () => void): Promise<void> {
    const body = JSON.stringify({ token: this.#token.value.trim() });
    setText(this.#problem, "");
    const response = await fetch("api/login", { method: "POST", headers: { "Content-Type": "application/json" }, body }).catch(() => null);
    if (response?.ok) {
      this.#token.value = "";
      this.#dialog.close();
      done();
    } else {
      setText(this.#problem, problemOf(response));
    }
  }
}

function problemOf(response: Response | null): string {
  if (!response) return SIGN_IN.unreachable;
  if (response.status !== 429) return SIGN_IN.refused;
  return SIGN_IN.tooMany(Number(response.headers.get("Retry-After") ?? 1));
}
