/** Rows of a file that were not taken in: counts per reason and the first of them, as summaries carry them. */

import { h } from "./dom";
import type { Rejection } from "../client/src/events.js";
import { formatCount, formatValue, humanise } from "./format";
import { REJECTIONS as TEXTS } from "./texts";

export interface Rejections {
  /** All rejected rows; the list below has only the first. */
  total: number;
  byReason: [string, number][];
  first: Rejection[];
}

/** Reads them from a summary, or from the details of an error; null where there are none. */
export function readRejections(...sources: unknown[]): Rejections | null {
  for (const source of sources) {
    if (typeof source !== "object" || source === null) continue;
    const { rejections, rejections_by_reason: reasons, validation_errors: errors } = source as Record<string, unknown>;
    const first = Array.isArray(rejections) ? (rejections as Rejection[]).filter((row) => typeof row === "object" && row !== null) : [];
    const byReason = Object.entries(typeof reasons === "object" && reasons !== null ? reasons : {})
      .filter((entry): entry is [string, number] => typeof entry[1] === "number" && entry[1] > 0)
      .sort(([, one], [, other]) => other - one);
    if (first.length === 0 && byReason.length === 0) continue;
    const counted = byReason.reduce((sum, [, count]) => sum + count, 0);
    return { total: Math.max(typeof errors === "number" ? errors : 0, counted, first.length), byReason, first };
  }
  return null;
}

export function rejectionsView({ total, byReason, first }: Rejections): HTMLElement {
  return h(
    "div",
    { class: "rejections", testid: "rejections", role: "group", "aria-label": TEXTS.label },
    h("p", { class: "rejections-title" }, TEXTS.title(total)),
    byReason.length > 0 &&
      h(
        "ul",
        { class: "reasons", testid: "rejections-by-reason" },
        ...byReason.map(([reason, count]) =>
          h("li", {}, h("span", { class: "reason-count" }, formatCount(count)), " ", h("bdi", {}, reasonWords(reason))),
        ),
      ),
    first.length > 0 && rejectedRows(first, total),
  );
}

function rejectedRows(first: Rejection[], total: number): HTMLElement {
  const headings = [TEXTS.line, TEXTS.column, TEXTS.value, TEXTS.reason];
  const cells = (row: Rejection): [string, HTMLElement | string][] => [
    [TEXTS.line, typeof row.line_number === "number" ? formatCount(row.line_number) : "–"],
    [TEXTS.column, h("bdi", {}, row.column ? String(row.column) : "–")],
    [TEXTS.value, h("bdi", { class: "received" }, row.received_value === null ? "–" : formatValue(row.received_value))],
    [TEXTS.reason, h("bdi", {}, reasonWords(String(row.reason)))],
  ];
  return h(
    "div",
    // Reached by keyboard, since it scrolls.
    { class: "rejected-rows", tabindex: 0, role: "group", "aria-label": TEXTS.rows },
    h(
      "table",
      { testid: "rejection-rows", role: "table" },
      h("caption", { class: "subtle" }, total > first.length ? TEXTS.first(first.length) : TEXTS.all),
      h(
        "thead",
        { role: "rowgroup" },
        h("tr", { role: "row" }, ...headings.map((heading) => h("th", { scope: "col", role: "columnheader" }, heading))),
      ),
      h(
        "tbody",
        { role: "rowgroup" },
        ...first.map((row) =>
          h(
            "tr",
            { role: "row" },
            ...cells(row).map(([label, content]) => h("td", { role: "cell", "data-label": label }, content)),
          ),
        ),
      ),
    ),
  );
}

/** "unknown_severity" becomes words; a sentence stays as it came. */
function reasonWords(reason: string): string {
  return /\s/.test(reason) ? reason : humanise(reason);
}
