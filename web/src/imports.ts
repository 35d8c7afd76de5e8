import { fetchImports, type ImportRecord } from "./api";
import { h } from "./dom";
import { formatCount, formatDuration, formatTime } from "./format";
import { PagedTable } from "./table";

const PAGE_SIZE = 5;

const STATUS_WORDS: Record<ImportRecord["status"], string> = {
  running: "running",
  completed: "done",
  error: "failed",
  cancelled: "cancelled",
  interrupted: "interrupted",
};

/** The history of imports, newest first. */
export function createImportsTable(container: HTMLElement): PagedTable<ImportRecord> {
  return new PagedTable(container, {
    caption: "Past imports, latest first",
    testid: "imports-table",
    noun: "import",
    pageSize: PAGE_SIZE,
    columns: [
      {
        title: "File",
        class: "main-cell",
        cell: ({ filename, vendor, format }) =>
          h(
            "div",
            {},
            h("span", { class: "main-text" }, filename ?? "unnamed file"),
            h("span", { class: "subtle" }, sourceText(vendor, format)),
          ),
      },
      {
        title: "Status",
        class: "status-cell",
        cell: ({ status }) => h("span", { class: "badge", "data-kind": status }, STATUS_WORDS[status] ?? status),
      },
      { title: "Started", class: "time-cell", cell: ({ startedAt }) => formatTime(startedAt) },
      { title: "Took", class: "time-cell", cell: durationText },
      { title: "Result", class: "result-cell", cell: resultText },
    ],
    load: (limit, offset) => fetchImports({ limit, offset }),
    empty: () =>
      h(
        "div",
        {},
        h("p", { class: "empty-title" }, "No imports yet"),
        h("p", {}, "Every import is kept here with its outcome, failed and cancelled ones too."),
      ),
  });
}

function sourceText(vendor: string | null, format: string | null): string {
  if (!vendor || vendor === format) return format ?? "";
  return format ? `${vendor} · ${format} format` : vendor;
}

function durationText({ startedAt, finishedAt }: ImportRecord): string {
  if (!finishedAt) return "–";
  return formatDuration(Date.parse(finishedAt) - Date.parse(startedAt));
}

/** Says in a line what came of it; zeros are left out unless all are. */
function resultText({ status, summary, error }: ImportRecord): string {
  if (status === "error") return error?.message ?? "failed";
  if (status === "interrupted") return "The server stopped during this import; nothing of it was kept.";
  if (status === "cancelled") return "Nothing of it was kept.";
  if (!summary) return "";
  const parts: [number | undefined, string][] = [
    [summary.new_vulnerabilities, "new"],
    [summary.updated_vulnerabilities, "changed"],
    [summary.reopened, "reopened"],
    [summary.resolved_vulnerabilities, "resolved"],
    [summary.unchanged, "unchanged"],
    [summary.validation_errors, "rejected"],
  ];
  const told = parts.filter(([count]) => count).map(([count, word]) => `${formatCount(count!)} ${word}`);
  return told.length > 0 ? told.join(", ") : "no findings in the file";
}
