/**
 * The HTTP interface as far as the page uses it; `docs/http.md` describes it.
 * Addresses are relative to the page's own, so that it may lie below any path of a host.
 */

import type { ErrorDetail, ImportSummary, Session, SystemAlert } from "../client/src/events.js";
import { ANSWERED_WITH, UNREACHABLE } from "../client/src/words.js";

export interface Page<T> {
  total: number;
  limit: number;
  offset: number;
  items: T[];
}

export type Severity = "Critical" | "High" | "Medium" | "Low" | "Info";
export const SEVERITIES: readonly Severity[] = ["Critical", "High", "Medium", "Low", "Info"];

export interface Finding {
  id: number;
  vendor: string;
  host: string;
  ip: string | null;
  hostname: string | null;
  check: string;
  title: string | null;
  cve: string | null;
  port: string | number | null;
  protocol: string | null;
  severity: Severity;
  cvss: number | null;
  status: "active" | "resolved";
  firstSeen: string | null;
  lastSeen: string | null;
  importId: number;
}

export interface ImportRecord {
  importId: number;
  sessionId: string;
  filename: string | null;
  vendor: string | null;
  format: string | null;
  status: "running" | "completed" | "error" | "cancelled" | "interrupted";
  startedAt: string;
  finishedAt: string | null;
  summary: ImportSummary | null;
  error: ErrorDetail | null;
  /** Only where a completed import was undone. */
  undoneAt?: string;
}

/** What an undone import had changed: findings that are gone, active, resolved, or as before again. */
export interface Undone {
  removed: number;
  reactivated: number;
  resolved: number;
  restored: number;
}

export interface HostCount {
  vendor: string;
  host: string;
  ip: string | null;
  hostname: string | null;
  count: number;
}

export interface DayCount {
  /** A day in UTC: "2025-01-12". */
  date: string;
  new: number;
  resolved: number;
  active: number;
}

/** Counts of active findings, and how they came about. */
export interface Statistics {
  bySeverity: Partial<Record<Severity, number>>;
  byVendor: Record<string, number>;
  /** The 20 hosts with the most. */
  byHost: HostCount[];
  /** The last 30 days, the oldest first. */
  overTime: DayCount[];
}

/** Empty fields let everything through. */
export interface FindingsFilter {
  q: string;
  severity: string;
  status: string;
  vendor: string;
  host: string;
  /** A column, with `-` before it for the other direction. */
  sort: string;
}

export interface FindingsQuery extends FindingsFilter {
  limit: number;
  offset: number;
}

export type EndedStatus = "completed" | "error" | "cancelled";

/** Which sessions of the history; empty fields let everything through. */
export interface HistoryQuery {
  status: EndedStatus | "";
  /** Milliseconds since 1970. */
  since: number | "";
  limit: number;
  /** `next` of the page before. */
  cursor: string;
}

/** A page of a list that goes on where `next` says; null on the last one. */
export interface HistoryPage {
  sessions: Session[];
  next: string | null;
}

/** One change of a session as the server has kept it. */
export interface Change {
  seq: number;
  /** Milliseconds since 1970. */
  at: number;
  status: Session["status"];
  progress: number;
}

/** A session with its result and its last changes, the oldest of them first. */
export interface SessionRecord {
  session: Session;
  changes: Change[];
}

interface PacketCounts {
  events: number;
  pings: number;
  pongs: number;
}

/** In the unit that the name says. */
interface Times {
  count: number;
  sum: number;
  max: number;
}

/** What the server counts; the counters begin with its start. */
export interface ServerFigures {
  version: string;
  uptime_ms: number;
  memory: { used_mb: number | null; available_mb: number | null };
  now: {
    connections: number;
    sockets: number;
    polling: number;
    websockets: number;
    progress_sessions: number;
    queued_bytes: number;
  };
  reconnections: number;
  packets_in: PacketCounts;
  packets_out: PacketCounts;
  /** By reason. */
  disconnects: Record<string, number>;
  /** By limit. */
  limits: Record<string, number>;
  loop: { read_bytes: number; written_bytes: number; panics: number; lag_us: Times };
}

/** A refused request: the server's code and words, or `NETWORK_ERROR`. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export function fetchFindings(query: Partial<FindingsQuery>): Promise<Page<Finding>> {
  return getJson("api/vulnerabilities", query);
}

export function fetchStatistics(): Promise<Statistics> {
  return getJson("api/vulnerabilities/stats");
}

/** What the user may do; null where the server does not say. */
export async function fetchRole(): Promise<string | null> {
  return (await getJson<{ role: string | null }>("api/whoami")).role;
}

/** The address of all findings that match, as a file to save. */
export function findingsFile(format: "csv" | "json", filter: FindingsFilter): string {
  return withQuery(`api/vulnerabilities.${format}`, filter);
}

export function fetchImports(query: { limit: number; offset: number }): Promise<Page<ImportRecord>> {
  return getJson("api/imports", query);
}

/** Sessions that have ended, the newest end first, without their results. */
export function fetchHistory(query: Partial<HistoryQuery>): Promise<HistoryPage> {
  return getJson("api/history", query);
}

/** One session, running or ended, with what lists leave out; over restarts of the server. */
export function fetchRecord(sessionId: string): Promise<SessionRecord> {
  return getJson(`api/history/${sessionId}`);
}

/** The alerts that were sent last, the newest first. */
export async function fetchAlerts(limit: number): Promise<SystemAlert[]> {
  return (await getJson<{ alerts: SystemAlert[] }>("api/alerts", { limit })).alerts;
}

export function fetchFigures(): Promise<ServerFigures> {
  return getJson("api/stats");
}

/** One import with its rejections, which lists may leave out. */
export async function fetchImport(importId: number): Promise<ImportRecord> {
  return (await getJson<{ import: ImportRecord }>(`api/imports/${importId}`)).import;
}

/** Takes an import back. */
export async function undoImport(importId: number): Promise<Undone> {
  return (await ask<{ undone: Undone }>("DELETE", `api/imports/${importId}`)).undone;
}

/** Has the server forget an ended session before its time. */
export async function forgetSession(sessionId: string): Promise<void> {
  await ask("DELETE", `api/sessions/${sessionId}`);
}

/** Reads `{"error":{"code","message"}}`, whatever else the body may be. */
export function errorFromBody(status: number, body: string): ApiError {
  try {
    const { error } = JSON.parse(body) as { error: { code: string; message: string } };
    return new ApiError(error.code, error.message);
  } catch {
    return new ApiError(`HTTP_${status}`, `${ANSWERED_WITH} ${status}`);
  }
}

function getJson<T>(path: string, query: object = {}): Promise<T> {
  return ask("GET", withQuery(path, query));
}

async function ask<T>(method: string, path: string): Promise<T> {
  let response: Response;
  let body: string;
  try {
    response = await fetch(path, { method, headers: { Accept: "application/json" } });
    body = await response.text();
  } catch {
    throw new ApiError("NETWORK_ERROR", UNREACHABLE);
  }
  if (!response.ok) throw errorFromBody(response.status, body);
  return (body === "" ? {} : JSON.parse(body)) as T;
}

function withQuery(path: string, query: object): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== "") parameters.set(name, String(value));
  }
  return parameters.size > 0 ? `${path}?${parameters}` : path;
}
