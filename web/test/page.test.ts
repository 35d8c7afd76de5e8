// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SessionCard } from "../src/card";
import type { SystemAlert } from "../src/events";
import { Toasts } from "../src/toasts";
import { ID, cancelled, complete, failed, progress } from "./samples";

beforeEach(() => document.body.replaceChildren());
afterEach(() => void vi.useRealTimers());

function card(): SessionCard {
  const made = new SessionCard(ID, { cancel: vi.fn(), close: vi.fn() });
  document.body.append(made.element);
  return made;
}

const find = (testid: string): HTMLElement => {
  const element = document.querySelector<HTMLElement>(`[data-testid="${testid}"]`);
  if (!element) throw new Error(`no ${testid}`);
  return element;
};
const text = (testid: string): string => find(testid).textContent;

describe("session card", () => {
  test("shows how far the work is, and says so to screen readers", () => {
    card().update(progress(1, 0.6543));
    const bar = find("progress-bar");
    expect(bar.getAttribute("role")).toBe("progressbar");
    expect(bar.getAttribute("aria-valuenow")).toBe("65.4");
    expect([bar.getAttribute("aria-valuemin"), bar.getAttribute("aria-valuemax")]).toEqual(["0", "100"]);
    expect(bar.getAttribute("aria-valuetext")).toBe("65%, 654 of 1,000 rows");
    expect(bar.getAttribute("aria-label")).toBe("Progress of scan.csv");
    expect(["current-step", "rows", "speed", "eta"].map(text)).toEqual([
      "Reading rows",
      "654 of 1,000 rows",
      "65 rows/s",
      "about 45 seconds left",
    ]);
  });

  test("has no value while the length is unknown and nothing is done", () => {
    const { element, update } = bound(card());
    update(progress(1, 0, { total_rows: null, processed_rows: 40 }));
    expect(find("progress-bar").hasAttribute("aria-valuenow")).toBe(false);
    expect(find("progress-bar").getAttribute("aria-valuetext")).toBe("not known yet, 40 rows");
    expect(element.classList.contains("unknown-length")).toBe(true);
    update(progress(2, 0.1, { total_rows: null }));
    expect(find("progress-bar").getAttribute("aria-valuenow")).toBe("10");
  });

  test("never goes backwards", () => {
    const { update } = bound(card());
    update(progress(1, 0.5));
    update(progress(2, 0.3));
    expect(find("progress-bar").getAttribute("aria-valuenow")).toBe("50");
  });

  test("shows every number of the summary at the end", () => {
    const made = card();
    made.update(progress(1, 0.5));
    made.complete(complete(2));
    expect(made.element.dataset["status"]).toBe("completed");
    const summary = complete(2).summary!;
    for (const [key, value] of Object.entries(summary)) {
      expect(text(`summary-${key}`)).toBe((value as number).toLocaleString("en-US"));
    }
    expect(text("summary-total_processed")).toBe("1,500 rows taken in");
    expect(text("summary-processing_time_ms")).toBe("in 4.3 s");
    expect(text("summary-rows_per_second")).toBe("353 rows/s");
    expect(text("summary-database_operations")).toBe("2,847 database operations");
    expect(text("summary-peak_memory_mb")).toBe("peak memory 16 MiB");
    expect(find("progress-bar").getAttribute("aria-valuenow")).toBe("100");
    expect(find("cancel").hidden).toBe(true);
  });

  test("shows what a producer of another kind hands over", () => {
    card().complete({
      ...complete(1),
      total_processed: null,
      processing_time_ms: null,
      summary: null,
      performance: null,
      result: { filesCopied: 12, summary: { shown: "elsewhere" }, import_id: 7 },
    });
    expect(document.querySelector(".details")?.textContent).toBe("Files copied12");
  });

  test("shows an error with code, details and suggestions", () => {
    const made = card();
    made.fail(failed(1));
    expect(made.element.dataset["status"]).toBe("error");
    expect(text("error-code")).toBe("CSV_UNKNOWN_FORMAT");
    expect(made.element.textContent).toContain("No column names a host.");
    expect(made.element.textContent).toContain("Columns foundcveID, product");
    expect(text("suggestions")).toBe("Export the scan as CSV");
    expect(made.element.textContent).toContain("156 rows had been read. Nothing of this file was kept");
  });

  test("shows a cancellation and ignores what comes after", () => {
    const made = card();
    made.cancelled(cancelled(1));
    made.update(progress(2, 0.9));
    expect(made.element.dataset["status"]).toBe("cancelled");
    expect(made.element.textContent).toContain("523 rows had been read (34%). Everything is as it was before.");
  });

  test("gives the keyboard focus to the next button when its cancel button goes", () => {
    const made = card();
    find("cancel").focus();
    made.cancelled(cancelled(1));
    expect(document.activeElement?.getAttribute("aria-label")).toBe("Remove this card");
  });

  test("text of the server stays text", () => {
    const evil = "<img src=x onerror=alert(1)>";
    const made = card();
    made.update(progress(1, 0.1, { current_step: evil, metadata: { filename: evil, vendor: evil } }));
    expect(text("current-step")).toBe(evil);
    made.fail({ ...failed(2), error: { code: evil, message: evil, details: { [evil]: evil }, recovery_suggestions: [evil] } });
    expect(document.querySelector("img")).toBeNull();
    expect(text("error-code")).toBe(evil);
  });

  test("tells when no news came for half a minute, and takes it back with the next", () => {
    vi.useFakeTimers();
    const { element, update, made } = bound(card());
    update(progress(1, 0.1));
    made.checkStalled(Date.now() + 29_999);
    expect(element.classList.contains("stalled")).toBe(false);
    made.checkStalled(Date.now() + 31_000);
    expect(text("eta")).toBe("no news for 31 seconds");
    update(progress(2, 0.2));
    expect(element.classList.contains("stalled")).toBe(false);
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

  test("more than five make room for the newest", () => {
    const { toasts, shown } = region();
    for (let number = 1; number <= 7; number += 1) toasts.alert(alert({ message: `alert ${number}` }));
    expect(shown()).toHaveLength(5);
    expect(shown()[4]!.textContent).toContain("alert 7");
  });
});

function bound(made: SessionCard): { made: SessionCard; element: HTMLElement; update: SessionCard["update"] } {
  return { made, element: made.element, update: (event) => made.update(event) };
}
