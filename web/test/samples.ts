import type { ImportCancelled, ImportComplete, ImportError, ImportProgress, Session } from "../client/src/events.js";

export const ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
/** When the session of `ID` was created. */
export const CREATED = Date.parse("2025-01-12T10:30:00.000Z");
const timestamp = "2025-01-12T10:32:15.456Z";

export function progress(seq: number, fraction: number, more: Partial<ImportProgress> = {}): ImportProgress {
  return {
    sessionId: ID,
    seq,
    operation: "vulnerability_import",
    progress: fraction,
    current_step: "Reading rows",
    processed_rows: Math.round(fraction * 1000),
    total_rows: 1000,
    eta_seconds: 45,
    status: "processing",
    metadata: { filename: "scan.csv", vendor: "tenable", processing_speed: "65 rows/sec" },
    timestamp,
    ...more,
  };
}

export function complete(seq: number): ImportComplete {
  return {
    sessionId: ID,
    seq,
    operation: "vulnerability_import",
    success: true,
    status: "completed",
    import_id: 47,
    total_processed: 1500,
    processing_time_ms: 4250,
    summary: {
      new_vulnerabilities: 78,
      updated_vulnerabilities: 234,
      resolved_vulnerabilities: 45,
      reopened: 3,
      unchanged: 1173,
      skipped_duplicates: 12,
      validation_errors: 0,
      encoding_replacements: 2,
    },
    performance: { rows_per_second: 353, peak_memory_mb: 15.6, database_operations: 2847 },
    timestamp,
  };
}

export function failed(seq: number): ImportError {
  return {
    sessionId: ID,
    seq,
    operation: "vulnerability_import",
    success: false,
    status: "error",
    error: {
      code: "CSV_UNKNOWN_FORMAT",
      message: "no column names a host",
      details: { columns_found: ["cveID", "product"] },
      recovery_suggestions: ["Export the scan as CSV"],
    },
    partial_results: { processed_rows: 156, rolled_back: true },
    timestamp,
  };
}

export function cancelled(seq: number): ImportCancelled {
  return {
    sessionId: ID,
    seq,
    operation: "vulnerability_import",
    cancelled: true,
    status: "cancelled",
    reason: "user_requested",
    partial_results: { processed_rows: 523, completion_percentage: 0.349 },
    cleanup_performed: true,
    timestamp,
  };
}

export function session(seq: number, fraction: number, more: Partial<Session> = {}): Session {
  return {
    ...progress(seq, fraction),
    id: ID,
    lastUpdate: Date.parse(timestamp),
    createdAt: CREATED,
    endedAt: null,
    stalled: false,
    result: null,
    ...more,
  };
}
