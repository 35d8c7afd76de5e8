// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SessionCard } from "../src/card";
import type { ImportProgress, SystemAlert, TerminalEvent } from "../client/src/events.js";
import { type SessionView, createdView, endedView, lostView, progressView } from "../client/src/session-view.js";
import { Toasts } from "../src/toasts";
import { CREATED, ID, cancelled, complete, failed, progress, session } from "./samples";

beforeEach(() => document.body.replaceChildren());
afterEach(() => void vi.useRealTimers());

/** The time of the samples' events. */
const AT = Date.parse("2025-01-12T10:32:15.456Z");

/** A card on the page that shows one session after the other, at a time of its own. */
class Shown {
  readonly cancel = vi.fn();
  readonly #card = new SessionCard(ID, { cancel: this.cancel, close: vi.fn(), toggle: vi.fn() });
  readonly element = this.#card.element;
  #view: SessionView | undefined;
  #now = AT;

  constructor() {
    document.body.replaceChildren(this.element);
  }

  show(view: SessionView): void {
    this.#view = view;
    this.#card.render(view, this.#now);
  }

  progress(event: ImportProgress): void {
    this.show(progressView(this.#view, { createdAt: CREATED, ...event }));
  }

  end(event: TerminalEvent): void {
    this.show(endedView(this.#view, event));
  }

  wait(ms: number): void {
    this.#now += ms;
    this.#card.tick(this.#now);
  }
}

const card = (): Shown => new Shown();

const find = (testid: string): HTMLElement => {
  const element = document.querySelector<HTMLElement>(`[data-testid="${testid}"]`);
  if (!element) throw new Error(`no ${testid}`);
  return element;
};
const text = (testid: string): string => find(testid).textContent;

describe("session card", () => {
  test("shows how far the work is, and says so to screen readers", () => {
    card().progress(progress(1, 0.6543));
    const bar = find("progress-bar");
    expect(bar.getAttribute("role")).toBe("progressbar");
    expect(bar.getAttribute("aria-valuenow")).toBe("65.4");
    expect([bar.getAttribute("aria-valuemin"), bar.getAttribute("aria-valuemax")]).toEqual(["0", "100"]);
    expect(bar.getAttribute("aria-valuetext")).toBe("65%, 654 of 1,000 rows");
    expect(bar.getAttribute("aria-label")).toBe("Progress of scan.csv");
    expect(["current-step", "rows", "speed", "eta", "elapsed"].map(text)).toEqual([
      "Reading rows",
      "654 of 1,000 rows",
      "65 rows/s",
      "about 45 seconds left",
      "running for 2 min",
    ]);
  });

  test("has no value while the length is unknown and nothing is done", () => {
    const shown = card();
    shown.progress(progress(1, 0, { total_rows: null, processed_rows: 40 }));
    expect(find("progress-bar").hasAttribute("aria-valuenow")).toBe(false);
    expect(find("progress-bar").getAttribute("aria-valuetext")).toBe("not known yet, 40 rows");
    expect(shown.element.classList.contains("unknown-length")).toBe(true);
    shown.progress(progress(2, 0.1, { total_rows: null }));
    expect(find("progress-bar").getAttribute("aria-valuenow")).toBe("10");
  });

  test("an update writes only what differs on a card", () => {
    const shown = card();
    shown.progress(progress(1, 0.5));
    const observer = new MutationObserver(() => {});
    // Texts and what is read out; browsers note nothing where a class or a style stays as it is, other than the document of this test.
    const attributeFilter = ["aria-label", "aria-valuenow", "aria-valuetext", "data-status"];
    observer.observe(shown.element, { subtree: true, childList: true, characterData: true, attributeFilter });
    shown.progress(progress(2, 0.5, { eta_seconds: 20 }));
    const written = new Set(observer.takeRecords().map(({ target }) => target));
    expect([...written]).toEqual([find("eta")]);
  });

  test("never goes backwards", () => {
    const shown = card();
    shown.progress(progress(1, 0.5));
    shown.progress(progress(2, 0.3));
    expect(find("progress-bar").getAttribute("aria-valuenow")).toBe("50");
  });

  test("shows what is null as nothing, and nothing that is not known", () => {
    const none = { current_step: null, processed_rows: null, total_rows: null, eta_seconds: null, operation: null };
    card().progress(progress(1, 0.5, { ...none, metadata: {} }));
    expect(find("session-card").querySelector("h3")?.textContent).toBe("Session 0f8fad5b");
    expect(["rows", "speed", "eta"].map(text)).toEqual(["", "", ""]);
    expect(find("session-card").textContent).not.toMatch(/null|undefined|NaN/);
  });

  test("an estimate that silence has refuted is not shown any longer", () => {
    const shown = card();
    shown.progress(progress(1, 0.5, { eta_seconds: 2 }));
    expect(text("eta")).toBe("a few seconds left");
    shown.wait(6_000);
    expect(text("eta")).toBe("a few seconds left");
    shown.wait(2_000);
    expect(text("eta")).toBe("");
  });

  test("shows every number of the summary at the end", () => {
    const shown = card();
    shown.progress(progress(1, 0.5));
    shown.end(complete(2));
    expect(shown.element.dataset["status"]).toBe("completed");
    const summary = complete(2).summary!;
    for (const [key, value] of Object.entries(summary)) {
      expect(text(`summary-${key}`)).toBe((value as number).toLocaleString("en-US"));
    }
    expect(text("summary-total_processed")).toBe("1,500 rows accepted");
    expect(text("summary-processing_time_ms")).toBe("in 4.3 s");
    expect(text("summary-rows_per_second")).toBe("353 rows/s");
    expect(text("summary-database_operations")).toBe("2,847 database operations");
    expect(text("summary-peak_memory_mb")).toBe("peak memory 16 MiB");
    expect(find("progress-bar").getAttribute("aria-valuenow")).toBe("100");
    expect(find("cancel").closest<HTMLElement>(".cancel")!.hidden).toBe(true);
  });

  test("shows which rows were rejected, and why", () => {
    const evil = "<img src=x onerror=alert(1)>";
    const rejections = [
      { line_number: 12, column: "severity", received_value: evil, reason: "unknown severity" },
      { line_number: 1_019, column: null, received_value: null, reason: "host_missing" },
    ];
    const shown = card();
    const summary = { ...complete(2).summary!, validation_errors: 52, rejections, rejections_by_reason: { host_missing: 11, "unknown severity": 41 } };
    shown.end({ ...complete(2), summary });
    expect(find("rejections").querySelector("p")?.textContent).toBe("52 rows rejected");
    expect([...find("rejections-by-reason").children].map((line) => line.textContent)).toEqual(["41 unknown severity", "11 Host missing"]);
    const rows = [...find("rejection-rows").querySelectorAll("tbody tr")];
    expect(rows.map((row) => [...row.children].map((cell) => cell.textContent))).toEqual([
      ["12", "severity", evil, "unknown severity"],
      ["1,019", "–", "–", "Host missing"],
    ]);
    expect(find("rejection-rows").querySelector("caption")?.textContent).toBe("The first 2 of them");
    expect(document.querySelector("img")).toBeNull();
  });

  test("shows why no row of a file was taken in", () => {
    const rejections = [{ line_number: 2, column: "Host", received_value: "", reason: "the host is missing" }];
    const details = { rejections, rejections_by_reason: { "the host is missing": 3 }, rows: 3, line_number: 2, column: "Host" };
    card().end({ ...failed(1), error: { code: "NO_VALID_ROWS", message: "no row could be taken in", details } });
    expect(text("error-code")).toBe("NO_VALID_ROWS");
    expect(text("rejections-by-reason")).toBe("3 the host is missing");
    expect(find("rejection-rows").querySelector("tbody")?.textContent).toBe("2Host(empty)the host is missing");
    expect(document.querySelector(".problem .details")?.textContent).toBe("Rows3");
  });

  test("shows warnings of a summary and says that a dry run wrote nothing", () => {
    card().end({ ...complete(1), summary: { new_vulnerabilities: 3, warnings: ["no host column"], dry_run: true } });
    expect(text("warnings")).toBe("No host column.");
    expect(find("session-card").textContent).toContain("A dry run: nothing was written.");
    expect(document.querySelector('[data-testid="summary-warnings"]')).toBeNull();
  });

  test("shows what a producer of another kind hands over", () => {
    card().end({
      ...complete(1),
      total_processed: null,
      processing_time_ms: null,
      summary: null,
      performance: null,
      result: { filesCopied: 12, report: "see https://reports.example/7.", summary: { shown: "elsewhere" }, import_id: 7 },
    });
    expect(document.querySelector(".details")?.textContent).toBe("Files copied12Reportsee https://reports.example/7.");
    expect(document.querySelector(".details a")?.getAttribute("href")).toBe("https://reports.example/7");
  });

  test("shows metadata that has no place of its own", () => {
    card().progress(progress(1, 0.5, { metadata: { filename: "model.pt", epoch: 3, loss: 0.25, nested: { a: 1 } } }));
    expect(text("extras")).toBe("Epoch3Loss0.25");
  });

  test("shows an error with code, details and suggestions", () => {
    const shown = card();
    shown.end(failed(1));
    expect(shown.element.dataset["status"]).toBe("error");
    expect(text("error-code")).toBe("CSV_UNKNOWN_FORMAT");
    expect(shown.element.textContent).toContain("No column names a host.");
    expect(shown.element.textContent).toContain("Columns foundcveID, product");
    expect(text("suggestions")).toBe("Export the scan as CSV");
    expect(shown.element.textContent).toContain("156 rows had been read. Nothing of this file was kept");
  });

  test("shows a cancellation, and promises nothing for work of other kinds", () => {
    const shown = card();
    shown.end(cancelled(1));
    expect(shown.element.dataset["status"]).toBe("cancelled");
    expect(shown.element.textContent).toContain("523 rows had been read (34%). Everything is as it was before.");
    const other = card();
    other.end({ ...cancelled(1), operation: "nightly_backup", reason: "disk full" });
    expect(other.element.textContent).toContain("Cancelled: disk full. 523 rows");
    expect(other.element.textContent).not.toContain("as it was before");
  });

  test("a session that is lost refers to the imports only if it was one", () => {
    for (const [operation, told] of [["vulnerability_import", true], ["nightly_backup", false]] as const) {
      const shown = card();
      shown.show(lostView(progressView(undefined, progress(1, 0.5, { operation })), AT));
      expect(shown.element.dataset["status"]).toBe("lost");
      expect(shown.element.textContent!.includes("past imports")).toBe(told);
    }
  });

  test("gives the keyboard focus to the next button when its cancel button goes", () => {
    const shown = card();
    shown.progress(progress(1, 0.5));
    find("cancel").focus();
    shown.end(cancelled(1));
    expect(document.activeElement?.getAttribute("aria-label")).toBe("Remove this card");
  });

  test("asks before it cancels", () => {
    const shown = card();
    shown.progress(progress(1, 0.5));
    find("cancel").click();
    expect(shown.cancel).not.toHaveBeenCalled();
    expect(document.activeElement).toBe(find("cancel-confirm"));
    find("cancel-keep").click();
    expect(document.activeElement).toBe(find("cancel"));
    find("cancel").click();
    find("cancel-confirm").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect(find("cancel").hidden).toBe(false);
    find("cancel").click();
    find("cancel-confirm").click();
    expect(shown.cancel).toHaveBeenCalledOnce();
    expect(find("cancel").getAttribute("aria-disabled")).toBe("true");
  });

  test("a session that begins anew under its id is shown as a new one", () => {
    const shown = card();
    shown.progress(progress(1, 0.9));
    shown.end(failed(2));
    shown.show(createdView({ sessionId: ID, metadata: { filename: "again.csv" }, timestamp: new Date(AT).toISOString() }));
    shown.progress(progress(3, 0.1, { metadata: { filename: "again.csv" } }));
    expect(shown.element.dataset["status"]).toBe("processing");
    expect(find("progress-bar").getAttribute("aria-valuenow")).toBe("10");
    expect(document.querySelector(".outcome")).toBeNull();
    expect(find("cancel").getAttribute("aria-disabled")).toBe("false");
  });

  test("text of the server stays text, and its direction stays its own", () => {
    const evil = "<img src=x onerror=alert(1)>";
    const shown = card();
    shown.progress(progress(1, 0.1, { current_step: evil, metadata: { filename: evil, vendor: evil, [evil]: evil } }));
    expect(text("current-step")).toBe(evil);
    shown.end({ ...failed(2), error: { code: evil, message: evil, details: { [evil]: evil }, recovery_suggestions: [evil] } });
    expect(document.querySelector("img")).toBeNull();
    expect(text("error-code")).toBe(evil);
    const other = card();
    other.progress(progress(1, 0.1, { metadata: { filename: "שלום.csv" } }));
    expect(other.element.getAttribute("aria-label")).toBe("Vulnerability import: \u2068שלום.csv\u2069");
    expect(other.element.querySelector("h3 bdi")?.textContent).toBe("שלום.csv");
  });

  test("tells when no news came for half a minute, and takes it back with the next", () => {
    const shown = card();
    shown.progress(progress(1, 0.1));
    shown.wait(29_999);
    expect(shown.element.classList.contains("stalled")).toBe(false);
    shown.wait(1_001);
    expect(shown.element.classList.contains("stalled")).toBe(true);
    expect(text("eta")).toBe("no news for 31 s");
    shown.progress(progress(2, 0.2, { lastUpdate: AT + 31_000 }));
    expect(shown.element.classList.contains("stalled")).toBe(false);
  });

  test("a session that was stalled before the page was opened is shown as stalled", () => {
    card().progress(session(4, 0.4, { lastUpdate: AT - 125_000, stalled: true }) as never);
    expect(find("session-card").classList.contains("stalled")).toBe(true);
    expect(text("eta")).toBe("no news for 2 min");
    expect(text("elapsed")).toBe("running for 2 min");
  });
});

describe("toasts", () => {
  const alert = (more: Partial<SystemAlert> = {}): SystemAlert => ({
    level: "warning",
    category: "maintenance",
    message: "Backup recommended",
    timestamp: "2025-01-12T10:35:00.000Z",
    ...more,
  });
  function region(): { toasts: Toasts; shown: () => Element[] } {
    const element = document.createElement("div");
    document.body.append(element);
    return { toasts: new Toasts(element), shown: () => [...element.children] };
  }

  test("show level, message and what is to be done", () => {
    const { toasts, shown } = region();
    toasts.alert(alert({ action_required: true, action_details: { description: "Run it", endpoint: "/api/backup" } }));
    expect(shown()[0]?.getAttribute("data-level")).toBe("warning");
    for (const part of ["Warning · maintenance", "Action required", "Backup recommended", "Run it", "/api/backup"]) {
      expect(shown()[0]?.textContent).toContain(part);
    }
  });

  test("only urgent ones interrupt a screen reader", () => {
    const { toasts, shown } = region();
    for (const level of ["info", "warning", "error", "critical"] as const) toasts.alert(alert({ level }));
    expect(shown().map((toast) => toast.getAttribute("role"))).toEqual(["status", "status", "alert", "alert"]);
  });

  test("leave by themselves after auto_dismiss, but not while they are being read", () => {
    vi.useFakeTimers();
    const { toasts, shown } = region();
    toasts.alert(alert({ auto_dismiss: 1000 }));
    toasts.alert(alert());
    shown()[0]!.dispatchEvent(new Event("pointerenter"));
    vi.advanceTimersByTime(5000);
    expect(shown()).toHaveLength(2);
    shown()[0]!.dispatchEvent(new Event("pointerleave"));
    vi.advanceTimersByTime(1000);
    expect(shown()).toHaveLength(1);
    vi.advanceTimersByTime(3_600_000);
    expect(shown()).toHaveLength(1);
  });

  test("are dismissed by their button and by Escape", () => {
    const { toasts, shown } = region();
    toasts.alert(alert());
    toasts.alert(alert());
    shown()[0]!.querySelector("button")!.click();
    expect(shown()).toHaveLength(1);
    shown()[0]!.querySelector("button")!.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    expect(shown()).toHaveLength(0);
  });

  test("more than five make room for the newest, those that need action last", () => {
    const { toasts, shown } = region();
    toasts.alert(alert({ message: "act", action_required: true, auto_dismiss: 1 }));
    for (let number = 1; number <= 7; number += 1) toasts.alert(alert({ message: `alert ${number}` }));
    expect(shown()).toHaveLength(5);
    expect(shown()[0]!.textContent).toContain("act");
    expect(shown()[4]!.textContent).toContain("alert 7");
  });

  test("what needs action does not leave by itself", () => {
    vi.useFakeTimers();
    const { toasts, shown } = region();
    toasts.alert(alert({ action_required: true, auto_dismiss: 100 }));
    vi.advanceTimersByTime(3_600_000);
    expect(shown()).toHaveLength(1);
  });

  test("give the focus on when they go", () => {
    const { toasts, shown } = region();
    for (let number = 1; number <= 2; number += 1) toasts.alert(alert({ message: `alert ${number}` }));
    const button = shown()[0]!.querySelector("button")!;
    button.focus();
    button.click();
    expect(shown()[0]!.contains(document.activeElement)).toBe(true);
  });
});
