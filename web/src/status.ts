import type { WebSocketClient } from "../client/src/client.js";
import { byId, h, setAttribute, setText } from "./dom";
import type { ConnectionInfo, Heartbeat } from "../client/src/events.js";
import { formatElapsed } from "./format";
import { glide } from "./glide";
import { STATUS as TEXTS } from "./texts";

/** A short interruption needs no banner. */
const BANNER_AFTER_MS = 1_500;

/** What holds of the connection, for people. */
type Standing = ConnectionInfo["state"] | "quiet" | "polled" | "frozen";

/** Connection chip, banner and footer: whether what the page shows is live. */
export class StatusView {
  readonly #client: WebSocketClient;
  readonly #uploading: () => boolean;
  readonly #chip = byId("connection");
  readonly #word = byId("connection-word");
  readonly #countdown = byId("connection-countdown");
  readonly #transport = byId("transport");
  readonly #banner = byId("banner");
  readonly #bannerText = h("p", {});
  readonly #footer = byId("heartbeat");
  #info: ConnectionInfo;
  #even = false;
  #retryAtMs: number | null = null;
  #doubtfulSinceMs: number | null = null;
  #clock: ReturnType<typeof setInterval> | null = null;

  /** `retry` is called by the banner's button; `uploading` says whether this page is sending a file. */
  constructor(client: WebSocketClient, retry: () => void, uploading: () => boolean) {
    this.#client = client;
    this.#uploading = uploading;
    this.#info = client.connection;
    this.#banner.append(
      this.#bannerText,
      h("button", { type: "button", class: "quiet-button", testid: "retry", onclick: retry }, TEXTS.tryNow),
    );
    client.subscribe("connection_changed", (info) => {
      this.#info = info;
      this.#retryAtMs = info.retryInMs === null ? null : Date.now() + info.retryInMs;
      this.#show();
    });
    client.subscribe("heartbeat", (heartbeat) => this.#beat(heartbeat));
    for (const event of ["online", "offline"]) window.addEventListener(event, () => this.#show());
  }

  #show(): void {
    const standing = standingOf(this.#info);
    const live = standing === "connected";
    setAttribute(this.#chip, "data-state", standing);
    setText(this.#word, TEXTS.standings[standing]);
    setText(this.#transport, this.#info.transport ?? "");
    this.#transport.hidden = this.#info.transport === null;
    this.#doubtfulSinceMs = live ? null : (this.#doubtfulSinceMs ?? Date.now());
    if (this.#clock) clearInterval(this.#clock);
    this.#clock = live ? null : setInterval(() => this.#tick(standing), 500);
    this.#tick(standing);
  }

  #tick(standing: Standing): void {
    const now = Date.now();
    const seconds = this.#retryAtMs === null ? 0 : Math.max(0, Math.ceil((this.#retryAtMs - now) / 1000));
    // Read out every second it would drown all else, so it is only seen.
    setText(this.#countdown, standing === "reconnecting" ? (seconds > 0 ? TEXTS.countdown(seconds) : "…") : "");
    const told = this.#doubtfulSinceMs !== null && now - this.#doubtfulSinceMs >= BANNER_AFTER_MS;
    // On small screens alerts make room for it.
    const toasts = (): Iterable<HTMLElement> => document.querySelectorAll<HTMLElement>(".toast");
    if (this.#banner.hidden === told) glide(toasts, () => (this.#banner.hidden = !told));
    if (!told) return;
    const { lastHeardMs } = this.#client;
    const age = lastHeardMs === null ? null : formatElapsed(now - lastHeardMs);
    setText(this.#bannerText, bannerText(standing, age, seconds, this.#uploading()));
  }

  #beat(heartbeat: Heartbeat): void {
    const { used_mb: used, available_mb: available } = heartbeat.memory_usage;
    const memory = available === null ? TEXTS.memoryUsed(used) : TEXTS.memoryUsedAndLeft(used, available);
    this.#footer.replaceChildren(
      h("span", {}, TEXTS.upFor(heartbeat.server_uptime)),
      h("span", {}, memory),
      h("span", {}, TEXTS.sessions(heartbeat.active_sessions)),
    );
    // Two animations of the same look, since one that is set already would not start again.
    this.#even = !this.#even;
    setAttribute(this.#chip, "data-beat", this.#even ? "even" : "odd");
  }
}

function standingOf({ state, quiet, polled, unanswered }: ConnectionInfo): Standing {
  if (state === "connected") return quiet ? "quiet" : "connected";
  if (polled) return "polled";
  // What listens on this machine is in reach without a network; then nothing is wrong, and this is not asked.
  if (!navigator.onLine) return "offline";
  return unanswered && state !== "offline" ? "frozen" : state;
}

/** `age` is how long ago the server was heard; null if it never was. */
function bannerText(standing: Standing, age: string | null, seconds: number, uploading: boolean): string {
  const seen = age === null ? null : TEXTS.seen(age);
  const work = uploading ? TEXTS.uploadMayFail : TEXTS.workGoesOn;
  const next = seconds > 0 ? TEXTS.again(seconds) : TEXTS.againNow;
  return sentences(standing, seen, work, next).filter(Boolean).join(" ");
}

function sentences(standing: Standing, seen: string | null, work: string, next: string): (string | null)[] {
  switch (standing) {
    case "connecting":
      return [TEXTS.connecting];
    case "quiet":
      return [TEXTS.quiet, seen];
    case "polled":
      return [TEXTS.polled, work];
    case "frozen":
      return [TEXTS.frozen, seen, work, next];
    case "offline":
      return navigator.onLine ? [TEXTS.noServer, seen, work] : [TEXTS.offline, seen, work, TEXTS.goesOn];
    default:
      return [TEXTS.lost, seen, work, next];
  }
}
