import { ApiError, fetchImport, fetchImports, type ImportRecord, type Undone, undoImport } from "./api";
import { ConfirmButton } from "./confirm-button";
import { h } from "./dom";
import { countsInWords, formatDuration, formatTime, isolate } from "./format";
import { summaryInBrief, warningList } from "./outcome";
import { type Rejections, readRejections, rejectionsView } from "./rejections";
import { PagedTable } from "./table";
import { IMPORTS as TEXTS } from "./texts";

const PAGE_SIZE = 5;

interface ImportsHooks {
  /** An import was taken back; `text` says what that did. */
  undone: (text: string) => void;
  /** A request failed; `text` says what and why. */
  complain: (text: string) => void;
}

/** An import, and whether it may be taken back: the newest of its label only. */
interface Row extends ImportRecord {
  undoable: boolean;
}

/** The history of imports, newest first. */
export function createImportsTable(container: HTMLElement, hooks: ImportsHooks): PagedTable<Row> {
  const open = new Set<number>();
  const newest = new Map<string, number>();
  const table = new PagedTable<Row>(container, {
    texts: TEXTS.table,
    testid: "imports-table",
    pageSize: PAGE_SIZE,
    columns: [
      {
        title: TEXTS.file,
        class: "main-cell",
        cell: ({ filename, vendor, format }) =>
          h(
            "div",
            {},
            h("bdi", { class: "main-text" }, filename ?? TEXTS.unnamed),
            h("bdi", { class: "subtle" }, sourceText(vendor, format)),
          ),
      },
      {
        title: TEXTS.status,
        class: "status-cell",
        cell: ({ status, undoneAt }) =>
          undoneAt
            ? h("span", { class: "badge", "data-kind": "undone" }, TEXTS.undone)
            : h("span", { class: "badge", "data-kind": status }, TEXTS.statuses[status] ?? status),
      },
      { title: TEXTS.started, class: "time-cell", cell: ({ startedAt }) => formatTime(startedAt) },
      { title: TEXTS.took, class: "time-cell", cell: durationText },
      { title: TEXTS.result, class: "result-cell", cell: (row) => resultCell(row, open, undo) },
    ],
    load: async (limit, offset) => {
      const page = await fetchImports({ limit, offset });
      return { ...page, items: page.items.map((record) => ({ ...record, undoable: isUndoable(record, newest) })) };
    },
    empty: () =>
      h(
        "div",
        {},
        h("p", { class: "empty-title" }, TEXTS.empty),
        h("p", {}, TEXTS.emptyHint),
      ),
  });
  const undo = async ({ importId, filename }: Row): Promise<void> => {
    const name = isolate(filename ?? TEXTS.theImport);
    try {
      hooks.undone(TEXTS.wasUndone(name, undoneInWords(await undoImport(importId))));
    } catch (error) {
      hooks.complain(TEXTS.notUndone(name, error instanceof ApiError ? error.message : String(error)));
    }
    table.refresh();
  };
  return table;
}

/** Notes the newest import of each label; pages are read from the newest on. */
function isUndoable({ importId, vendor, status, undoneAt }: ImportRecord, newest: Map<string, number>): boolean {
  if (status !== "completed") return false;
  const label = (vendor ?? "").toLowerCase();
  const last = Math.max(importId, newest.get(label) ?? 0);
  newest.set(label, last);
  return importId === last && !undoneAt;
}

function undoneInWords(undone: Undone): string {
  const told = countsInWords(undone, TEXTS.undoing);
  return told !== "" ? TEXTS.undoneFindings(told) : TEXTS.nothingUndone;
}

function sourceText(vendor: string | null, format: string | null): string {
  if (!vendor || vendor === format) return format ?? "";
  return format ? `${vendor} · ${TEXTS.format(format)}` : vendor;
}

function durationText({ startedAt, finishedAt }: ImportRecord): string {
  if (!finishedAt) return "–";
  return formatDuration(Date.parse(finishedAt) - Date.parse(startedAt));
}

function resultText({ status, summary, error, undoneAt }: ImportRecord): string {
  if (undoneAt) return TEXTS.undoneAt(formatTime(undoneAt), summary ? summaryInBrief(summary) : TEXTS.nothing);
  if (status === "error") return error?.message ?? TEXTS.failed;
  if (status === "interrupted") return TEXTS.interrupted;
  if (status === "cancelled") return TEXTS.cancelled;
  return summary ? summaryInBrief(summary) : "";
}

/** The outcome in a line, warnings, which rows were rejected where there are any, and the way back. */
function resultCell(row: Row, open: Set<number>, undo: (row: Row) => Promise<void>): HTMLElement {
  return h(
    "div",
    { class: "result" },
    h("bdi", {}, resultText(row)),
    warningList(row.summary?.warnings),
    rejectedPart(row, open),
    row.undoable && undoButton(row, undo),
  );
}

function undoButton(row: Row, undo: (row: Row) => Promise<void>): HTMLElement {
  const button = new ConfirmButton({
    testid: "undo",
    ...TEXTS.undo,
    question: TEXTS.undoQuestion(isolate(row.filename ?? TEXTS.anUnnamed)),
    confirmed: () => void undo(row).finally(() => button.setSent(false)),
  });
  return button.element;
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
    h("summary", {}, TEXTS.whyRejected(count)),
    content,
  );
  const show = async (): Promise<void> => {
    if (content.hasChildNodes()) return;
    let found = known;
    // A list may leave them out.
    if (!found || found.first.length === 0) found = await fetchImport(record.importId).then(rejectionsOf, () => known);
    const view = found ? rejectionsView(found) : h("p", { class: "subtle" }, TEXTS.reasonsUnread);
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
