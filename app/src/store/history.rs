//! The history of imports.

use rusqlite::{params, Connection, OptionalExtension, Row};
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

    pub(super) fn from_name(name: &str) -> Option<ImportStatus> {
        Self::ALL.into_iter().find(|known| known.name() == name)
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
    /// RFC 3339; when a completed import was undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_at: Option<String>,
}

impl HistoryEntry {
    /// Bytes of its summary and its error, as texts.
    pub(super) fn text_bytes(row: &Row<'_>) -> rusqlite::Result<usize> {
        let bytes = |index| -> rusqlite::Result<usize> {
            Ok(row
                .get_ref(index)?
                .as_str_or_null()
                .map_err(rusqlite::Error::from)?
                .map_or(0, str::len))
        };
        Ok(bytes(8)? + bytes(9)?)
    }

    pub(super) const COLUMNS: &str =
        "id, session_id, filename, vendor, format, status, started_ms, finished_ms, \
         summary, error, undone_ms";

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
            status: ImportStatus::from_name(&status).unwrap_or(ImportStatus::Interrupted),
            started_at: clock::rfc3339(row.get(6)?),
            finished_at: row.get::<_, Option<i64>>(7)?.map(clock::rfc3339),
            summary: json(8)?,
            error: json(9)?,
            undone_at: row.get::<_, Option<i64>>(10)?.map(clock::rfc3339),
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

/// An import of the history, with times in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub id: i64,
    pub session_id: String,
    pub filename: String,
    pub vendor: String,
    pub format: Option<String>,
    pub status: ImportStatus,
    pub started_ms: i64,
    pub finished_ms: Option<i64>,
    pub summary: Option<Value>,
    pub error: Option<Value>,
}

impl Run {
    pub fn begin(id: i64, import: &NewImport<'_>) -> Run {
        Run {
            id,
            session_id: import.session_id.to_owned(),
            filename: import.filename.to_owned(),
            vendor: import.vendor.to_owned(),
            format: None,
            status: ImportStatus::Running,
            started_ms: import.started_ms,
            finished_ms: None,
            summary: None,
            error: None,
        }
    }

    pub fn end(&mut self, ending: &Ending<'_>) {
        self.status = ending.status;
        self.vendor = ending.vendor.to_owned();
        self.format = ending.format.map(str::to_owned);
        self.finished_ms = Some(clock::now_ms());
        self.summary = ending.summary.cloned();
        self.error = ending.error.cloned();
    }

    pub fn entry(&self) -> HistoryEntry {
        HistoryEntry {
            import_id: self.id,
            session_id: self.session_id.clone(),
            filename: self.filename.clone(),
            vendor: self.vendor.clone(),
            format: self.format.clone(),
            status: self.status,
            started_at: clock::rfc3339(self.started_ms),
            finished_at: self.finished_ms.map(clock::rfc3339),
            summary: self.summary.clone(),
            error: self.error.clone(),
            undone_at: None,
        }
    }
}

/// Writes an import; what is known of it already is replaced. Completed ones get the
/// next number of their order.
pub(super) fn write(connection: &Connection, run: &Run) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO imports (id, session_id, filename, vendor, format, status, started_ms, finished_ms, summary,
             error, merged)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
             iif(?6 = 'completed', (SELECT coalesce(max(merged), 0) + 1 FROM imports), NULL))
         ON CONFLICT (id) DO UPDATE SET session_id = excluded.session_id, filename = excluded.filename,
             started_ms = excluded.started_ms, vendor = excluded.vendor, format = excluded.format,
             status = excluded.status, finished_ms = excluded.finished_ms, summary = excluded.summary,
             error = excluded.error, merged = excluded.merged",
        params![
            run.id,
            run.session_id,
            run.filename,
            run.vendor,
            run.format,
            run.status.name(),
            run.started_ms,
            run.finished_ms,
            run.summary.as_ref().map(Value::to_string),
            run.error.as_ref().map(Value::to_string),
        ],
    )?;
    Ok(())
}

/// One import; `None` if there is none of that number.
pub(super) fn read(connection: &Connection, id: i64) -> Result<Option<HistoryEntry>, StoreError> {
    let sql = format!(
        "SELECT {} FROM imports WHERE id = ?1",
        HistoryEntry::COLUMNS
    );
    let entry = connection.query_row(&sql, [id], HistoryEntry::from_row);
    Ok(entry.optional()?)
}

/// What still runs in the database when the program starts was killed with it.
pub(super) fn mark_interrupted(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE imports SET status = 'interrupted' WHERE status = 'running'",
        [],
    )?;
    Ok(())
}
