/**
 * Every text of the page that people read. Whoever translates the page needs this folder and the client's `words.ts`.
 * Counts are written here; sizes, times and shares come as texts, from `format.ts`.
 */

export * from "./findings.ts";
export * from "./frame.ts";
export * from "./imports.ts";
export * from "./page.ts";
export * from "./server.ts";
export * from "./sessions.ts";
