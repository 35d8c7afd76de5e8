//! Looking things up: the history and the findings, a page at a time.

use rusqlite::types::ToSql;
use rusqlite::{Connection, Row};
use serde::Serialize;

use super::history::HistoryEntry;
use super::StoreError;
use crate::clock;
use crate::severity::Severity;

/// Most items on a page; a larger limit counts as this.
pub const MAX_PAGE: u64 = 1_000;

/// A part of a list, in the shape of the answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page<T> {
    /// Items in all that match.
    pub total: u64,
    pub limit: u64,
    pub offset: u64,
    pub items: Vec<T>,
}

/// Which findings to list; what is `None` lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingFilter {
    pub severity: Option<Severity>,
    /// The exact key, address or name of the host; letter case does not count.
    pub host: Option<String>,
    /// True for active, false for resolved.
    pub active: Option<bool>,
}

/// One finding, in the shape of `GET /api/vulnerabilities`. What is not known is
/// `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingRow {
    pub id: i64,
    pub vendor: String,
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
    /// The newest import that held it.
    pub import_id: i64,
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
}

impl Reader {
    pub(super) fn new(connection: Connection) -> Reader {
        Reader { connection }
    }

    /// The history of imports, the newest first.
    pub fn imports(&self, limit: u64, offset: u64) -> Result<Page<HistoryEntry>, StoreError> {
        let sql = format!(
            "SELECT {} FROM imports ORDER BY id DESC",
            HistoryEntry::COLUMNS
        );
        self.page(
            "SELECT count(*) FROM imports",
            &sql,
            vec![],
            limit,
            offset,
            HistoryEntry::from_row,
        )
    }

    /// The findings that match, the newest first.
    pub fn vulnerabilities(
        &self,
        filter: &FindingFilter,
        limit: u64,
        offset: u64,
    ) -> Result<Page<FindingRow>, StoreError> {
        let mut conditions = Vec::new();
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        if let Some(severity) = filter.severity {
            values.push(Box::new(severity.rank()));
            conditions.push(format!("f.severity = ?{}", values.len()));
        }
        if let Some(active) = filter.active {
            values.push(Box::new(active));
            conditions.push(format!("f.active = ?{}", values.len()));
        }
        if let Some(host) = &filter.host {
            values.push(Box::new(host.to_lowercase()));
            let n = values.len();
            conditions.push(format!(
                "f.host_id IN (SELECT id FROM hosts WHERE key = ?{n} UNION SELECT id FROM hosts WHERE ip = ?{n}
                 UNION SELECT id FROM hosts WHERE hostname = ?{n})"
            ));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", conditions.join(" AND "))
        };
        let count = format!("SELECT count(*) FROM findings AS f {filter}");
        let sql = format!(
            "SELECT f.id, h.vendor, h.key, h.ip, h.hostname, f.check_id, f.title, f.cve, f.port, f.protocol,
                 f.severity, f.cvss, f.active, f.first_seen_ms, f.last_seen_ms, f.import_id
             FROM findings AS f JOIN hosts AS h ON h.id = f.host_id {filter} ORDER BY f.id DESC"
        );
        self.page(&count, &sql, values, limit, offset, finding)
    }

    /// Total and items come from one transaction, so that they fit together.
    fn page<T>(
        &self,
        count_sql: &str,
        items_sql: &str,
        values: Vec<Box<dyn ToSql>>,
        limit: u64,
        offset: u64,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Page<T>, StoreError> {
        let limit = limit.min(MAX_PAGE);
        let transaction = self.connection.unchecked_transaction()?;
        let values = || rusqlite::params_from_iter(values.iter());
        let total: i64 = transaction
            .prepare_cached(count_sql)?
            .query_row(values(), |row| row.get(0))?;
        let offset_in_sql = i64::try_from(offset).unwrap_or(i64::MAX);
        let items_sql = format!("{items_sql} LIMIT {limit} OFFSET {offset_in_sql}");
        let mut statement = transaction.prepare(&items_sql)?;
        let items = statement
            .query_map(values(), read)?
            .collect::<Result<_, _>>()?;
        Ok(Page {
            total: total.unsigned_abs(),
            limit,
            offset,
            items,
        })
    }
}

fn finding(row: &Row<'_>) -> rusqlite::Result<FindingRow> {
    let known = |index| -> rusqlite::Result<Option<String>> {
        let text: String = row.get(index)?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    let severity = Severity::from_rank(row.get(10)?).unwrap_or(Severity::Info);
    let port = known(8)?.map(|text| text.parse().map_or(Port::Text(text), Port::Number));
    Ok(FindingRow {
        id: row.get(0)?,
        vendor: row.get(1)?,
        host: row.get(2)?,
        ip: known(3)?,
        hostname: known(4)?,
        check: row.get(5)?,
        title: row.get(6)?,
        cve: known(7)?,
        port,
        protocol: known(9)?,
        severity: severity.name(),
        cvss: row.get(11)?,
        status: if row.get(12)? { "active" } else { "resolved" },
        first_seen: clock::rfc3339(row.get(13)?),
        last_seen: clock::rfc3339(row.get(14)?),
        import_id: row.get(15)?,
    })
}
