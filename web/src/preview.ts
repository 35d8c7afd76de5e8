/** What an import of a file would do, and the choices that correct what the server guesses of it. */

import { SEVERITIES } from "./api";
import { h } from "./dom";
import type { JsonObject } from "../client/src/events.js";
import { problemView, summaryParts } from "./outcome";
import { readRejections } from "./rejections";
import type { Choices, Preview } from "./upload";
import { COMMON, PREVIEW as TEXTS } from "./texts";

/** Fields that are always shown; the others where they are read, or on demand. */
const IN_BRIEF = ["host", "check", "severity", "cve"];

/** The value of an option, and what it is called. */
type Option = [value: string, word: string];

interface PreviewActions {
  /** Tries the file again with its choices. */
  check: () => void;
}

/** Shows a preview; what is chosen in it is written to `choices`. */
export function previewView(preview: Preview, choices: Choices, dryRun: boolean, actions: PreviewActions): HTMLElement {
  const { summary, error } = preview;
  const found = columnNames(summary?.["columns_found"] ?? error?.details?.["columns_found"]);
  const read = columnsRead(summary?.["columns_read"]);
  const words = unknownWords(summary ?? error?.details ?? {}, choices);
  const again = h("button", { type: "button", class: "quiet-button", testid: "preview-again", onclick: actions.check }, TEXTS.again);
  const editable = found.length > 0 || words.length > 0;
  again.hidden = !editable;
  const allowOlder = (): void => {
    choices.allowOlder = true;
    actions.check();
  };
  return h(
    "div",
    { class: "preview", testid: "preview", role: "group", "aria-label": TEXTS.label },
    summary && h("p", { class: "preview-title" }, TEXTS.title),
    // An import that failed has told its error in its card.
    ...(summary ? summaryParts(summary) : dryRun ? [problemView({ ...error, details: detailsBeside(found, error.details) })] : [h("p", { class: "note" }, error.message)]),
    error?.code === "OLDER_SCAN" &&
      h("button", { type: "button", class: "quiet-button", testid: "allow-older", onclick: allowOlder }, TEXTS.allowOlder),
    words.length > 0 && severityChoices(words, choices),
    found.length > 0 && columnChoices(found, read, choices, error?.code === "CSV_UNKNOWN_FORMAT"),
    h("div", { class: "preview-actions" }, again),
  );
}

function columnChoices(found: string[], read: Record<string, string[]>, choices: Choices, open: boolean): HTMLElement {
  const brief = IN_BRIEF.filter((field) => read[field] !== undefined).map((field) => TEXTS.from(TEXTS.fields[field]!, read[field]![0]!));
  const columns = found.map((column): Option => [column, column]);
  const details = h(
    "details",
    { class: "columns", testid: "columns" },
    h("summary", {}, brief.length > 0 ? h("bdi", {}, TEXTS.columns(brief.join(", "))) : TEXTS.columnsUnknown),
    h("p", { class: "subtle" }, TEXTS.columnsHint),
    h(
      "div",
      { class: "choices" },
      ...Object.entries(TEXTS.fields).map(([field, label]) =>
        choice(label, `column-${field}`, automatic(read[field]), columns, choices.mapping[field] ?? "", (column) => {
          if (column) choices.mapping[field] = column;
          else delete choices.mapping[field];
        }),
      ),
    ),
  );
  details.open = open || Object.keys(choices.mapping).length > 0;
  return details;
}

function severityChoices(words: string[], choices: Choices): HTMLElement {
  const severities = SEVERITIES.map((severity): Option => [severity, COMMON.severities[severity]!]);
  return h(
    "fieldset",
    { class: "severity-words", testid: "severity-words" },
    h("legend", {}, TEXTS.severityWords),
    h(
      "div",
      { class: "choices" },
      ...words.map((word) =>
        choice(word, `word-${word}`, TEXTS.rejected, severities, choices.severityMap[word] ?? "", (severity) => {
          if (severity) choices.severityMap[word] = severity;
          else delete choices.severityMap[word];
        }),
      ),
    ),
  );
}

function choice(
  label: string,
  testid: string,
  none: string,
  options: readonly Option[],
  chosen: string,
  choose: (option: string) => void,
): HTMLElement {
  const select = h(
    "select",
    { testid },
    h("option", { value: "" }, none),
    ...options.map(([value, word]) => h("option", { value }, word)),
  );
  select.value = chosen;
  select.addEventListener("change", () => choose(select.value));
  return h("label", { class: "field" }, h("bdi", {}, label), select);
}

/** The choice of columns tells which there are. */
function detailsBeside(found: string[], details: JsonObject | null | undefined): JsonObject {
  const { columns_found: _found, columns_wanted: _wanted, ...others } = details ?? {};
  return found.length > 0 ? others : (details ?? {});
}

function automatic(columns: string[] | undefined): string {
  return columns ? TEXTS.found(columns) : TEXTS.notFound;
}

/** Words of the severity column that the server does not know, and those that were given a meaning. */
function unknownWords(source: JsonObject, { severityMap }: Choices): string[] {
  const rows = readRejections(source)?.first ?? [];
  const unknown = rows.filter(({ reason }) => reason === "unknown_severity").map(({ received_value: value }) => value?.trim());
  return [...new Set([...Object.keys(severityMap), ...unknown.filter((word) => typeof word === "string" && word !== "")])] as string[];
}

function columnNames(value: unknown): string[] {
  return Array.isArray(value) ? [...new Set(value.filter((name): name is string => typeof name === "string" && name !== ""))] : [];
}

function columnsRead(value: unknown): Record<string, string[]> {
  const entries = Object.entries(typeof value === "object" && value !== null ? value : {});
  return Object.fromEntries(entries.map(([field, columns]) => [field, columnNames(columns)]).filter(([, columns]) => columns!.length > 0));
}
