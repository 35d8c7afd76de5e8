/** How an ended session is told: the numbers of an import, an error with what to do, a cancellation. */

import { h, icon } from "./dom";
import type { ErrorDetail, ImportCancelled, ImportComplete, ImportError, JsonObject } from "./events";
import { formatCount, formatDuration, formatPercent, formatValue, humanise, plural } from "./format";

/** Labels of `import_complete.summary`, in the order in which people ask for them. */
const SUMMARY_LABELS: Record<string, string> = {
  new_vulnerabilities: "New",
  updated_vulnerabilities: "Changed",
  reopened: "Reopened",
  resolved_vulnerabilities: "Resolved",
  unchanged: "Unchanged",
  skipped_duplicates: "Repeated in the file",
  validation_errors: "Rows rejected",
  encoding_replacements: "Unreadable characters replaced",
};

/** These four are the result; the rest explains it and is shown smaller. */
const HEADLINES = new Set(Object.keys(SUMMARY_LABELS).slice(0, 4));

const REASONS: Record<string, string> = {
  user_requested: "Cancelled on request.",
  stale: "Ended by the server, because no update came for 30 minutes.",
};

export function completeView(event: ImportComplete): HTMLElement {
  const summary = event.summary ?? {};
  const known = Object.keys(SUMMARY_LABELS).filter((key) => key in summary);
  const others = Object.keys(summary).filter((key) => !(key in SUMMARY_LABELS));
  const figure = (key: string): HTMLElement =>
    h(
      "div",
      { class: summary[key] === 0 ? "figure zero" : "figure" },
      h("dt", {}, SUMMARY_LABELS[key] ?? humanise(key)),
      h("dd", { testid: `summary-${key}` }, formatValue(summary[key])),
    );
  const headlines = known.filter((key) => HEADLINES.has(key));
  const rest = [...known.filter((key) => !HEADLINES.has(key)), ...others];
  return h(
    "div",
    { class: "outcome" },
    headlines.length > 0 && h("dl", { class: "figures headline" }, ...headlines.map(figure)),
    rest.length > 0 && h("dl", { class: "figures" }, ...rest.map(figure)),
    performanceLine(event),
    resultList(event.result),
  );
}

function performanceLine(event: ImportComplete): HTMLElement {
  const { rows_per_second: speed, peak_memory_mb: memory, database_operations: operations } = event.performance ?? {};
  const parts: HTMLElement[] = [];
  const part = (key: string, value: number | null | undefined, words: (value: number) => string): void => {
    if (typeof value === "number") parts.push(h("span", { testid: `summary-${key}` }, words(value)));
  };
  part("total_processed", event.total_processed, (value) => `${plural(value, "row")} taken in`);
  part("processing_time_ms", event.processing_time_ms, (value) => `in ${formatDuration(value)}`);
  part("rows_per_second", speed, (value) => `${formatCount(Math.round(value))} rows/s`);
  part("database_operations", operations, (value) => plural(value, "database operation"));
  part("peak_memory_mb", memory, (value) => `peak memory ${formatCount(Math.round(value))} MiB`);
  return h("p", { class: "facts" }, ...parts);
}

/** Parts of a result that have a place of their own; a snapshot of an ended session repeats them in its result. */
const SHOWN_ELSEWHERE = new Set(["import_id", "total_processed", "processing_time_ms", "summary", "performance"]);

/** What producers of other kinds hand over as their result. */
function resultList(result: unknown): HTMLElement | null {
  if (result === null || result === undefined) return null;
  if (typeof result !== "object" || Array.isArray(result)) return h("p", { class: "facts" }, formatValue(result));
  const entries = Object.entries(result as JsonObject).filter(([key]) => !SHOWN_ELSEWHERE.has(key));
  return entries.length === 0 ? null : definitionList(entries);
}

export function errorView(event: ImportError): HTMLElement {
  return h(
    "div",
    { class: "outcome" },
    problemView(event.error),
    h("p", { class: "note" }, partialSentence(event.partial_results ?? {})),
  );
}

/** Code, message, details and suggestions; used for refused uploads too. */
export function problemView(error: ErrorDetail): HTMLElement {
  const details = Object.entries(error.details ?? {});
  const suggestions = error.recovery_suggestions ?? [];
  return h(
    "div",
    { class: "problem" },
    h("p", { class: "problem-message" }, icon("alert"), h("span", {}, sentence(error.message))),
    details.length > 0 && definitionList(details),
    suggestions.length > 0 && h("p", { class: "subtle" }, "What you can do:"),
    suggestions.length > 0 &&
      h("ul", { class: "suggestions", testid: "suggestions" }, ...suggestions.map((text) => h("li", {}, text))),
    h("p", { class: "subtle" }, "Error code ", h("code", { testid: "error-code" }, error.code)),
  );
}

export function cancelledView(event: ImportCancelled): HTMLElement {
  const reason = event.reason === null ? "Cancelled while this page was not connected." : REASONS[event.reason];
  const partial = event.partial_results;
  const share = partial?.["completion_percentage"];
  const rows = partial?.["processed_rows"];
  return h(
    "div",
    { class: "outcome" },
    h(
      "p",
      { class: "note" },
      reason ?? `Cancelled: ${event.reason}.`,
      typeof rows === "number" && ` ${plural(rows, "row")} had been read`,
      typeof rows === "number" && typeof share === "number" && ` (${formatPercent(share)})`,
      typeof rows === "number" && ".",
      event.cleanup_performed && " Everything is as it was before.",
    ),
  );
}

function partialSentence(partial: JsonObject): string {
  const rows = partial["processed_rows"];
  const read = typeof rows === "number" && rows > 0 ? `${plural(rows, "row")} had been read. ` : "";
  return `${read}${partial["rolled_back"] === true ? "Nothing of this file was kept; the findings are as they were before." : ""}`;
}

function definitionList(entries: [string, unknown][]): HTMLElement {
  return h(
    "dl",
    { class: "details" },
    ...entries.slice(0, 20).map(([key, value]) => h("div", {}, h("dt", {}, humanise(key)), h("dd", {}, formatValue(value)))),
  );
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const start = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
