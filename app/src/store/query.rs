//! Looking things up: the history and the findings, a page at a time.

use std::path::Path;
use std::sync::Arc;

use rusqlite::types::{ToSql, Value};
use rusqlite::{params, Connection, OptionalExtension, Row};
use serde::Serialize;

use super::filter::{Conditions, Cursor, FindingFilter, Sort};
use super::history::{self, HistoryEntry};
use super::runs::Runs;
use super::snapshot::{self, Snapshot};
use super::stats::{self, Statistics};
use super::{read_only, StoreError};
use crate::clock;
use crate::severity::Severity;

/// Most items on a page; a larger limit counts as this.
pub const MAX_PAGE: u64 = 1_000;
/// A page ends behind the item with which its texts come to this, whatever its limit: it is made in memory.
const MAX_PAGE_TEXT_BYTES: usize = 512 * 1024;
/// The same for summaries and errors of imports, which are read into trees.
const MAX_IMPORT_TEXT_BYTES: usize = 256 * 1024;

/// A part of a list, in the shape of the answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page<T> {
    /// Items in all that match.
    pub total: u64,
    pub limit: u64,
    pub offset: u64,
    pub items: Vec<T>,
}

/// A part of the list of findings.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingPage {
    pub page: Page<FindingRow>,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<Cursor>,
}

/// One finding, in the shape of `GET /api/vulnerabilities`. What is not known is
/// `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingRow {
    pub id: i64,
    pub vendor: String,
    /// The site that the import named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The key of the host: its scanner's id, address or name, in lower case.
    pub host: String,
    pub ip: Option<String>,
    pub hostname: Option<String>,
    pub check: String,
    pub title: String,
    pub cve: Option<String>,
    pub port: Option<Port>,
    pub protocol: Option<String>,
    pub severity: &'static str,
    pub cvss: Option<f64>,
    /// `active` or `resolved`.
    pub status: &'static str,
    /// RFC 3339.
    pub first_seen: String,
    /// RFC 3339.
    pub last_seen: String,
    /// RFC 3339; `None` if it is active, and if that was not noted.
    pub resolved_at: Option<String>,
    /// RFC 3339; `None` if it was never reopened.
    pub reopened_at: Option<String>,
    pub solution: Option<String>,
    /// The scanner's word, as it stands in the file.
    pub scanner_state: Option<String>,
    /// The newest import that held it.
    pub import_id: i64,
}

impl FindingRow {
    /// Bytes of those texts that may be long.
    pub(super) fn text_bytes(&self) -> usize {
        let optional = [&self.hostname, &self.solution, &self.scanner_state];
        let optional = optional
            .iter()
            .map(|text| text.as_ref().map_or(0, String::len));
        let needed = [&self.vendor, &self.host, &self.check, &self.title];
        needed.iter().map(|text| text.len()).sum::<usize>() + optional.sum::<usize>()
    }
}

/// A number, where it is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Port {
    Number(u32),
    Text(String),
}

/// A connection that reads only.
pub struct Reader {
    connection: Connection,
    runs: Arc<Runs>,
}

pub(super) const FINDING_COLUMNS: &str = "f.id, h.vendor, h.site, h.key, h.ip, h.hostname, f.check_id, f.title, f.cve, f.port, \
     f.protocol, f.severity, f.cvss, f.active, f.first_seen_ms, f.last_seen_ms, f.resolved_ms, f.reopened_ms, \
     f.solution, f.state, f.import_id";

impl Reader {
    pub(super) fn new(connection: Connection, runs: Arc<Runs>) -> Reader {
        Reader { connection, runs }
    }

