import { fetchFindings, fetchStatistics, type Finding, findingsFile, type FindingsFilter, SEVERITIES, type Statistics } from "./api";
import { byId, h, setAttribute, setText } from "./dom";
import { formatCount, formatTime } from "./format";
import { StatisticsView } from "./statistics";
import { PagedTable } from "./table";
import { LatestThrottle } from "../client/src/throttle.js";
import { COMMON, FINDINGS as TEXTS } from "./texts";

const PAGE_SIZE = 10;
const TYPING_PAUSE_MS = 300;

const FILE_FORMATS = ["csv", "json"] as const;

/** The table of findings with its filters, and above it the counts by severity and what they came from. */
export class FindingsView {
  readonly #search = byId<HTMLInputElement>("filter-text");
  readonly #vendor = byId<HTMLSelectElement>("filter-vendor");
  readonly #severity = byId<HTMLSelectElement>("filter-severity");
  readonly #host = byId<HTMLInputElement>("filter-host");
  readonly #status = byId<HTMLSelectElement>("filter-status");
  readonly #table: PagedTable<Finding>;
  readonly #tiles = new Map<string, { button: HTMLButtonElement; count: HTMLElement }>();
  #tellCounts!: () => void;
  readonly #countsRead = new Promise<void>((resolve) => (this.#tellCounts = resolve));
  #typing: ReturnType<typeof setTimeout> | undefined;
  readonly #statistics: StatisticsView;
  readonly #refreshCounts = new LatestThrottle<null>(1_000, () => void this.#loadCounts());

