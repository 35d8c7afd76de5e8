/** How an ended session is told: the numbers of an import, an error with what to do, a cancellation. */

import { h, icon } from "./dom";
import type {
  ErrorDetail,
  ImportCancelled,
  ImportComplete,
  ImportError,
  ImportSummary,
  JsonObject,
  TerminalEvent,
} from "../client/src/events.js";
import { countsInWords, formatDuration, formatPercent, formatValue, humanise } from "./format";
import { readRejections, rejectionsView } from "./rejections";
import { OUTCOME as TEXTS } from "./texts";

/** These four are the result; the rest explains it and is shown smaller. */
const HEADLINES = new Set(Object.keys(TEXTS.figures).slice(0, 4));

/** Figures that are only worth a place when they are not zero. */
const RARE = new Set(["skipped_rows", "encoding_replacements", "dates_corrected", "dates_unread"]);

/** Parts of a summary that are no figures and are shown in their own way. */
const NO_FIGURES = new Set(["rejections", "rejections_by_reason", "warnings", "dry_run"]);

/** Parts of a dry run's summary that a preview shows. */
const COLUMNS = new Set(["columns_found", "columns_read"]);

/** Details of an error that are about one row. */
const ROW_DETAILS = new Set(["line_number", "column", "received_value", "reason"]);

export function endingView(event: TerminalEvent): HTMLElement {
  if (event.status === "completed") return completeView(event);
  return event.status === "error" ? errorView(event) : cancelledView(event);
}

/** The outcome in a line, for narrow places. */
export function endingInBrief(event: TerminalEvent): string {
  if (event.status === "error") return sentence(event.error.message);
  if (event.status === "cancelled") return reasonSentence(event.reason);
  return event.summary ? summaryInBrief(event.summary) : "";
}

/** Zeros are left out unless all are. */
export function summaryInBrief(summary: ImportSummary): string {
  const told = countsInWords(summary, TEXTS.brief);
  if (told !== "") return summary.dry_run === true ? TEXTS.dryRunInBrief(told) : told;
  return Object.keys(TEXTS.brief).some((key) => typeof summary[key] === "number") ? TEXTS.nothingFound : "";
}

function completeView(event: ImportComplete): HTMLElement {
  return h(
    "div",
    { class: "outcome" },
    event.summary?.dry_run === true && h("p", { class: "note" }, TEXTS.dryRun),
    ...summaryParts(event.summary ?? {}),
    performanceLine(event),
    resultList(event.result),
  );
}

/** The figures of a summary, its warnings, and the rows that were rejected. */
export function summaryParts(summary: ImportSummary): (HTMLElement | false | null)[] {
  const shown = (key: string): boolean => !RARE.has(key) || summary[key] !== 0;
  const known = Object.keys(TEXTS.figures).filter((key) => key in summary && shown(key));
  const others = Object.keys(summary).filter((key) => !(key in TEXTS.figures) && !NO_FIGURES.has(key) && !COLUMNS.has(key));
  const figure = (key: string): HTMLElement =>
    h(
      "div",
      { class: summary[key] === 0 ? "figure zero" : "figure" },
      h("dt", {}, TEXTS.figures[key] ?? humanise(key)),
      h("dd", { testid: `summary-${key}` }, formatValue(summary[key])),
    );
  const headlines = known.filter((key) => HEADLINES.has(key));
  const rest = [...known.filter((key) => !HEADLINES.has(key)), ...others];
  const rejections = readRejections(summary);
  return [
    headlines.length > 0 && h("dl", { class: "figures headline" }, ...headlines.map(figure)),
    rest.length > 0 && h("dl", { class: "figures" }, ...rest.map(figure)),
    warningList(summary.warnings),
    rejections && rejectionsView(rejections),
  ];
}

export function warningList(warnings: unknown): HTMLElement | null {
  if (!Array.isArray(warnings) || warnings.length === 0) return null;
  return h(
    "ul",
    { class: "warnings", testid: "warnings" },
    ...warnings.slice(0, 20).map((warning) => h("li", {}, icon("alert"), h("bdi", {}, sentence(formatValue(warning))))),
  );
}

