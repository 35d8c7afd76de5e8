import type { WebSocketClient } from "../client/src/client.js";
import { byId, h, setAttribute, setText } from "./dom";
import type { ConnectionInfo, Heartbeat } from "../client/src/events.js";
import { formatCount, plural } from "./format";

/** A short interruption needs no banner. */
const BANNER_AFTER_MS = 1_500;

/** Connection chip, banner and footer: whether what the page shows is live. */
export class StatusView {
  readonly #uploading: () => boolean;
  readonly #chip = byId("connection");
  readonly #word = byId("connection-word");
  readonly #transport = byId("transport");
  readonly #banner = byId("banner");
  readonly #bannerText = h("p", {});
  readonly #footer = byId("heartbeat");
  #retryAtMs: number | null = null;
  #brokenSinceMs: number | null = null;
  #clock: ReturnType<typeof setInterval> | null = null;

  /** `uploading`: whether this page is sending a file. */
  constructor(client: WebSocketClient, uploading: () => boolean) {
    this.#uploading = uploading;
    const retry = (): void => void client.connect().catch(() => {});
    this.#banner.append(
      this.#bannerText,
      h("button", { type: "button", class: "quiet-button", testid: "retry", onclick: retry }, "Try now"),
    );
    client.subscribe("connection_changed", (info) => this.#show(info));
    client.subscribe("heartbeat", (heartbeat) => this.#beat(heartbeat));
  }

  #show(info: ConnectionInfo): void {
    const connected = info.state === "connected";
    setAttribute(this.#chip, "data-state", info.quiet ? "quiet" : info.state);
    setText(this.#word, chipWord(info));
    setText(this.#transport, info.transport ?? "");
    this.#transport.hidden = info.transport === null;
    this.#retryAtMs = info.retryInMs === null ? null : Date.now() + info.retryInMs;
    this.#brokenSinceMs = connected ? null : (this.#brokenSinceMs ?? Date.now());
    if (this.#clock) clearInterval(this.#clock);
    this.#clock = connected ? null : setInterval(() => this.#tick(info), 500);
    this.#tick(info);
  }

  #tick(info: ConnectionInfo): void {
    const broken = this.#brokenSinceMs !== null && Date.now() - this.#brokenSinceMs >= BANNER_AFTER_MS;
    this.#banner.hidden = !broken;
    if (broken) setText(this.#bannerText, bannerText(info, this.#retryAtMs, this.#uploading()));
  }

  #beat(heartbeat: Heartbeat): void {
    const { used_mb: used, available_mb: available } = heartbeat.memory_usage;
    const memory =
      available === null
        ? `${formatCount(used)} MiB of memory used`
        : `${formatCount(used)} MiB of memory used, ${formatCount(available)} MiB left`;
    this.#footer.replaceChildren(
      h("span", {}, `Server up for ${heartbeat.server_uptime}`),
      h("span", {}, memory),
      h("span", {}, plural(heartbeat.active_sessions, "active session")),
    );
    // Starting an animation again takes a change of the class and a look at the layout between.
    this.#chip.classList.remove("beat");
    void this.#chip.offsetWidth;
    this.#chip.classList.add("beat");
  }
}

function chipWord(info: ConnectionInfo): string {
  switch (info.state) {
    case "connected":
      return info.quiet ? "Connected, but quiet" : "Live";
    case "connecting":
      return "Connecting…";
    case "reconnecting":
      return "Reconnecting…";
    case "offline":
      return "Offline";
  }
}

function bannerText(info: ConnectionInfo, retryAtMs: number | null, uploading: boolean): string {
  if (info.state === "connecting") return "Connecting to the server…";
  const work = uploading
    ? "The upload from this page may fail; other work goes on without this page."
    : "Running work does not depend on this page.";
  if (info.polled) {
    return `No live connection. The figures are read again every few seconds. ${work}`;
  }
  if (info.state === "offline") return `No connection to the server. What you see may be out of date. ${work}`;
  const seconds = retryAtMs === null ? 0 : Math.max(0, Math.ceil((retryAtMs - Date.now()) / 1000));
  const next = seconds > 0 ? `Trying again in ${plural(seconds, "second")}.` : "Trying again now…";
  return `The connection to the server is lost. What you see may be out of date. ${work} ${next}`;
}
