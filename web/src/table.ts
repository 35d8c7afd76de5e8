import { ApiError, type Page } from "./api";
import { h, setAttribute, setText } from "./dom";
import { LatestThrottle } from "../client/src/throttle.js";
import { COMMON, TABLE } from "./texts";

/** Bursts of changes are answered by one request per this many milliseconds. */
const REFRESH_INTERVAL_MS = 1_000;

export interface Column<T> {
  title: string;
  /** Class of the cells, for width, alignment and phone layout. */
  class?: string;
  cell: (item: T) => Node | string;
  /** What the server sorts by for this column: what is asked for first, and the opposite. */
  sort?: [string, string];
}

interface TableOptions<T> {
  texts: {
    caption: string;
    /** How many there are. */
    total: (count: number) => string;
    /** Why they could not be read. */
    unread: (reason: string) => string;
  };
  testid: string;
  totalTestid?: string;
  pageSize: number;
  columns: Column<T>[];
  load: (limit: number, offset: number) => Promise<Page<T>>;
  /** Another order was chosen. */
  sorted?: () => void;
  /** What to say when there are no rows. */
  empty: () => Node;
}

/**
 * A table that reads itself page by page from the server. The markup carries
 * explicit roles, because on phones the style sheet lays rows out as blocks and
 * browsers then forget that they are a table.
 */
export class PagedTable<T> {
  readonly #options: TableOptions<T>;
  readonly #body = h("tbody", { role: "rowgroup" });
  readonly #frame: HTMLElement;
  readonly #message = h("div", { class: "table-message", role: "status" });
  readonly #range = h("span", {});
  readonly #total: HTMLElement;
  readonly #previous: HTMLButtonElement;
  readonly #next: HTMLButtonElement;
  readonly #pager: HTMLElement;
  readonly #refresh = new LatestThrottle<null>(REFRESH_INTERVAL_MS, () => void this.load());
  readonly #heads = new Map<Column<T>, HTMLElement>();
  /** The rows that are shown, with what they show. */
  #rows: { shows: string; row: HTMLElement }[] = [];
  #sort = "";
  #offset = 0;
  #request = 0;
  #tellRead!: () => void;
  /** Resolves when the table has been read once, or could not be. */
  readonly read = new Promise<void>((resolve) => (this.#tellRead = resolve));

  constructor(container: HTMLElement, options: TableOptions<T>) {
    this.#options = options;
    const step = (pages: number) => (): void => {
      this.#offset = Math.max(0, this.#offset + pages * options.pageSize);
      void this.load();
    };
    this.#total = h("span", { testid: options.totalTestid ?? null });
    this.#previous = h("button", { type: "button", class: "quiet-button", onclick: step(-1) }, TABLE.previous);
    this.#next = h("button", { type: "button", class: "quiet-button", onclick: step(1) }, TABLE.next);
    this.#pager = h(
      "div",
      { class: "pager" },
      h("p", { class: "subtle" }, this.#range, this.#total),
      h("div", {}, this.#previous, this.#next),
    );
    this.#frame = h(
      "table",
      { testid: options.testid, role: "table" },
      h("caption", { class: "visually-hidden" }, options.texts.caption),
      h(
        "thead",
        { role: "rowgroup" },
        h(
          "tr",
          { role: "row" },
          ...options.columns.map((column) => this.#head(column)),
        ),
      ),
      this.#body,
    );
    setText(this.#message, COMMON.loading);
    this.#frame.hidden = true;
    this.#pager.hidden = true;
    container.append(this.#frame, this.#message, this.#pager);
  }

  /** One of a column's orders, or empty for the server's own. */
  get sort(): string {
    return this.#sort;
  }

  /** Reads the present page again soon. */
  refresh(): void {
    this.#refresh.push("", null);
  }

  /** Goes back to the first page, after a filter has changed. */
  restart(): void {
    this.#offset = 0;
    void this.load();
  }

  async load(): Promise<void> {
    this.#request += 1;
    const request = this.#request;
    try {
      const page = await this.#options.load(this.#options.pageSize, this.#offset);
      // Answers can overtake each other; only the latest question counts.
      if (request !== this.#request) return;
      if (page.items.length === 0 && page.total > 0 && this.#offset > 0) {
        this.#offset = Math.floor((page.total - 1) / this.#options.pageSize) * this.#options.pageSize;
        return await this.load();
      }
      this.#show(page);
    } catch (error) {
      if (request === this.#request) this.#fail(error instanceof ApiError ? error.message : String(error));
    }
    this.#tellRead();
  }

  #show(page: Page<T>): void {
    this.#showRows(page.items);
    const none = page.total === 0;
    this.#frame.hidden = none;
    this.#pager.hidden = none;
    this.#message.hidden = !none;
    if (none) this.#message.replaceChildren(this.#options.empty());
    const last = page.offset + page.items.length;
    const whole = page.total === page.items.length;
    setText(this.#range, whole ? "" : TABLE.range(page.offset + 1, last));
    setText(this.#total, this.#options.texts.total(page.total));
    this.#total.setAttribute("data-total", String(page.total));
    this.#previous.disabled = page.offset === 0;
    this.#next.disabled = last >= page.total;
    this.#previous.hidden = this.#next.hidden = whole;
  }

  /** Rows that show the same stay where they are, with what was opened in them and the focus. */
  #showRows(items: T[]): void {
    const old = this.#rows;
    this.#rows = items.map((item) => {
      const shows = JSON.stringify(item);
      return old.find((known) => known.shows === shows) ?? { shows, row: this.#row(item) };
    });
    const kept = new Set(this.#rows.map(({ row }) => row));
    for (const { row } of old) if (!kept.has(row)) row.remove();
    this.#rows.forEach(({ row }, index) => {
      const present = this.#body.children[index];
      if (present !== row) this.#body.insertBefore(row, present ?? null);
    });
  }

  #row(item: T): HTMLElement {
    return h(
      "tr",
      { role: "row" },
      ...this.#options.columns.map((column) =>
        h("td", { role: "cell", class: column.class ?? null, "data-label": column.title }, column.cell(item)),
      ),
    );
  }

  #head(column: Column<T>): HTMLElement {
    const { title, sort } = column;
    const button = sort && h("button", { type: "button", class: "sort-button", onclick: () => this.#sortBy(sort) }, title);
    const head = h("th", { scope: "col", role: "columnheader", class: column.class ?? null }, button ?? title);
    if (sort) this.#heads.set(column, head);
    return head;
  }

  /** First the one order, then the opposite, then the server's own again. */
  #sortBy([first, opposite]: [string, string]): void {
    this.#sort = this.#sort === first ? opposite : this.#sort === opposite ? "" : first;
    for (const [{ sort }, head] of this.#heads) {
      if (!sort?.includes(this.#sort)) head.removeAttribute("aria-sort");
      else setAttribute(head, "aria-sort", this.#sort.startsWith("-") ? "descending" : "ascending");
    }
    this.#options.sorted?.();
    this.restart();
  }

  #fail(reason: string): void {
    const again = h("button", { type: "button", class: "quiet-button", onclick: () => void this.load() }, COMMON.again);
    this.#message.hidden = false;
    this.#message.replaceChildren(h("p", {}, this.#options.texts.unread(reason)), again);
  }
}
