/** Imports: the form, the preview, how they ended, and the list of past ones. */

import { formatCount, plural } from "../../client/src/words.js";

export const IMPORT_FORM = {
  import: "Import",
  importAll: (count: number) => `Import ${formatCount(count)} files`,
  previewOf: (name: string, outcome: string) => `Preview of ${name}: ${outcome}`,
  doubles: (names: string) => `Already chosen: ${names}`,
  remove: (name: string) => `Take ${name} off the list`,
  waiting: "waits its turn",
  checking: "checking…",
  sending: (share: string) => `sending, ${share}`,
  notChecked: "not checked",
  notImported: "not imported",
};

export const UPLOAD = {
  stopped: "the upload was stopped",
  brokenOff:
    "The connection ended before the file was sent in full. The server may be down, the file may be larger than it accepts, or the file may have changed or moved since you chose it.",
};

export const PREVIEW = {
  label: "Preview",
  title: "Importing this file would bring:",
  again: "Preview again",
  allowOlder: "Take it although it is older",
  /** Fields of a finding, in the order in which they matter. */
  fields: {
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
  } as Record<string, string>,
  from: (field: string, column: string) => `${field} from “${column}”`,
  columns: (columns: string) => `Columns: ${columns}`,
  columnsUnknown: "Say which columns hold what",
  columnsHint:
    "A host, a finding or a CVE, and a severity or a score are needed. What you choose is remembered for files with the same columns when the file is imported.",
  severityWords: "What do these words for the severity mean?",
  rejected: "Rejected",
  found: (columns: string[]) => `Found: ${columns.join(", then ")}`,
  notFound: "Not found",
};

export const OUTCOME = {
  /** Figures of `import_complete.summary`, in the order in which people ask for them. */
  figures: {
    new_vulnerabilities: "New",
    updated_vulnerabilities: "Changed",
    reopened: "Reopened",
    resolved_vulnerabilities: "Resolved",
    unchanged: "Unchanged",
    skipped_duplicates: "Repeated in the file",
    validation_errors: "Rows rejected",
    skipped_rows: "Rows without a vulnerability",
    encoding_replacements: "Unreadable characters replaced",
    dates_corrected: "Dates corrected",
    dates_unread: "Dates not understood",
  } as Record<string, string>,
  /** The same in a line. */
  brief: {
    new_vulnerabilities: "new",
    updated_vulnerabilities: "changed",
    reopened: "reopened",
    resolved_vulnerabilities: "resolved",
    unchanged: "unchanged",
    validation_errors: "rejected",
  },
  nothingFound: "no findings in the file",
  dryRunInBrief: (outcome: string) => `Dry run: ${outcome}`,
  dryRun: "A dry run: nothing was written.",
  accepted: (count: number) => `${plural(count, "row")} accepted`,
  in: (time: string) => `in ${time}`,
  speed: (rows: number) => `${formatCount(rows)} rows/s`,
  operations: (count: number) => plural(count, "database operation"),
  peakMemory: (mib: number) => `peak memory ${formatCount(mib)} MiB`,
  suggestions: "What you can do:",
  code: "Error code",
  reasons: {
    user_requested: "Cancelled on request.",
    stale: "Ended by the server, because no update came for 30 minutes.",
    evicted: "Ended by the server to make room: there were too many sessions, and this one was never updated.",
  } as Record<string, string>,
  cancelled: (reason: string) => `Cancelled: ${reason}`,
  cancelledUnseen: "Cancelled while this page was not connected.",
  hadBeenRead: (rows: number) => `${plural(rows, "row")} had been read.`,
  hadBeenReadInPart: (rows: number, share: string) => `${plural(rows, "row")} had been read (${share}).`,
  asBefore: "Everything is as it was before.",
  rolledBack: "Nothing of this file was kept; the findings are as they were before.",
  undone: "What had been done was undone.",
  lost: "The server no longer knows this session: it ended while this page was not connected, and is not kept any more.",
  lostImport: "The list of past imports tells more.",
  more: (count: number) => `and ${formatCount(count)} more`,
};

export const REJECTIONS = {
  label: "Rejected rows",
  title: (count: number) => `${plural(count, "row")} rejected`,
  rows: "Rejected rows, one by one",
  first: (count: number) => `The first ${formatCount(count)} of them`,
  all: "All of them",
  line: "Line",
  column: "Column",
  value: "Value",
  reason: "Reason",
};

export const IMPORTS = {
  table: {
    caption: "Past imports, latest first",
    total: (count: number) => plural(count, "import"),
    unread: (reason: string) => `The imports could not be read: ${reason}.`,
  },
  statuses: { running: "running", completed: "done", error: "failed", cancelled: "cancelled", interrupted: "interrupted" },
  undone: "undone",
  file: "File",
  status: "Status",
  started: "Started",
  took: "Took",
  result: "Result",
  unnamed: "unnamed file",
  empty: "No imports yet",
  emptyHint: "Every import is kept here with its outcome, failed and cancelled ones too.",
  theImport: "the import",
  wasUndone: (name: string, outcome: string) => `${name} was undone: ${outcome}.`,
  notUndone: (name: string, reason: string) => `${name} could not be undone: ${reason}`,
  undoing: { removed: "removed", reactivated: "active again", resolved: "resolved again", restored: "as before" },
  undoneFindings: (counts: string) => `findings ${counts}`,
  nothingUndone: "no finding had changed",
  format: (name: string) => `${name} format`,
  undoneAt: (time: string, outcome: string) => `Undone ${time}. It had brought: ${outcome}`,
  nothing: "nothing",
  failed: "failed",
  interrupted: "The server stopped during this import; nothing of it was kept.",
  cancelled: "Nothing of it was kept.",
  undo: { word: "Undo", yes: "Yes, undo it", no: "Keep it", busy: "Undoing…" },
  undoQuestion: (name: string) => `Take back the import of ${name}?`,
  anUnnamed: "an unnamed file",
  whyRejected: (count: number) => `Why ${plural(count, "row was", "rows were")} rejected`,
  reasonsUnread: "The reasons could not be read.",
};
