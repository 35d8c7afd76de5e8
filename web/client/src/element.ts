import { WebSocketClient } from "./client.js";
import { WORDS, etaInWords, formatPercent, humanise, rowsInWords } from "./words.js";
import { SessionStore } from "./session-store.js";
import { type SessionView, isStalled } from "./session-view.js";

/** One connection for all elements of a page that watch the same server. */
const shared = new Map<string, { client: WebSocketClient; store: SessionStore }>();

const STYLE = `
  :host { display: block; font: inherit; }
  :host([hidden]) { display: none; }
  .line { display: flex; justify-content: space-between; gap: 1em; }
  .name, .facts { overflow-wrap: anywhere; unicode-bidi: isolate; }
  .percent { font-variant-numeric: tabular-nums; }
  .bar { height: 0.6em; margin: 0.3em 0; overflow: hidden; border-radius: 1em;
    background: var(--pulsewheel-track, color-mix(in srgb, currentColor 15%, transparent)); }
  .fill { height: 100%; border-radius: inherit; transform: translateX(-100%); transition: transform 120ms linear;
    background: var(--pulsewheel-bar, #0f766e); }
  [data-status="error"] .fill { background: var(--pulsewheel-bad, #b42318); }
  [data-status="cancelled"] .fill, [data-status="lost"] .fill { background: #6b7280; }
  .facts { font-size: 0.9em; opacity: 0.8; min-height: 1.3em; }
  @media (prefers-reduced-motion: reduce) { .fill { transition: none; } }
  @media (forced-colors: active) { .bar { border: 1px solid CanvasText; } .fill { forced-color-adjust: none; background: Highlight; } }
`;

/**
 * `<pulsewheel-progress session="…">` shows one session as it goes: name, bar,
 * what is being done, how long it takes.
 *
 * Attributes: `session` (its id) and `server` (an address; default: the page's
 * own). Events: `progress` and `end`, each with the state as `detail`.
 */
export class PulsewheelProgress extends HTMLElement {
  static readonly observedAttributes = ["session", "server"];

  readonly #root: ShadowRoot;
  readonly #frame = document.createElement("div");
  readonly #name = part("name");
  readonly #percent = part("percent");
  readonly #bar = part("bar");
  readonly #fill = part("fill");
  readonly #facts = part("facts");
  #stop: (() => void) | null = null;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.#root.adoptedStyleSheets = [sheet];
    const line = part("line");
    line.append(this.#name, this.#percent);
    this.#bar.append(this.#fill);
    this.#bar.setAttribute("role", "progressbar");
    this.#bar.setAttribute("aria-valuemin", "0");
    this.#bar.setAttribute("aria-valuemax", "100");
    this.#frame.append(line, this.#bar, this.#facts);
    this.#root.append(this.#frame);
  }

  connectedCallback(): void {
    this.#watch();
  }

  disconnectedCallback(): void {
    this.#stop?.();
    this.#stop = null;
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#watch();
  }

  #watch(): void {
    this.#stop?.();
    const session = this.getAttribute("session")?.toLowerCase();
    this.#show(undefined, 0);
    if (!session) return;
    const { client, store } = connectionTo(this.getAttribute("server"));
    let shown: SessionView | undefined;
    const render = (): void => {
      const view = store.get(session);
      this.#show(view, store.now());
      if (!view || view === shown) return;
      shown = view;
      this.dispatchEvent(new CustomEvent(view.endedAt === null ? "progress" : "end", { detail: view }));
    };
    const unsubscribe = store.subscribe((changed) => {
      if (changed.has(session)) render();
    });
    const clock = setInterval(() => this.#show(store.get(session), store.now()), 1_000);
    const lost = ({ sessionId }: { sessionId: string }): void => {
      if (sessionId === session && !store.get(session)) this.#facts.textContent = WORDS.unknown;
    };
    client.subscribe("session_lost", lost);
    this.#stop = () => {
      clearInterval(clock);
      unsubscribe();
      client.unsubscribe("session_lost", lost);
    };
    render();
    client.trackImportProgress(session);
    client.connect().catch(() => {});
  }

  #show(view: SessionView | undefined, now: number): void {
    const progress = view?.progress ?? 0;
    const { filename, title } = view?.metadata ?? {};
    const named = [filename, title].find((name) => typeof name === "string" && name !== "") as string | undefined;
    const name = named ?? (view?.operation ? humanise(view.operation) : "");
    const reached = `translateX(${progress * 100 - 100}%)`;
    setAttribute(this.#frame, "data-status", view?.status ?? "unknown");
    setText(this.#name, name);
    setText(this.#percent, view ? formatPercent(progress) : "");
    if (this.#fill.style.transform !== reached) this.#fill.style.transform = reached;
    setAttribute(this.#bar, "aria-label", name || WORDS.progress);
    if (view) setAttribute(this.#bar, "aria-valuenow", String(Math.floor(progress * 1000) / 10));
    else this.#bar.removeAttribute("aria-valuenow");
    if (view) setText(this.#facts, factsOf(view, now));
  }
}

/** Makes the element known to the page, once. */
export function defineElement(name = "pulsewheel-progress"): void {
  if (!customElements.get(name)) customElements.define(name, PulsewheelProgress);
}

function factsOf(view: SessionView, now: number): string {
  const { ending } = view;
  if (ending?.status === "error") return ending.error.message;
  if (ending) return ending.status === "completed" ? WORDS.done : WORDS.cancelled;
  if (view.status === "lost") return WORDS.forgotten;
  if (isStalled(view, now)) return WORDS.stalled;
  const eta = view.etaSeconds === null ? "" : etaInWords(view.etaSeconds);
  return [view.currentStep, rowsInWords(view.processedRows, view.totalRows), eta].filter(Boolean).join(" · ");
}

function connectionTo(server: string | null): { client: WebSocketClient; store: SessionStore } {
  const key = server ?? "";
  let known = shared.get(key);
  if (!known) {
    const address = server ? new URL(server, document.baseURI) : null;
    const secure = address?.protocol === "https:";
    // A server may lie below a path of its host.
    const path = address && `${address.pathname.replace(/\/$/, "")}/socket.io/`;
    const client = new WebSocketClient(
      address ? { host: address.hostname, port: address.port || (secure ? "443" : "80"), secure, path: path! } : {},
    );
    client.maxReconnectAttempts = Number.POSITIVE_INFINITY;
    known = { client, store: new SessionStore(client) };
    shared.set(key, known);
  }
  return known;
}

/** Writes only what differs, so that what stays is neither laid out nor read out again. */
function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function setAttribute(element: HTMLElement, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function part(name: string): HTMLElement {
  const element = document.createElement("div");
  element.className = name;
  element.setAttribute("part", name);
  return element;
}
