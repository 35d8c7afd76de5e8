/** Findings: their table and figures. */

import { formatCount, plural } from "../../client/src/words.js";

export const FINDINGS = {
  table: {
    caption: "Findings, latest first",
    total: (count: number) => plural(count, "finding"),
    unread: (reason: string) => `The findings could not be read: ${reason}.`,
  },
  severity: "Severity",
  finding: "Finding",
  host: "Host",
  port: "Port",
  cvss: "CVSS",
  status: "Status",
  lastSeen: "Last seen",
  statuses: { active: "active", resolved: "resolved" } as Record<string, string>,
  empty: "No findings yet",
  emptyHint: "They appear here as soon as the first scan has been imported.",
  noMatch: "Nothing matches these filters",
  noSuchHost: "A host must be given exactly: its name, its address, or the id that the scanner uses.",
  showAll: "Show all findings",
};

export const STATISTICS = {
  title: "Active findings, last 30 days",
  hosts: "Hosts with the most",
  summary: (first: number, last: number, added: number, resolved: number) =>
    `From ${formatCount(first)} to ${plural(last, "active finding")}: ${formatCount(added)} new, ${formatCount(resolved)} resolved.`,
  day: (date: string, active: number, added: number, resolved: number) =>
    `${date}: ${formatCount(active)} active, ${formatCount(added)} new, ${formatCount(resolved)} resolved`,
};

export const TABLE = {
  previous: "Previous",
  next: "Next",
  range: (from: number, to: number) => `${formatCount(from)}–${formatCount(to)} of `,
};
