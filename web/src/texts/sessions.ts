/** Sessions: the board, their cards and pages, and the history. */

import { WORDS, formatCount, plural } from "../../client/src/words.js";

export const BOARD = {
  list: "Sessions",
  total: (count: number) => plural(count, "session"),
  noMatch: "No session matches.",
  empty: "Nothing is running",
  emptyHint: "Drop a scan into the field and watch it here. What others start shows up too, the moment it begins.",
  tryIt: "Or begin something from a terminal:",
  firstJob: "My first job",
  copy: "Copy",
  counts: { processing: "running", completed: "done", error: "failed", cancelled: "cancelled", lost: "unknown" },
  running: (count: number) => `${formatCount(count)} running`,
  theSession: "The session",
  notCancelled: (title: string, reason: string, code: string) => `${title} could not be cancelled: ${reason} (${code})`,
};

export const CARD = {
  statuses: { processing: "Running", completed: WORDS.done, error: "Failed", cancelled: WORDS.cancelled, lost: "Unknown" },
  nameless: (id: string) => `Session ${id}`,
  dryRun: (kind: string) => `${kind}, dry run`,
  done: "is done.",
  doneWithNew: (count: number) => `is done. ${plural(count, "new finding")}.`,
  failed: (reason: string) => `failed: ${reason}`,
  wasCancelled: "was cancelled.",
  forgotten: "is no longer known.",
  cancel: { word: "Cancel", question: "Cancel this work?", yes: "Yes, cancel", no: "Keep running", busy: "Cancelling…" },
  remove: "Remove this card",
  details: "Details",
  showDetails: "Show details",
  hideDetails: "Hide details",
  working: "Working",
  noNews: (time: string) => `no news for ${time}`,
  runningFor: (time: string) => `running for ${time}`,
  progressOf: (title: string) => `Progress of ${title}`,
  scanned: (date: string) => `scanned ${date}`,
  started: (time: string) => `started ${time}`,
  took: (time: string) => `took ${time}`,
  unknownLength: "not known yet",
};

export const LOG = {
  statuses: {
    processing: "Started",
    completed: WORDS.done,
    error: "Failed",
    cancelled: WORDS.cancelled,
    lost: "No longer known to the server",
  },
  failed: (reason: string) => `Failed: ${reason}`,
  /** Where the beginning was not seen. */
  seenFirst: "Seen first",
};

export const SESSION = {
  all: "All sessions",
  progress: "Progress",
  details: "Details",
  happened: "What happened",
  copyId: "Copy the id",
  copyLink: "Copy the link",
  looking: "Looking for the session…",
  unknown: "The server does not know this session, or not any more.",
  unread: (reason: string) => `The session could not be read: ${reason}.`,
  curve: "Progress over time",
  noCurve: "A curve appears as soon as there is progress to see.",
  seenOnly: "The server keeps the last 200 changes. They could not be read, so this is what this page has seen.",
  facts: {
    id: "Id",
    kind: "Kind",
    started: "Started",
    lastNews: "Last news",
    ended: "Ended",
    took: "Took",
    lastStep: "Last step",
    rows: "Rows",
  },
};

export const HISTORY = {
  title: "History",
  lead: "Every session that has ended, for 30 days, over restarts of the server.",
  table: "Sessions that have ended, latest first",
  filters: "Filter the history",
  since: "Ended",
  statuses: { completed: WORDS.done, error: "Failed", cancelled: WORDS.cancelled },
  spans: { "": "At any time", "1h": "In the last hour", "24h": "In the last 24 hours", "7d": "In the last 7 days" },
  sinceThen: (time: string) => `Since ${time}`,
  columns: { session: "Session", status: "Status", ended: "Ended", took: "Took", outcome: "Outcome" },
  more: "Show more",
  empty: "No session has ended yet",
  emptyHint: "When one does, it is kept here with its outcome.",
  noMatch: "No session of the history matches.",
  failed: (reason: string) => `The history could not be read: ${reason}.`,
};
