/**
 * The shapes that travel between server and page: the eight events, the
 * session object of the commands, and what `WebSocketClient` adds of its own.
 * `docs/events.md` describes every field.
 */

export type JsonObject = Record<string, unknown>;

export type SessionStatus = "processing" | "completed" | "error" | "cancelled";

export interface SessionCreated {
  sessionId: string;
  /** Absent where the client tells of a session whose beginning it has missed. */
  seq?: number;
  metadata: JsonObject;
  timestamp: string;
}

export interface ImportProgress {
  sessionId: string;
  /** Rises with every change of a session id, also when it is used again; gaps are allowed. */
  seq: number;
  operation: string | null;
  /** Fraction from 0 to 1. */
  progress: number;
  current_step: string | null;
  processed_rows: number | null;
  total_rows: number | null;
  eta_seconds: number | null;
  status: SessionStatus;
  metadata: JsonObject;
  timestamp: string;
  /** These three only where a session object stands in for the event. */
  createdAt?: number;
  lastUpdate?: number;
  stalled?: boolean;
}

/** A row of a file that was not taken in. */
export interface Rejection {
  line_number: number | null;
  column: string | null;
  /** At most 200 characters. */
  received_value: string | null;
  reason: string;
}

/** The numbers of an import. Producers of other kinds may send other keys, or none. */
export interface ImportSummary {
  new_vulnerabilities?: number;
  updated_vulnerabilities?: number;
  resolved_vulnerabilities?: number;
  reopened?: number;
  unchanged?: number;
  skipped_duplicates?: number;
  validation_errors?: number;
  encoding_replacements?: number;
  skipped_rows?: number;
  dates_corrected?: number;
  dates_unread?: number;
  /** The first 20 of the rows that `validation_errors` counts. */
  rejections?: Rejection[];
  rejections_by_reason?: Record<string, number>;
  warnings?: string[];
  dry_run?: boolean;
  [key: string]: unknown;
}

export interface ImportPerformance {
  rows_per_second?: number | null;
  peak_memory_mb?: number | null;
  database_operations?: number | null;
  [key: string]: unknown;
}

export interface ImportComplete {
  sessionId: string;
  seq: number;
  operation: string | null;
  success: true;
  status: "completed";
  import_id: number | null;
  total_processed: number | null;
  processing_time_ms: number | null;
  summary: ImportSummary | null;
  performance: ImportPerformance | null;
  result?: unknown;
  timestamp: string;
}

export interface ErrorDetail {
  code: string;
  message: string;
  details?: JsonObject | null;
  recovery_suggestions?: string[] | null;
}

export interface ImportError {
  sessionId: string;
  seq: number;
  operation: string | null;
  success: false;
  status: "error";
  error: ErrorDetail;
  partial_results?: JsonObject | null;
  timestamp: string;
}

export interface ImportCancelled {
  sessionId: string;
  /** Absent where the client only learns afterwards that a session was cancelled. */
  seq?: number;
  operation: string | null;
  cancelled: true;
  status: "cancelled";
  reason: string | null;
  partial_results: JsonObject | null;
  cleanup_performed: boolean;
  timestamp: string;
}

export interface DataUpdated {
  type: string;
  action: "created" | "updated" | "deleted" | "bulk_update";
  count?: number;
  affected_entities?: { hosts?: string[]; severity_changes?: Record<string, number> };
  source?: { import_id?: number; operation?: string };
  timestamp: string;
}

export type AlertLevel = "info" | "warning" | "error" | "critical";

export interface SystemAlert {
  level: AlertLevel;
  category: "maintenance" | "security" | "performance" | "system";
  message: string;
  action_required?: boolean;
  action_details?: { description?: string; endpoint?: string; estimated_time?: string };
  /** Milliseconds until the alert may leave by itself; absent or null: it stays. */
  auto_dismiss?: number | null;
  priority?: string;
  timestamp: string;
}

export interface Heartbeat {
  server_time: string;
  active_sessions: number;
  server_uptime: string;
  memory_usage: { used_mb: number; available_mb: number | null };
}

/** A session as `list_sessions` and `track_session` answer it. */
export interface Session {
  id: string;
  sessionId: string;
  progress: number;
  /** Milliseconds since 1970. */
  lastUpdate: number;
  metadata: JsonObject;
  status: SessionStatus;
  seq: number;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** Milliseconds since 1970; null while processing. */
  endedAt: number | null;
  /** Processing, and no update for 30 seconds. */
  stalled: boolean;
  /** Lists leave it out: there it is null. */
  result: unknown;
  [field: string]: unknown;
}

/** What a command answers when it fails. */
export interface ErrorAnswer {
  code: string;
  message: string;
}

export type Transport = "polling" | "websocket";

/** Told to subscribers of `connection_changed`. */
export interface ConnectionInfo {
  state: "connecting" | "connected" | "reconnecting" | "offline";
  transport: Transport | null;
  /** Attempts made since the connection was lost. */
  attempt: number;
  /** While reconnecting: milliseconds until the next attempt, null during it. */
  retryInMs: number | null;
  /** Why the connection ended or could not be made. */
  reason: string | null;
  /** Connected, but the last heartbeats of the server did not arrive. */
  quiet: boolean;
  /** The last attempt to connect was not refused, but never answered: the server is frozen, or something swallows what is sent. */
  unanswered: boolean;
  /** Without a connection: the list of sessions is being read over HTTP meanwhile. */
  polled: boolean;
}

/** Told to subscribers of `session_lost`: the server no longer knows a tracked session. */
export interface SessionLost {
  sessionId: string;
  error: ErrorAnswer;
}

/** Told to subscribers of `missed`: these have just been handed over, each as its own event. */
export interface Missed {
  /** When the connection was lost, in milliseconds since 1970 by the server's clock. */
  since: number;
  /** The ends of sessions. */
  sessions: TerminalEvent[];
  alerts: SystemAlert[];
}

/** Event name to payload: eight from the server, the rest of the client itself. */
export interface ClientEvents {
  session_created: SessionCreated;
  import_progress: ImportProgress;
  import_complete: ImportComplete;
  import_error: ImportError;
  import_cancelled: ImportCancelled;
  data_updated: DataUpdated;
  system_alert: SystemAlert;
  heartbeat: Heartbeat;
  connection_changed: ConnectionInfo;
  session_list: Session[];
  session_lost: SessionLost;
  missed: Missed;
  /** The server refused the credentials, or wants some. */
  auth_required: ErrorAnswer;
}

export type TerminalEvent = ImportComplete | ImportError | ImportCancelled;
