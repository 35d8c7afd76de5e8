/** What is known of one session, in one piece: the shape that displays are made from. */

import type { ImportProgress, JsonObject, Session, SessionCreated, SessionStatus, TerminalEvent } from "./events.js";

/** A processing session without news for this long is called stalled, as on the server. */
export const STALLED_AFTER_MS = 30_000;

/** `lost`: the server no longer knows the session, and its end was not seen. */
export type ViewStatus = SessionStatus | "lost";

/** A session as a subscriber of the store sees it; replaced and never changed, so `===` tells whether it is news. */
export interface SessionView {
  readonly sessionId: string;
  readonly status: ViewStatus;
  /** Fraction from 0 to 1. */
  readonly progress: number;
  readonly operation: string | null;
  readonly currentStep: string | null;
  readonly processedRows: number | null;
  readonly totalRows: number | null;
  /** Seconds; null where nothing can be said. */
  readonly etaSeconds: number | null;
  /** All metadata but the keys that stand above. */
  readonly metadata: JsonObject;
  /** Milliseconds since 1970 by the server's clock, as are all times here; the first news where the creation is not known. */
  readonly createdAt: number;
  readonly lastUpdate: number;
  /** Null while the session runs. */
  readonly endedAt: number | null;
  /** The event that told the end. */
  readonly ending: TerminalEvent | null;
  /** The end is known from a list, and lists leave results out. */
  readonly resultLeftOut: boolean;
}

/** Keys of metadata that have a place of their own, in both spellings. */
const LIFTED = new Set([
  "operation",
  "current_step",
  "currentStep",
  "processed_rows",
  "processedRows",
  "total_rows",
  "totalRows",
  "eta_seconds",
  "etaSeconds",
]);

export function createdView(event: SessionCreated): SessionView {
  const at = timeOf(event.timestamp);
  const { metadata } = event;
  return {
    sessionId: event.sessionId,
    status: "processing",
    progress: 0,
    operation: text(metadata["operation"]),
    currentStep: text(metadata["current_step"] ?? metadata["currentStep"]),
    processedRows: number(metadata["processed_rows"] ?? metadata["processedRows"]),
    totalRows: number(metadata["total_rows"] ?? metadata["totalRows"]),
    etaSeconds: null,
    metadata: ownKeys(metadata),
    createdAt: at,
    lastUpdate: at,
    endedAt: null,
    ending: null,
    resultLeftOut: false,
  };
}

export function progressView(old: SessionView | undefined, event: ImportProgress): SessionView {
  const at = timeOf(event.timestamp);
  return {
    sessionId: event.sessionId,
    status: "processing",
    progress: Math.max(old?.endedAt === null ? old.progress : 0, event.progress),
    operation: event.operation,
    currentStep: event.current_step,
    processedRows: event.processed_rows,
    totalRows: event.total_rows,
    etaSeconds: event.eta_seconds,
    metadata: ownKeys(event.metadata),
    createdAt: event.createdAt ?? old?.createdAt ?? at,
    lastUpdate: event.lastUpdate ?? at,
    endedAt: null,
    ending: null,
    resultLeftOut: false,
  };
}

/** An event, or a session object in its place: that has metadata and times too. */
type Ending = TerminalEvent & { metadata?: JsonObject; createdAt?: number; endedAt?: number | null; result?: unknown };

export function endedView(old: SessionView | undefined, event: Ending): SessionView {
  const at = event.endedAt ?? timeOf(event.timestamp);
  return {
    ...(old ?? createdView({ sessionId: event.sessionId, metadata: {}, timestamp: event.timestamp })),
    status: event.status,
    progress: event.status === "completed" ? 1 : (old?.progress ?? number((event as { progress?: unknown }).progress) ?? 0),
    operation: event.operation ?? old?.operation ?? null,
    metadata: event.metadata ? ownKeys(event.metadata) : (old?.metadata ?? {}),
    etaSeconds: null,
    createdAt: event.createdAt ?? old?.createdAt ?? at,
    lastUpdate: at,
    endedAt: at,
    ending: event,
    resultLeftOut: event.status === "completed" && event.createdAt !== undefined && event.result === null,
  };
}

/** A whole session object, its result included. */
export function sessionView(session: Session): SessionView {
  const { sessionId, metadata, createdAt, lastUpdate, progress } = session;
  const event = { timestamp: new Date(lastUpdate).toISOString(), ...session } as unknown;
  if (session.status === "processing") return progressView(undefined, event as ImportProgress);
  const begun = createdView({ sessionId, metadata, timestamp: new Date(createdAt).toISOString() });
  return { ...endedView({ ...begun, progress }, event as Ending), resultLeftOut: false };
}

export function lostView(old: SessionView, now: number): SessionView {
  return { ...old, status: "lost", etaSeconds: null, endedAt: now };
}

/** Running before ended; of each the newest first. */
export function byImportance(one: SessionView, other: SessionView): number {
  const running = Number(other.endedAt === null) - Number(one.endedAt === null);
  if (running !== 0) return running;
  const newer = (other.endedAt ?? other.createdAt) - (one.endedAt ?? one.createdAt);
  return newer !== 0 ? newer : one.sessionId < other.sessionId ? -1 : 1;
}

/** Whether no news of a running session came for half a minute. */
export function isStalled(view: SessionView, now: number): boolean {
  return view.status === "processing" && now - view.lastUpdate >= STALLED_AFTER_MS;
}

export function timeOf(timestamp: string): number {
  const time = Date.parse(timestamp);
  return Number.isNaN(time) ? Date.now() : time;
}

function ownKeys(metadata: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !LIFTED.has(key)));
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
