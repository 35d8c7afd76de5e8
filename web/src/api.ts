/** The HTTP interface as far as the page uses it; `docs/http.md` describes it. */

import type { ErrorDetail, ImportSummary, Session } from "./events";

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
}

export interface FindingsQuery {
  severity: string;
  host: string;
  status: string;
  limit: number;
  offset: number;
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
  return getJson("/api/vulnerabilities", query);
}

export function fetchImports(query: { limit: number; offset: number }): Promise<Page<ImportRecord>> {
  return getJson("/api/imports", query);
}

/** One session with its result, which lists leave out. */
export async function fetchSession(sessionId: string): Promise<Session> {
  return (await getJson<{ session: Session }>(`/api/sessions/${sessionId}`)).session;
}

/** One import with its rejections, which lists may leave out. */
export async function fetchImport(importId: number): Promise<ImportRecord> {
  return (await getJson<{ import: ImportRecord }>(`/api/imports/${importId}`)).import;
}

/** Reads `{"error":{"code","message"}}`, whatever else the body may be. */
export function errorFromBody(status: number, body: string): ApiError {
  try {
    const { error } = JSON.parse(body) as { error: { code: string; message: string } };
    return new ApiError(error.code, error.message);
  } catch {
    return new ApiError(`HTTP_${status}`, `the server answered with status ${status}`);
  }
}

async function getJson<T>(path: string, query: object = {}): Promise<T> {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== "") parameters.set(name, String(value));
  }
  let response: Response;
  try {
    response = await fetch(parameters.size > 0 ? `${path}?${parameters}` : path, { headers: { Accept: "application/json" } });
  } catch {
    throw new ApiError("NETWORK_ERROR", "the server could not be reached");
  }
  if (!response.ok) throw errorFromBody(response.status, await response.text());
  return (await response.json()) as T;
}
