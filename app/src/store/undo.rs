//! Taking an import back: findings and hosts become what they were before it.

use rusqlite::{params, Connection, OptionalExtension};
use serde::Serialize;

use super::StoreError;
use crate::clock;
use crate::normal;

/// What an undone import had changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// Findings that it had brought, and that are gone now.
    pub removed: u64,
    /// Findings that it had resolved, and that are active again.
    pub reactivated: u64,
    /// Findings that it had reopened, and that are resolved again.
    pub resolved: u64,
    /// Other findings that it had changed.
    pub restored: u64,
    /// Names of the first hosts with a change.
    #[serde(skip)]
    pub hosts: Vec<String>,
}

/// Why an import cannot be undone.
#[derive(Debug)]
pub enum UndoError {
    /// There is no import of that number.
    Unknown,
    /// It changed nothing, a newer import of its label came after it, or it has been
    /// undone already.
    NotNewest,
    Store(StoreError),
}

impl From<rusqlite::Error> for UndoError {
    fn from(error: rusqlite::Error) -> UndoError {
        UndoError::Store(error.into())
    }
}

impl From<StoreError> for UndoError {
    fn from(error: StoreError) -> UndoError {
        UndoError::Store(error)
    }
}

const COUNT_UNDONE: &str = "
SELECT count(*) FILTER (WHERE before_import IS NULL),
    count(*) FILTER (WHERE before ->> 8 = 1 AND NOT active),
    count(*) FILTER (WHERE before ->> 8 = 0 AND active),
    count(*) FILTER (WHERE before ->> 8 = active)
FROM findings WHERE changed_by = ?1";

const CHANGED_HOSTS: &str = "
SELECT DISTINCT coalesce(nullif(h.hostname, ''), nullif(h.ip, ''), h.key)
FROM findings AS f JOIN hosts AS h ON h.id = f.host_id
WHERE f.changed_by = ?1 AND (f.before IS NOT NULL OR f.before_import IS NULL)
ORDER BY f.id LIMIT 20";

/// Where another finding has taken the place of one that goes back, it gives way.
const RESTORE_FINDINGS: &str = "
DELETE FROM findings WHERE changed_by = ?1 AND before_import IS NULL;
UPDATE OR REPLACE findings SET
    host_id = before ->> 0, cve = before ->> 1, check_id = before ->> 2, title = before ->> 3,
    solution = before ->> 4, severity = before ->> 5, state = before ->> 6, cvss = before ->> 7,
    active = before ->> 8, resolved_ms = before ->> 9, reopened_ms = before ->> 10
WHERE changed_by = ?1 AND before IS NOT NULL;
UPDATE findings SET first_seen_ms = before_first, last_seen_ms = before_last, import_id = before_import,
    changed_by = 0, before = NULL, before_import = NULL, before_first = NULL, before_last = NULL
WHERE changed_by = ?1;
UPDATE hosts SET ip = before ->> 0, hostname = before ->> 1, scan_ms = before ->> 2, changed_by = NULL, before = NULL
WHERE changed_by = ?1 AND before IS NOT NULL;
DELETE FROM hosts WHERE changed_by = ?1 AND before IS NULL
    AND NOT EXISTS (SELECT 1 FROM findings WHERE host_id = hosts.id);";

/// The place of the newest import of a label in the order in which they became visible.
fn newest(connection: &Connection, vendor: &str) -> Result<Option<i64>, UndoError> {
    let sql = "SELECT vendor, max(merged) FROM imports WHERE merged IS NOT NULL GROUP BY vendor";
    let mut labels = connection.prepare(sql)?;
    let rows = labels.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let wanted = normal::label(vendor);
    let mut newest = None;
    for row in rows {
        let (label, merged) = row?;
        if normal::label(&label) == wanted {
            newest = newest.max(Some(merged));
        }
    }
    Ok(newest)
}

/// Takes back the import of that number, if it is the newest of its label.
pub(super) fn undo(connection: &mut Connection, id: i64) -> Result<Undone, UndoError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = "SELECT vendor, merged, undone_ms FROM imports WHERE id = ?1";
    let found: Option<(String, Option<i64>, Option<i64>)> = transaction
        .query_row(found, [id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let (vendor, merged, undone_ms) = found.ok_or(UndoError::Unknown)?;
    let newest = newest(&transaction, &vendor)?;
    if merged.is_none() || merged != newest || undone_ms.is_some() {
        return Err(UndoError::NotNewest);
    }
    let mut undone = transaction.query_row(COUNT_UNDONE, [id], |row| {
        Ok(Undone {
            removed: row.get::<_, i64>(0)?.unsigned_abs(),
            reactivated: row.get::<_, i64>(1)?.unsigned_abs(),
            resolved: row.get::<_, i64>(2)?.unsigned_abs(),
            restored: row.get::<_, i64>(3)?.unsigned_abs(),
            hosts: Vec::new(),
        })
    })?;
    {
        let mut hosts = transaction.prepare(CHANGED_HOSTS)?;
        let names = hosts.query_map([id], |row| row.get(0))?;
        undone.hosts = names.collect::<Result<_, _>>()?;
    }
    for statement in RESTORE_FINDINGS
        .split(';')
        .filter(|sql| !sql.trim().is_empty())
    {
        transaction.execute(statement, [id])?;
    }
    transaction.execute(
        "UPDATE imports SET undone_ms = ?2 WHERE id = ?1",
        params![id, clock::now_ms()],
    )?;
    transaction.commit()?;
    Ok(undone)
}
