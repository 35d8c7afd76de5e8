/**
 * Every text of the page that people read. Whoever translates the page needs this folder and the client's `words.ts`.
 * Counts are written here; sizes, times and shares come as texts, from `format.ts`.
 */

export * from "./findings";
export * from "./frame";
export * from "./imports";
export * from "./server";
export * from "./sessions";
