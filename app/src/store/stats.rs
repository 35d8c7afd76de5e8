//! Figures about all findings.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};
use serde::Serialize;

use super::StoreError;
use crate::clock;
use crate::severity::Severity;

/// Hosts that are named.
const MAX_HOSTS: u32 = 20;
/// Days of which is told.
const DAYS: i64 = 30;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Figures about the findings, in the shape of `GET /api/vulnerabilities/stats`. All
/// but `over_time` count active ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// `Critical` to `Info`.
    pub by_severity: BTreeMap<&'static str, u64>,
    pub by_vendor: BTreeMap<String, u64>,
    /// The hosts with the most findings.
    pub by_host: Vec<HostCount>,
    /// The last 30 days, the oldest first.
    pub over_time: Vec<DayCount>,
}

/// A host and how many active findings it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostCount {
    pub vendor: String,
    pub host: String,
    pub ip: Option<String>,
    pub hostname: Option<String>,
    pub count: u64,
}

/// A day, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayCount {
    /// `2025-01-12`
    pub date: String,
    /// Findings that were first seen on this day.
    pub new: u64,
    /// Findings that were resolved on this day and still are.
    pub resolved: u64,
    /// Findings that had been seen by the end of this day and were not resolved.
    pub active: u64,
}

const BY_HOST: &str = "
SELECT h.vendor, h.key, h.ip, h.hostname, n.count
FROM (SELECT host_id, count(*) AS count FROM findings WHERE active = 1 GROUP BY host_id
      ORDER BY count DESC, host_id LIMIT ?1) AS n
JOIN hosts AS h ON h.id = n.host_id
ORDER BY n.count DESC, h.id";

const BY_VENDOR: &str = "
SELECT h.vendor, count(*) FROM findings AS f JOIN hosts AS h ON h.id = f.host_id WHERE f.active = 1
GROUP BY h.vendor";

/// Of findings that the first version of the database resolved only that is known.
const RESOLVED_MS: &str = "iif(active, NULL, coalesce(resolved_ms, last_seen_ms))";

pub(super) fn read(connection: &Connection, now_ms: i64) -> Result<Statistics, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    let mut statistics = Statistics {
        by_severity: Severity::ALL
            .iter()
            .map(|severity| (severity.name(), 0))
            .collect(),
        ..Statistics::default()
    };
    let sql = "SELECT severity, count(*) FROM findings WHERE active = 1 GROUP BY severity";
    for (rank, count) in counts(&transaction, sql)? {
        let severity = u8::try_from(rank).ok().and_then(Severity::from_rank);
        let name = severity.unwrap_or(Severity::Info).name();
        *statistics.by_severity.entry(name).or_default() += count;
    }
    let mut vendors = transaction.prepare(BY_VENDOR)?;
    let rows = vendors.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
    })?;
    statistics.by_vendor = rows.collect::<Result<_, _>>()?;
    let mut hosts = transaction.prepare(BY_HOST)?;
    let rows = hosts.query_map([MAX_HOSTS], host_count)?;
    statistics.by_host = rows.collect::<Result<_, _>>()?;
    statistics.over_time = over_time(&transaction, now_ms)?;
    Ok(statistics)
}

fn over_time(connection: &Connection, now_ms: i64) -> Result<Vec<DayCount>, StoreError> {
    let today = now_ms.div_euclid(DAY_MS);
    let first_day = today - DAYS + 1;
    // What was before the first day counts as of the day before.
    let by_day = |column: &str| {
        let sql = format!(
            "SELECT max({column} / {DAY_MS}, {}) AS day, count(*) FROM findings WHERE {column} IS NOT NULL
             GROUP BY day",
            first_day - 1
        );
        counts(connection, &sql)
    };
    let (first_seen, resolved) = (by_day("first_seen_ms")?, by_day(RESOLVED_MS)?);
    let on = |counts: &BTreeMap<i64, u64>, day| counts.get(&day).copied().unwrap_or(0);
    let mut active = on(&first_seen, first_day - 1).saturating_sub(on(&resolved, first_day - 1));
    let days = (first_day..=today).map(|day| {
        let (new, gone) = (on(&first_seen, day), on(&resolved, day));
        active = (active + new).saturating_sub(gone);
        DayCount {
            date: clock::date(day * DAY_MS),
            new,
            resolved: gone,
            active,
        }
    });
    Ok(days.collect())
}

fn counts(connection: &Connection, sql: &str) -> Result<BTreeMap<i64, u64>, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn host_count(row: &Row<'_>) -> rusqlite::Result<HostCount> {
    let known = |index| -> rusqlite::Result<Option<String>> {
        let text: String = row.get(index)?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    };
    Ok(HostCount {
        vendor: row.get(0)?,
        host: row.get(1)?,
        ip: known(2)?,
        hostname: known(3)?,
        count: row.get::<_, i64>(4)?.unsigned_abs(),
    })
}
