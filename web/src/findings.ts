import { fetchFindings, SEVERITIES, type Finding } from "./api";
import { byId, h, setAttribute, setText } from "./dom";
import { formatCount, formatTime } from "./format";
import { PagedTable } from "./table";
import { LatestThrottle } from "./throttle";

const PAGE_SIZE = 10;
const TYPING_PAUSE_MS = 300;

/** The table of findings with its filters, and the counts by severity above it. */
export class FindingsView {
  readonly #severity = byId<HTMLSelectElement>("filter-severity");
  readonly #host = byId<HTMLInputElement>("filter-host");
  readonly #status = byId<HTMLSelectElement>("filter-status");
  readonly #table: PagedTable<Finding>;
  readonly #tiles = new Map<string, { button: HTMLButtonElement; count: HTMLElement }>();
  #typing: ReturnType<typeof setTimeout> | undefined;
  readonly #refreshTiles = new LatestThrottle<null>(1_000, () => void this.#loadTiles());

  constructor(container: HTMLElement, tiles: HTMLElement) {
    this.#table = new PagedTable(container, {
      caption: "Findings, latest first",
      testid: "findings-table",
      totalTestid: "findings-total",
      noun: "finding",
      pageSize: PAGE_SIZE,
      columns: this.#columns(),
      load: (limit, offset) => fetchFindings({ ...this.#filters(), limit, offset }),
      empty: () => this.#emptyMessage(),
    });
    for (const severity of SEVERITIES) this.#addTile(tiles, severity);
    this.#severity.addEventListener("change", () => this.#filtersChanged());
    this.#status.addEventListener("change", () => this.#filtersChanged());
    this.#host.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#filtersChanged(), TYPING_PAUSE_MS);
    });
  }

  refresh(): void {
    this.#table.refresh();
    this.#refreshTiles.push("", null);
  }

  #filters(): { severity: string; host: string; status: string } {
    return { severity: this.#severity.value, host: this.#host.value.trim(), status: this.#status.value };
  }

  #filtersChanged(): void {
    // A pause that still runs would turn back to the first page a second time, after a reader has gone on.
    clearTimeout(this.#typing);
    for (const [severity, { button }] of this.#tiles) {
      const chosen = this.#severity.value === severity && this.#status.value === "active";
      setAttribute(button, "aria-pressed", String(chosen));
    }
    this.#table.restart();
  }

  #columns(): ConstructorParameters<typeof PagedTable<Finding>>[1]["columns"] {
    return [
      { title: "Severity", class: "severity-cell", cell: ({ severity }) => severityBadge(severity) },
      {
        title: "Finding",
        class: "main-cell",
        cell: (item) =>
          h(
            "div",
            {},
            h("bdi", { class: "main-text" }, item.title ?? item.check),
            h("bdi", { class: "subtle" }, [item.cve, item.vendor].filter(Boolean).join(" · ")),
          ),
      },
      { title: "Host", class: "host-cell", cell: (item) => this.#hostButton(item) },
      { title: "Port", cell: (item) => portText(item) },
      { title: "CVSS", class: "number-cell", cell: ({ cvss }) => (cvss === null ? "–" : cvss.toFixed(1)) },
      {
        title: "Status",
        class: "status-cell",
        cell: ({ status }) => h("span", { class: "badge", "data-kind": status }, status),
      },
      { title: "Last seen", class: "time-cell", cell: ({ lastSeen }) => formatTime(lastSeen) || "–" },
    ];
  }

  #hostButton(item: Finding): HTMLElement {
    const name = item.hostname ?? item.ip ?? item.host;
    const address = item.ip !== null && item.ip !== name ? item.ip : null;
    const show = (): void => {
      this.#host.value = item.host;
      this.#filtersChanged();
    };
    return h(
      "div",
      {},
      h("button", { type: "button", class: "link-button", title: "Show only this host", onclick: show }, h("bdi", {}, name)),
      address && h("span", { class: "subtle" }, address),
    );
  }

  #emptyMessage(): Node {
    const { severity, host, status } = this.#filters();
    if (!severity && !host && !status) {
      return h(
        "div",
        {},
        h("p", { class: "empty-title" }, "No findings yet"),
        h("p", {}, "They appear here as soon as the first scan has been imported."),
      );
    }
    const clear = (): void => {
      this.#severity.value = this.#host.value = this.#status.value = "";
      this.#filtersChanged();
    };
    return h(
      "div",
      {},
      h("p", { class: "empty-title" }, "Nothing matches these filters"),
      host && h("p", {}, "A host must be given exactly: its name, its address, or the id that the scanner uses."),
      h("button", { type: "button", class: "quiet-button", onclick: clear }, "Show all findings"),
    );
  }

  /** A tile shows how many findings of a severity are open, and filters the table by it. */
  #addTile(container: HTMLElement, severity: string): void {
    const count = h("span", { class: "tile-count", testid: `count-${severity}` }, "–");
    const toggle = (): void => {
      const chosen = button.getAttribute("aria-pressed") === "true";
      this.#severity.value = chosen ? "" : severity;
      this.#status.value = chosen ? "" : "active";
      this.#filtersChanged();
    };
    const button = h(
      "button",
      { type: "button", class: "tile", "data-severity": severity, "aria-pressed": "false", onclick: toggle },
      count,
      h("span", { class: "tile-label" }, severity),
    );
    this.#tiles.set(severity, { button, count });
    container.append(button);
  }

  async #loadTiles(): Promise<void> {
    await Promise.all(
      [...this.#tiles].map(async ([severity, { count }]) => {
        try {
          const { total } = await fetchFindings({ severity, status: "active", limit: 1 });
          setText(count, formatCount(total));
        } catch {
          // The table below says what is wrong; an old figure would claim to be true.
          setText(count, "–");
        }
      }),
    );
  }
}

function severityBadge(severity: string): HTMLElement {
  return h("span", { class: "badge severity", "data-severity": severity }, severity);
}

function portText({ port, protocol }: Finding): string {
  if (port === null || port === "") return protocol || "–";
  return protocol ? `${port}/${protocol}` : String(port);
}
