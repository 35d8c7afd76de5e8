//! The history of imports.

use rusqlite::{params, Connection, Row};
use serde::Serialize;
use serde_json::Value;

use super::StoreError;
use crate::clock;

/// How an import stands. Written in lower case, in answers as in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportStatus {
    Running,
    Completed,
    Error,
    Cancelled,
    /// The program ended while it ran.
    Interrupted,
}

impl ImportStatus {
    const ALL: [ImportStatus; 5] = [
        ImportStatus::Running,
        ImportStatus::Completed,
        ImportStatus::Error,
        ImportStatus::Cancelled,
        ImportStatus::Interrupted,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ImportStatus::Running => "running",
            ImportStatus::Completed => "completed",
            ImportStatus::Error => "error",
            ImportStatus::Cancelled => "cancelled",
            ImportStatus::Interrupted => "interrupted",
        }
    }
}

/// One import, in the shape of `GET /api/imports`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    pub import_id: i64,
    pub session_id: String,
    pub filename: String,
    pub vendor: String,
    /// `None` if the import ended before its format was known.
    pub format: Option<String>,
    pub status: ImportStatus,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339; `None` while running, and if nobody knows (interrupted).
    pub finished_at: Option<String>,
    /// The summary of a completed import.
    pub summary: Option<Value>,
    /// The error of a failed one.
    pub error: Option<Value>,
}

impl HistoryEntry {
    pub(super) const COLUMNS: &str =
        "id, session_id, filename, vendor, format, status, started_ms, finished_ms, summary, error";

    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<HistoryEntry> {
        let status: String = row.get(5)?;
        let json = |index| -> rusqlite::Result<Option<Value>> {
            let text: Option<String> = row.get(index)?;
            Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
        };
        Ok(HistoryEntry {
            import_id: row.get(0)?,
            session_id: row.get(1)?,
            filename: row.get(2)?,
            vendor: row.get(3)?,
            format: row.get(4)?,
            // The table lets no other word in.
            status: ImportStatus::ALL
                .into_iter()
                .find(|known| known.name() == status)
                .unwrap_or(ImportStatus::Interrupted),
            started_at: clock::rfc3339(row.get(6)?),
            finished_at: row.get::<_, Option<i64>>(7)?.map(clock::rfc3339),
            summary: json(8)?,
            error: json(9)?,
        })
    }
}

/// What the history knows of an import at its beginning.
#[derive(Clone, Copy, Debug)]
pub struct NewImport<'a> {
    pub session_id: &'a str,
    pub filename: &'a str,
    pub vendor: &'a str,
    /// Milliseconds since the epoch.
    pub started_ms: i64,
}

/// Writes a running import; gives its id.
pub fn insert(connection: &Connection, import: &NewImport<'_>) -> Result<i64, StoreError> {
    connection.execute(
        "INSERT INTO imports (session_id, filename, vendor, status, started_ms) VALUES (?1, ?2, ?3, 'running', ?4)",
        params![import.session_id, import.filename, import.vendor, import.started_ms],
    )?;
    Ok(connection.last_insert_rowid())
}

/// How an import ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    pub status: ImportStatus,
    /// The final label.
    pub vendor: &'a str,
    /// `None` if it was not found out.
    pub format: Option<&'a str>,
    /// Of a completed import.
    pub summary: Option<&'a Value>,
    /// Of a failed one.
    pub error: Option<&'a Value>,
}

/// Ends an import.
pub fn finish(connection: &Connection, id: i64, ending: &Ending<'_>) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE imports SET status = ?2, finished_ms = ?3, vendor = ?4, format = ?5, summary = ?6, error = ?7
         WHERE id = ?1",
        params![
            id,
            ending.status.name(),
            clock::now_ms(),
            ending.vendor,
            ending.format,
            ending.summary.map(Value::to_string),
            ending.error.map(Value::to_string),
        ],
    )?;
    Ok(())
}

/// What still runs when the program starts was killed with it.
pub fn mark_interrupted(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE imports SET status = 'interrupted' WHERE status = 'running'",
        [],
    )?;
    Ok(())
}
