/** What people read of a session, in English. */

/** What the element says of a session. */
export const WORDS = {
  progress: "Progress",
  done: "Done",
  cancelled: "Cancelled",
  stalled: "No news for a while",
  unknown: "The server does not know this session.",
  forgotten: "The server does not know this session any more.",
};

/** Why a request has no answer. */
export const UNREACHABLE = "the server could not be reached";
/** Before a status of HTTP, where an answer says nothing else. */
export const ANSWERED_WITH = "the server answered with status";

// Bundles that say no figures leave it out.
const counts = /* @__PURE__ */ new Intl.NumberFormat("en-US");

export function formatCount(value: number): string {
  return counts.format(value);
}

/** `progress` is a fraction; 100% is only shown for the whole. */
export function formatPercent(progress: number): string {
  return `${Math.floor(progress * 100)}%`;
}

/** "1 row", "2 rows" */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** Remaining time in words, rounded as far as an estimate can be trusted. */
export function etaInWords(seconds: number): string {
  if (seconds < 5) return "a few seconds left";
  if (seconds < 55) return `about ${Math.ceil(seconds / 5) * 5} seconds left`;
  if (seconds < 90) return "about a minute left";
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `about ${minutes} minutes left`;
  const hours = Math.floor(minutes / 60);
  const rest = Math.round((minutes % 60) / 5) * 5;
  if (rest === 60) return `about ${plural(hours + 1, "hour")} left`;
  return `about ${plural(hours, "hour")}${rest > 0 ? ` ${rest} minutes` : ""} left`;
}

/** "975 of 1,500 rows"; empty when nothing has been counted. */
export function rowsInWords(processed: number | null, total: number | null): string {
  if (processed === null && total === null) return "";
  if (total === null) return plural(processed ?? 0, "row");
  return `${formatCount(processed ?? 0)} of ${plural(total, "row")}`;
}

/** "vulnerability_import" becomes "Vulnerability import". */
export function humanise(name: string): string {
  const words = name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .replace(/[_-]+/g, " ")
    .trim()
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
