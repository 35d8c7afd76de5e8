import { fetchImport, fetchImports, type ImportRecord } from "./api";
import { h } from "./dom";
import { formatDuration, formatTime, plural } from "./format";
import { summaryInBrief } from "./outcome";
import { type Rejections, readRejections, rejectionsView } from "./rejections";
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
  const open = new Set<number>();
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
            h("bdi", { class: "main-text" }, filename ?? "unnamed file"),
            h("bdi", { class: "subtle" }, sourceText(vendor, format)),
          ),
      },
      {
        title: "Status",
        class: "status-cell",
        cell: ({ status }) => h("span", { class: "badge", "data-kind": status }, STATUS_WORDS[status] ?? status),
      },
      { title: "Started", class: "time-cell", cell: ({ startedAt }) => formatTime(startedAt) },
      { title: "Took", class: "time-cell", cell: durationText },
      { title: "Result", class: "result-cell", cell: (record) => resultCell(record, open) },
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

function resultText({ status, summary, error }: ImportRecord): string {
  if (status === "error") return error?.message ?? "failed";
  if (status === "interrupted") return "The server stopped during this import; nothing of it was kept.";
  if (status === "cancelled") return "Nothing of it was kept.";
  return summary ? summaryInBrief(summary) : "";
}

/** The outcome in a line, and which rows were rejected where there are any. */
function resultCell(record: ImportRecord, open: Set<number>): HTMLElement {
  return h("div", { class: "result" }, h("bdi", {}, resultText(record)), rejectedPart(record, open));
}

/** Opened parts stay open when the table is read again. */
function rejectedPart(record: ImportRecord, open: Set<number>): HTMLElement | null {
  const known = rejectionsOf(record);
  const count = known?.total ?? record.summary?.validation_errors ?? 0;
  if (count === 0) return null;
  const content = h("div", {});
  const part = h(
    "details",
    { testid: "import-rejections" },
    h("summary", {}, `Why ${plural(count, "row was", "rows were")} rejected`),
    content,
  );
  const show = async (): Promise<void> => {
    if (content.hasChildNodes()) return;
    let found = known;
    // A list may leave them out.
    if (!found || found.first.length === 0) found = await fetchImport(record.importId).then(rejectionsOf, () => known);
    const view = found ? rejectionsView(found) : h("p", { class: "subtle" }, "The reasons could not be read.");
    content.replaceChildren(view);
  };
  part.addEventListener("toggle", () => {
    if (part.open) open.add(record.importId);
    else open.delete(record.importId);
    if (part.open) void show();
  });
  part.open = open.has(record.importId);
  return part;
}

function rejectionsOf(record: ImportRecord): Rejections | null {
  return readRejections(record.summary, record.error?.details, record.error, record);
}