    /// The history of imports, the newest first.
    pub fn imports(&self, limit: u64, offset: u64) -> Result<Page<HistoryEntry>, StoreError> {
        let limit = limit.min(MAX_PAGE);
        // Read before the table: one that is written meanwhile is in both, not in none.
        let runs = self.runs.entries();
        let transaction = self.connection.unchecked_transaction()?;
        let count_newer = |id: i64| -> Result<u64, StoreError> {
            let mut count =
                transaction.prepare_cached("SELECT count(*) FROM imports WHERE id > ?1")?;
            let count: i64 = count.query_row([id], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        };
        let mut total = count_newer(0)?;
        let mut items = Vec::new();
        for run in runs {
            if history::read(&transaction, run.import_id)?.is_none() {
                let place = count_newer(run.import_id)? + items.len() as u64;
                items.push((place, run));
                total += 1;
            }
        }
        let extra = items.len() as u64;
        let first = offset.saturating_sub(extra);
        let sql = format!(
            "SELECT {} FROM imports ORDER BY id DESC LIMIT {} OFFSET {}",
            HistoryEntry::COLUMNS,
            limit + extra,
            i64::try_from(first).unwrap_or(i64::MAX)
        );
        let mut statement = transaction.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let newer_runs: Vec<i64> = items.iter().map(|(_, run)| run.import_id).collect();
        let mut place_in_table = first;
        let mut text_bytes = 0;
        while let Some(row) = rows.next()? {
            if text_bytes > MAX_IMPORT_TEXT_BYTES {
                break;
            }
            text_bytes += HistoryEntry::text_bytes(row)?;
            let entry = HistoryEntry::from_row(row)?;
            let before = newer_runs
                .iter()
                .filter(|id| **id > entry.import_id)
                .count();
            items.push((place_in_table + before as u64, entry));
            place_in_table += 1;
        }
        items.sort_by_key(|(place, _)| *place);
        items.retain(|(place, _)| *place >= offset && place - offset < limit);
        Ok(Page {
            total,
            limit,
            offset,
            items: items.into_iter().map(|(_, entry)| entry).collect(),
        })
    }

    /// One import; `None` if there is none of that number.
    pub fn import(&self, id: i64) -> Result<Option<HistoryEntry>, StoreError> {
        let run = self.runs.get(id).map(|run| run.entry());
        Ok(history::read(&self.connection, id)?.or(run))
    }

    /// The completed import of a session that was created at this time, in milliseconds since the epoch.
    pub fn completed_import(
        &self,
        session_id: &str,
        created_ms: i64,
    ) -> Result<Option<HistoryEntry>, StoreError> {
        let sql = format!(
            "SELECT {} FROM imports WHERE session_id = ?1 AND started_ms >= ?2 AND status = 'completed'",
            HistoryEntry::COLUMNS
        );
        let entry = self.connection.query_row(
            &sql,
            params![session_id, created_ms],
            HistoryEntry::from_row,
        );
        Ok(entry.optional()?)
    }

    /// Figures about the findings.
    pub fn statistics(&self) -> Result<Statistics, StoreError> {
        stats::read(&self.connection, clock::now_ms())
    }

    /// The findings that match, the newest first.
    pub fn vulnerabilities(
        &self,
        filter: &FindingFilter,
        limit: u64,
        offset: u64,
    ) -> Result<Page<FindingRow>, StoreError> {
        let page = self.findings(filter, Sort::default(), limit, offset, None)?;
        Ok(page.page)
    }

    /// The findings that match, in this order, behind a cursor. Total and items come
    /// from one transaction, so that they fit together.
    pub fn findings(
        &self,
        filter: &FindingFilter,
        sort: Sort,
        limit: u64,
        offset: u64,
        cursor: Option<Cursor>,
    ) -> Result<FindingPage, StoreError> {
        let limit = limit.min(MAX_PAGE);
        let transaction = self.connection.unchecked_transaction()?;
        let mut conditions = Conditions::of(filter);
        let count = format!(
            "SELECT count(*) FROM findings AS f JOIN hosts AS h ON h.id = f.host_id {}",
            conditions.clause()
        );
        let total: i64 = transaction
            .prepare_cached(&count)?
            .query_row(values(&conditions.values), |row| row.get(0))?;
        if let Some(cursor) = cursor {
            conditions.after(sort, cursor);
        }
        let (items, next) = rows(&transaction, &conditions, sort, limit, offset)?;
        let page = Page {
            total: total.unsigned_abs(),
            limit,
            offset,
            items,
        };
        Ok(FindingPage { page, next })
    }

    /// The findings that match, in this order, as they are now, to be read piece by piece.
    pub fn snapshot(&self, filter: &FindingFilter, sort: Sort) -> Result<Snapshot, StoreError> {
        let path = self.connection.path().unwrap_or_default();
        let connection = read_only(Path::new(path), snapshot::CACHE_KIB)?;
        Snapshot::new(connection, filter, sort)
    }
}

/// Findings in this order, and where the next ones begin: so many, or until their texts come to so much.
fn rows(
    connection: &Connection,
    conditions: &Conditions,
    sort: Sort,
    limit: u64,
    offset: u64,
) -> Result<(Vec<FindingRow>, Option<Cursor>), StoreError> {
    let sql = format!(
        "SELECT {FINDING_COLUMNS}, {} FROM findings AS f JOIN hosts AS h ON h.id = f.host_id {} ORDER BY {}
         LIMIT {} OFFSET {}",
        sort.column(),
        conditions.clause(),
        sort.order_by(),
        limit + 1,
        i64::try_from(offset).unwrap_or(i64::MAX)
    );
    let mut statement = connection.prepare(&sql)?;
    let found = statement.query_map(values(&conditions.values), |row| {
        Ok((finding(row)?, row.get(21)?))
    })?;
    let mut items = Vec::new();
    let mut last = None;
    let mut text_bytes = 0;
    for row in found {
        if items.len() as u64 >= limit || text_bytes > MAX_PAGE_TEXT_BYTES {
            // There are more.
            return Ok((items, last));
        }
        let (row, value): (FindingRow, Value) = row?;
        text_bytes += row.text_bytes();
        last = Some(Cursor { value, id: row.id });
        items.push(row);
    }
    Ok((items, None))
}

pub(super) fn values(values: &[Box<dyn ToSql>]) -> impl rusqlite::Params + '_ {
    rusqlite::params_from_iter(values.iter())
}

pub(super) fn finding(row: &Row<'_>) -> rusqlite::Result<FindingRow> {
    let known = |index| -> rusqlite::Result<Option<String>> {
        let text: String = row.get(index)?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    let time = |index| -> rusqlite::Result<Option<String>> {
        Ok(row.get::<_, Option<i64>>(index)?.map(clock::rfc3339))
    };
    let severity = Severity::from_rank(row.get(11)?).unwrap_or(Severity::Info);
    let port = known(9)?.map(|text| text.parse().map_or(Port::Text(text), Port::Number));
    Ok(FindingRow {
        id: row.get(0)?,
        vendor: row.get(1)?,
        site: known(2)?,
        host: row.get(3)?,
        ip: known(4)?,
        hostname: known(5)?,
        check: row.get(6)?,
        title: row.get(7)?,
        cve: known(8)?,
        port,
        protocol: known(10)?,
        severity: severity.name(),
        cvss: row.get(12)?,
        status: if row.get(13)? { "active" } else { "resolved" },
        first_seen: clock::rfc3339(row.get(14)?),
        last_seen: clock::rfc3339(row.get(15)?),
        resolved_at: time(16)?,
        reopened_at: time(17)?,
        solution: known(18)?,
        scanner_state: known(19)?,
        import_id: row.get(20)?,
    })
}