function performanceLine(event: ImportComplete): HTMLElement {
  const { rows_per_second: speed, peak_memory_mb: memory, database_operations: operations } = event.performance ?? {};
  const parts: HTMLElement[] = [];
  const part = (key: string, value: number | null | undefined, words: (value: number) => string): void => {
    if (typeof value === "number") parts.push(h("span", { testid: `summary-${key}` }, words(value)));
  };
  part("total_processed", event.total_processed, TEXTS.accepted);
  // Alone it would only repeat what the head of the card says.
  if (parts.length > 0) part("processing_time_ms", event.processing_time_ms, (value) => TEXTS.in(formatDuration(value)));
  part("rows_per_second", speed, (value) => TEXTS.speed(Math.round(value)));
  part("database_operations", operations, TEXTS.operations);
  part("peak_memory_mb", memory, (value) => TEXTS.peakMemory(Math.round(value)));
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

function errorView(event: ImportError): HTMLElement {
  const partial = event.partial_results ?? {};
  const rejections = readRejections(event.error.details, partial, (event as { summary?: unknown }).summary);
  return h(
    "div",
    { class: "outcome" },
    problemView(event.error),
    rejections && rejectionsView(rejections),
    h("p", { class: "note" }, partialSentence(partial, event.operation)),
  );
}

/** Code, message, details and suggestions; used for refused uploads too. */
export function problemView(error: ErrorDetail): HTMLElement {
  // Where rejected rows are listed, the first of them need not be told twice.
  const listed = readRejections(error.details) !== null;
  const details = Object.entries(error.details ?? {}).filter(
    ([key]) => !NO_FIGURES.has(key) && !(listed && ROW_DETAILS.has(key)),
  );
  const suggestions = error.recovery_suggestions ?? [];
  return h(
    "div",
    { class: "problem" },
    h("p", { class: "problem-message" }, icon("alert"), h("bdi", scrollable(error.message), sentence(error.message))),
    details.length > 0 && definitionList(details),
    suggestions.length > 0 && h("p", { class: "subtle" }, TEXTS.suggestions),
    suggestions.length > 0 &&
      h(
        "ul",
        { class: "suggestions", testid: "suggestions" },
        ...suggestions.map((text) => h("li", {}, h("bdi", {}, text))),
      ),
    h("p", { class: "subtle" }, TEXTS.code, " ", h("code", { testid: "error-code" }, error.code)),
  );
}

function cancelledView(event: ImportCancelled): HTMLElement {
  const partial = event.partial_results;
  const share = partial?.["completion_percentage"];
  const rows = partial?.["processed_rows"];
  return h(
    "div",
    { class: "outcome" },
    h(
      "p",
      { class: "note" },
      h("bdi", {}, reasonSentence(event.reason)),
      typeof rows === "number" && ` ${typeof share === "number" ? TEXTS.hadBeenReadInPart(rows, formatPercent(share)) : TEXTS.hadBeenRead(rows)}`,
      event.cleanup_performed && isImport(event.operation) && ` ${TEXTS.asBefore}`,
    ),
  );
}

/** What is said of a session that the server no longer knows. */
export function lostView(operation: string | null): HTMLElement {
  const text = isImport(operation) ? `${TEXTS.lost} ${TEXTS.lostImport}` : TEXTS.lost;
  return h("div", { class: "outcome" }, h("p", { class: "note" }, text));
}

function isImport(operation: string | null): boolean {
  return operation === "vulnerability_import";
}

function reasonSentence(reason: string | null): string {
  if (reason === null) return TEXTS.cancelledUnseen;
  return TEXTS.reasons[reason] ?? sentence(TEXTS.cancelled(reason));
}

function partialSentence(partial: JsonObject, operation: string | null): string {
  const rows = partial["processed_rows"];
  const read = typeof rows === "number" && rows > 0 && TEXTS.hadBeenRead(rows);
  const undone = partial["rolled_back"] === true && (isImport(operation) ? TEXTS.rolledBack : TEXTS.undone);
  return [read, undone].filter(Boolean).join(" ");
}

/** Longer texts scroll within their place, so the keyboard has to reach them. */
const SCROLLS_FROM = 200;

const scrollable = (text: string): { tabindex?: number } => (text.length >= SCROLLS_FROM ? { tabindex: 0 } : {});

/** Keys and values as they came; values keep their line breaks. */
export function definitionList(entries: [string, unknown][], most = 20): HTMLElement {
  const more = entries.length - most;
  return h(
    "dl",
    { class: "details" },
    ...entries
      .slice(0, most)
      .map(([key, value]) => {
        const text = formatValue(value);
        return h("div", {}, h("dt", {}, h("bdi", {}, humanise(key))), h("dd", scrollable(text), h("bdi", {}, ...linked(text))));
      }),
    more > 0 && h("div", {}, h("dt", {}, TEXTS.more(more))),
  );
}

/** Text whose web addresses can be followed. */
export function linked(text: string): (Node | string)[] {
  return text.split(/(https?:\/\/[^\s<>"']+)/).map((part, index) => {
    if (index % 2 === 0) return part;
    // The full stop of a sentence, or the bracket around an address, is no part of it.
    const address = part.replace(/[.,;:!?)\]}]+$/, "");
    if (!URL.canParse(address)) return part;
    const link = h("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, address);
    return h("span", {}, link, part.slice(address.length));
  });
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const start = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
