//! The records of an import as the merge reads them.

use rusqlite::Row;

use super::plan::MergePlan;

/// One row of the statement `STAGED_RECORDS`.
pub struct Staged<'a> {
    pub host_id: i64,
    pub is_new_host: bool,
    pub is_older: bool,
    pub staged_host: i64,
    pub check_key: &'a str,
    pub cve: &'a str,
    pub port: &'a str,
    pub protocol: &'a str,
    pub check: &'a str,
    pub title: &'a str,
    pub solution: &'a str,
    pub severity: u8,
    pub state: &'a str,
    pub cvss: Option<f64>,
    pub first_ms: i64,
    pub last_ms: i64,
}

impl<'a> Staged<'a> {
    pub fn from_row(row: &'a Row<'_>, plan: &MergePlan<'_>) -> rusqlite::Result<Staged<'a>> {
        let text = |index| -> rusqlite::Result<&'a str> { Ok(row.get_ref(index)?.as_str()?) };
        let (first_ms, last_ms): (Option<i64>, Option<i64>) = (row.get(14)?, row.get(15)?);
        let last_ms = last_ms.unwrap_or(plan.scan_ms);
        Ok(Staged {
            host_id: row.get(0)?,
            is_new_host: row.get(1)?,
            is_older: row.get(2)?,
            staged_host: row.get(3)?,
            check_key: text(4)?,
            cve: text(5)?,
            port: text(6)?,
            protocol: text(7)?,
            check: text(8)?,
            title: text(9)?,
            solution: text(10)?,
            severity: row.get(11)?,
            state: text(12)?,
            cvss: row.get(13)?,
            first_ms: first_ms.unwrap_or(last_ms).min(last_ms),
            last_ms,
        })
    }
}
