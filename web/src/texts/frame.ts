/** What surrounds the views: head, foot, messages, and what several views say. */

import { formatCount, plural } from "../../client/src/words.js";

export const COMMON = {
  name: "Pulsewheel",
  all: "All",
  loading: "Loading…",
  again: "Try again",
  onlyThisHost: "Show only this host",
  session: "Session",
  severities: { Critical: "Critical", High: "High", Medium: "Medium", Low: "Low", Info: "Info" } as Record<string, string>,
};

export const ALERTS = {
  alerts: "Alerts",
  count: (count: string) => `Alerts: ${count}`,
  actions: (count: number) => `${plural(count, "needs", "need")} action`,
  remove: "Take this alert off the list",
  unread: (reason: string) => `Earlier alerts could not be read: ${reason}.`,
};

export const AWAY = {
  title: (time: string) => `While you were away (no connection for ${time}):`,
  statuses: { completed: "completed", error: "failed", cancelled: "cancelled" },
  alerts: (count: number) => plural(count, "alert"),
  running: (count: number) => `${formatCount(count)} still running.`,
  history: "All in the history",
  showAlerts: "Show the alerts",
  dismiss: "Dismiss what was missed",
};

export const COPY = {
  copied: "Copied",
  impossible: "Copying is not possible here",
};

export const FORMAT = {
  bytes: ["bytes", "KB", "MB", "GB", "TB"],
  ms: "ms",
  s: "s",
  min: "min",
  h: "h",
  d: "d",
  moment: "a moment",
  unknown: "unknown",
  empty: "(empty)",
  yes: "yes",
  no: "no",
};

export const NOTICES = {
  refused: "This browser does not let the page notify you. Its settings for this address may change that.",
  ended: (count: number) => `${plural(count, "session")} ended`,
  counts: { completed: "done", error: "failed", cancelled: "cancelled", lost: "no longer known" },
};

export const REFRESH = {
  refresh: "Refresh",
  reading: "Reading…",
  read: (time: string) => `Read at ${time}`,
  notRead: (reason: string) => `Not read: ${reason}`,
};

export const SIGN_IN = {
  unreachable: "The server could not be reached.",
  refused: "The server does not accept this token.",
  tooMany: (seconds: number) => `Too many tokens were wrong. Try again in ${plural(seconds, "second")}.`,
};

export const STATUS = {
  standings: {
    connected: "Live",
    quiet: "Stale",
    polled: "Polling",
    frozen: "No answer",
    connecting: "Connecting…",
    reconnecting: "Reconnecting",
    offline: "Offline",
  },
  tryNow: "Try now",
  countdown: (seconds: number) => `in ${formatCount(seconds)} s`,
  upFor: (time: string) => `Server up for ${time}`,
  memoryUsed: (mib: number) => `${formatCount(mib)} MiB of memory used`,
  memoryUsedAndLeft: (used: number, left: number) => `${formatCount(used)} MiB of memory used, ${formatCount(left)} MiB left`,
  sessions: (count: number) => plural(count, "active session"),
  seen: (age: string) => `What you see is from ${age} ago.`,
  uploadMayFail: "The upload from this page may fail; other work goes on without this page.",
  workGoesOn: "Running work does not depend on this page.",
  again: (seconds: number) => `Trying again in ${plural(seconds, "second")}.`,
  againNow: "Trying again now…",
  connecting: "Connecting to the server…",
  quiet: "The connection stands, but the server gives no sign of life.",
  polled: "No live connection. The figures are read again every few seconds.",
  frozen: "The server takes requests but does not answer.",
  noServer: "No connection to the server.",
  offline: "This device is offline.",
  goesOn: "The page goes on by itself when the network is back.",
  lost: "The connection to the server is lost.",
};

export const THEME = {
  auto: "Theme: auto",
  light: "Theme: light",
  dark: "Theme: dark",
};

export const TOASTS = {
  levels: { info: "Notice", warning: "Warning", error: "Error", critical: "Critical" } as Record<string, string>,
  done: "Done",
  failed: "That did not work",
  dismiss: "Dismiss",
  actionRequired: "Action required",
  takes: (time: string) => `(takes ${time})`,
};
