/** What an import of a file would do, and the choices that correct what the server guesses of it. */

import { SEVERITIES } from "./api";
import { h } from "./dom";
import type { JsonObject } from "../client/src/events.js";
import { problemView, summaryParts } from "./outcome";
import { readRejections } from "./rejections";
import type { Choices, Preview } from "./upload";

/** Fields of a finding in the words of people, in the order in which they matter. */
const FIELDS: Record<string, string> = {
  host: "Host",
  check: "Finding",
  severity: "Severity",
  cve: "CVE",
  title: "Title",
  cvss: "Score",
  port: "Port",
  protocol: "Protocol",
  ip: "Address",
  hostname: "Host name",
  state: "State",
  solution: "Solution",
  firstSeen: "First seen",
  lastSeen: "Last seen",
};

/** Fields that are always shown; the others where they are read, or on demand. */
const IN_BRIEF = ["host", "check", "severity", "cve"];

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
  const again = h("button", { type: "button", class: "quiet-button", testid: "preview-again", onclick: actions.check }, "Preview again");
  const editable = found.length > 0 || words.length > 0;
  again.hidden = !editable;
  const allowOlder = (): void => {
    choices.allowOlder = true;
    actions.check();
  };
  return h(
    "div",
    { class: "preview", testid: "preview", role: "group", "aria-label": "Preview" },
    summary && h("p", { class: "preview-title" }, "Importing this file would bring:"),
    // An import that failed has told its error in its card.
    ...(summary ? summaryParts(summary) : dryRun ? [problemView({ ...error, details: detailsBeside(found, error.details) })] : [h("p", { class: "note" }, error.message)]),
    error?.code === "OLDER_SCAN" &&
      h("button", { type: "button", class: "quiet-button", testid: "allow-older", onclick: allowOlder }, "Take it although it is older"),
    words.length > 0 && severityChoices(words, choices),
    found.length > 0 && columnChoices(found, read, choices, error?.code === "CSV_UNKNOWN_FORMAT"),
    h("div", { class: "preview-actions" }, again),
  );
}

function columnChoices(found: string[], read: Record<string, string[]>, choices: Choices, open: boolean): HTMLElement {
  const brief = IN_BRIEF.filter((field) => read[field] !== undefined).map((field) => `${FIELDS[field]} from “${read[field]![0]}”`);
  const details = h(
    "details",
    { class: "columns", testid: "columns" },
    h("summary", {}, brief.length > 0 ? h("bdi", {}, `Columns: ${brief.join(", ")}`) : "Say which columns hold what"),
    h(
      "p",
      { class: "subtle" },
      "A host, a finding or a CVE, and a severity or a score are needed. What you choose is remembered for files with the same columns when the file is imported.",
    ),
    h(
      "div",
      { class: "choices" },
      ...Object.entries(FIELDS).map(([field, label]) =>
        choice(label, `column-${field}`, automatic(read[field]), found, choices.mapping[field] ?? "", (column) => {
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
  return h(
    "fieldset",
    { class: "severity-words", testid: "severity-words" },
    h("legend", {}, "What do these words for the severity mean?"),
    h(
      "div",
      { class: "choices" },
      ...words.map((word) =>
        choice(word, `word-${word}`, "Rejected", SEVERITIES, choices.severityMap[word] ?? "", (severity) => {
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
  options: readonly string[],
  chosen: string,
  choose: (option: string) => void,
): HTMLElement {
  const select = h(
    "select",
    { testid },
    h("option", { value: "" }, none),
    ...options.map((option) => h("option", { value: option }, option)),
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
  return columns ? `Found: ${columns.join(", then ")}` : "Not found";
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