  constructor(container: HTMLElement, tiles: HTMLElement) {
    this.#table = new PagedTable(container, {
      texts: TEXTS.table,
      testid: "findings-table",
      totalTestid: "findings-total",
      pageSize: PAGE_SIZE,
      columns: this.#columns(),
      load: (limit, offset) => fetchFindings({ ...this.#filter(), limit, offset }),
      sorted: () => this.#showFiles(),
      empty: () => this.#emptyMessage(),
    });
    this.#statistics = new StatisticsView(byId("statistics"), (host) => this.#showHost(host));
    for (const severity of SEVERITIES) this.#addTile(tiles, severity);
    for (const select of [this.#severity, this.#status, this.#vendor]) {
      select.addEventListener("change", () => this.#filtersChanged());
    }
    for (const input of [this.#search, this.#host]) {
      input.addEventListener("input", () => {
        clearTimeout(this.#typing);
        this.#typing = setTimeout(() => this.#filtersChanged(), TYPING_PAUSE_MS);
      });
    }
    this.#showFiles();
  }

  /** Resolves when all of it has been read once, or could not be. */
  get read(): Promise<unknown> {
    return Promise.all([this.#table.read, this.#countsRead]);
  }

  refresh(): void {
    this.#table.refresh();
    this.#refreshCounts.push("", null);
  }

  /** Reads them now; rejects where that fails. */
  async load(): Promise<void> {
    await Promise.all([this.#table.load(), this.#loadCounts()]);
  }

  #filter(): FindingsFilter {
    return {
      q: this.#search.value.trim(),
      severity: this.#severity.value,
      status: this.#status.value,
      vendor: this.#vendor.value,
      host: this.#host.value.trim(),
      sort: this.#table.sort,
    };
  }

  /** What is saved is what the table shows, on all its pages. */
  #showFiles(): void {
    for (const format of FILE_FORMATS) byId(`save-${format}`).setAttribute("href", findingsFile(format, this.#filter()));
  }

  #showHost(host: string): void {
    this.#host.value = host;
    this.#filtersChanged();
  }

  #filtersChanged(): void {
    // A pause that still runs would turn back to the first page a second time, after a reader has gone on.
    clearTimeout(this.#typing);
    for (const [severity, { button }] of this.#tiles) {
      const chosen = this.#severity.value === severity && this.#status.value === "active";
      setAttribute(button, "aria-pressed", String(chosen));
    }
    this.#showFiles();
    this.#table.restart();
  }

  #columns(): ConstructorParameters<typeof PagedTable<Finding>>[1]["columns"] {
    return [
      { title: TEXTS.severity, sort: ["-severity", "severity"], class: "severity-cell", cell: ({ severity }) => severityBadge(severity) },
      {
        title: TEXTS.finding,
        sort: ["title", "-title"],
        class: "main-cell",
        cell: (item) =>
          h(
            "div",
            {},
            h("bdi", { class: "main-text" }, item.title ?? item.check),
            h("bdi", { class: "subtle" }, [item.cve, item.vendor].filter(Boolean).join(" · ")),
          ),
      },
      { title: TEXTS.host, sort: ["host", "-host"], class: "host-cell", cell: (item) => this.#hostButton(item) },
      { title: TEXTS.port, cell: (item) => portText(item) },
      { title: TEXTS.cvss, sort: ["-cvss", "cvss"], class: "number-cell", cell: ({ cvss }) => (cvss === null ? "–" : cvss.toFixed(1)) },
      {
        title: TEXTS.status,
        class: "status-cell",
        cell: ({ status }) => h("span", { class: "badge", "data-kind": status }, TEXTS.statuses[status] ?? status),
      },
      { title: TEXTS.lastSeen, sort: ["-lastSeen", "lastSeen"], class: "time-cell", cell: ({ lastSeen }) => formatTime(lastSeen) || "–" },
    ];
  }

  #hostButton(item: Finding): HTMLElement {
    const name = item.hostname ?? item.ip ?? item.host;
    const address = item.ip !== null && item.ip !== name ? item.ip : null;
    const show = (): void => this.#showHost(item.host);
    return h(
      "div",
      {},
      h("button", { type: "button", class: "link-button", title: COMMON.onlyThisHost, onclick: show }, h("bdi", {}, name)),
      address && h("span", { class: "subtle" }, address),
    );
  }

  #emptyMessage(): Node {
    const { sort: _sort, ...filter } = this.#filter();
    if (Object.values(filter).every((value) => value === "")) {
      return h(
        "div",
        {},
        h("p", { class: "empty-title" }, TEXTS.empty),
        h("p", {}, TEXTS.emptyHint),
      );
    }
    const clear = (): void => {
      for (const field of [this.#search, this.#severity, this.#status, this.#vendor, this.#host]) field.value = "";
      this.#filtersChanged();
    };
    return h(
      "div",
      {},
      h("p", { class: "empty-title" }, TEXTS.noMatch),
      filter.host && h("p", {}, TEXTS.noSuchHost),
      h("button", { type: "button", class: "quiet-button", onclick: clear }, TEXTS.showAll),
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
      h("span", { class: "tile-label" }, COMMON.severities[severity] ?? severity),
    );
    this.#tiles.set(severity, { button, count });
    container.append(button);
  }

  async #loadCounts(): Promise<void> {
    let statistics: Statistics | null = null;
    try {
      statistics = await fetchStatistics();
    } catch {
      // The table below says what is wrong; old figures would claim to be true.
    }
    for (const [severity, { count }] of this.#tiles) {
      setText(count, statistics ? formatCount(statistics.bySeverity[severity as keyof Statistics["bySeverity"]] ?? 0) : "–");
    }
    this.#statistics.show(statistics);
    if (statistics) this.#offerVendors(Object.keys(statistics.byVendor));
    this.#tellCounts();
  }

  /** One that is chosen stays there, also when nothing of it is active any more. */
  #offerVendors(vendors: string[]): void {
    const chosen = this.#vendor.value;
    const all = [...new Set(chosen ? [...vendors, chosen] : vendors)].sort();
    const options = [h("option", { value: "" }, COMMON.all), ...all.map((vendor) => h("option", { value: vendor }, vendor))];
    if (options.map(({ value }) => value).join("\n") === [...this.#vendor.options].map(({ value }) => value).join("\n")) return;
    this.#vendor.replaceChildren(...options);
    this.#vendor.value = chosen;
  }
}

function severityBadge(severity: string): HTMLElement {
  return h("span", { class: "badge severity", "data-severity": severity }, COMMON.severities[severity] ?? severity);
}

function portText({ port, protocol }: Finding): string {
  if (port === null || port === "") return protocol || "–";
  return protocol ? `${port}/${protocol}` : String(port);
}
