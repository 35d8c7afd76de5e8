//! Where an import collects its records before anybody sees them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ToSql};

use super::history::{self, Ending, NewImport};
use super::StoreError;
use crate::severity::Severity;

/// One record of a scan: a finding on a host, with one CVE or none.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The number that [`ImportWriter::stage_host`] gave.
    pub host: i64,
    pub check: &'a str,
    pub cve: &'a str,
    pub port: &'a str,
    pub protocol: &'a str,
    pub title: &'a str,
    pub solution: &'a str,
    pub severity: Severity,
    pub state: &'a str,
    pub cvss: Option<f64>,
    pub first_seen_ms: Option<i64>,
    pub last_seen_ms: Option<i64>,
}

/// One import on its way into the database. Dropping it leaves the findings as
/// they were and the import as running, as if the program had been killed:
/// [`commit`](Self::commit) or [`abandon`](Self::abandon) it.
pub struct ImportWriter {
    pub(super) connection: Connection,
    pub(super) import_id: i64,
    pub(super) statements: u64,
    /// Hosts are numbered from 1 to this.
    pub(super) hosts: i64,
    pub(super) records: u64,
    pub(super) has_protected: bool,
    last_host: Option<(i64, String, String, String)>,
    path: PathBuf,
}

/// Memory that SQLite may use for pages of the staging file.
const STAGING_CACHE_KIB: i64 = 4 * 1024;

/// Losing the staging file loses nothing, so it has neither journal nor syncs.
const STAGING_SCHEMA: &str = "
CREATE TABLE staging.hosts (
    id       INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,
    ip       TEXT NOT NULL,
    hostname TEXT NOT NULL,
    known_id INTEGER
) STRICT;
CREATE TABLE staging.records (
    id            INTEGER PRIMARY KEY,
    host_id       INTEGER NOT NULL,
    check_id      TEXT NOT NULL,
    cve           TEXT NOT NULL,
    port          TEXT NOT NULL,
    protocol      TEXT NOT NULL,
    title         TEXT NOT NULL,
    solution      TEXT NOT NULL,
    severity      INTEGER NOT NULL,
    state         TEXT NOT NULL,
    cvss          REAL,
    first_seen_ms INTEGER,
    last_seen_ms  INTEGER,
    UNIQUE (host_id, check_id, cve, port, protocol)
) STRICT;
CREATE TABLE staging.protected (
    host     TEXT NOT NULL COLLATE NOCASE,
    check_id TEXT NOT NULL,
    PRIMARY KEY (host, check_id)
) STRICT, WITHOUT ROWID;
BEGIN;
";

const STAGE_RECORD: &str = "
INSERT OR IGNORE INTO staging.records (host_id, check_id, cve, port, protocol, title, solution,
    severity, state, cvss, first_seen_ms, last_seen_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// A further record of a key: it was seen from the earliest to the latest of all times.
const WIDEN_RECORD: &str = "
UPDATE staging.records SET
    first_seen_ms = min(coalesce(first_seen_ms, ?11), coalesce(?11, first_seen_ms)),
    last_seen_ms = max(coalesce(last_seen_ms, ?12), coalesce(?12, last_seen_ms))
WHERE host_id = ?1 AND check_id = ?2 AND cve = ?3 AND port = ?4 AND protocol = ?5";

/// A further record of a key, where it is worse than the one that is there.
const OVERRULE_RECORD: &str = "
UPDATE staging.records SET title = ?6, solution = ?7, severity = ?8, state = ?9, cvss = ?10
WHERE host_id = ?1 AND check_id = ?2 AND cve = ?3 AND port = ?4 AND protocol = ?5
    AND (?8, coalesce(?10, -1), ?6, ?7, ?9) > (severity, coalesce(cvss, -1), title, solution, state)";

impl ImportWriter {
    pub(super) fn begin(
        connection: Connection,
        path: PathBuf,
        import: &NewImport<'_>,
    ) -> Result<ImportWriter, StoreError> {
        let unusable = |error| StoreError::Directory(path.clone(), error);
        remove_file(&path).map_err(unusable)?;
        let name = path
            .to_str()
            .ok_or_else(|| unusable(io::ErrorKind::InvalidFilename.into()))?;
        let import_id = history::insert(&connection, import)?;
        connection.execute("ATTACH ?1 AS staging", [name])?;
        connection.pragma_update(Some("staging"), "journal_mode", "off")?;
        connection.pragma_update(Some("staging"), "synchronous", "off")?;
        connection.pragma_update(Some("staging"), "locking_mode", "exclusive")?;
        connection.pragma_update(Some("staging"), "cache_size", -STAGING_CACHE_KIB)?;
        connection.execute_batch(STAGING_SCHEMA)?;
        Ok(ImportWriter {
            connection,
            import_id,
            statements: 9,
            hosts: 0,
            records: 0,
            has_protected: false,
            last_host: None,
            path,
        })
    }

    /// The import's number in the history.
    pub fn import_id(&self) -> i64 {
        self.import_id
    }

    /// SQL statements executed so far.
    pub fn statements(&self) -> u64 {
        self.statements
    }

    /// Notes a host of the file, with what is known of it; gives its number in
    /// the staging file. What a later row leaves empty stays.
    pub fn stage_host(&mut self, key: &str, ip: &str, hostname: &str) -> Result<i64, StoreError> {
        if let Some((id, known_key, known_ip, known_hostname)) = &self.last_host {
            if known_key == key && known_ip == ip && known_hostname == hostname {
                return Ok(*id); // rows of one host mostly follow each other
            }
        }
        self.statements += 1;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO staging.hosts (key, ip, hostname) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET
                 ip = coalesce(nullif(excluded.ip, ''), ip),
                 hostname = coalesce(nullif(excluded.hostname, ''), hostname)
             RETURNING id",
        )?;
        let id: i64 = statement.query_row([key, ip, hostname], |row| row.get(0))?;
        // SQLite gives numbers without gaps, so the highest is the count.
        self.hosts = self.hosts.max(id);
        self.last_host = Some((id, key.to_owned(), ip.to_owned(), hostname.to_owned()));
        Ok(id)
    }

    /// Notes a record. False if its key came before in this file. Of all records of
    /// a key the one with the highest severity stays, then the one with the highest
    /// score, then the one whose texts come last: whatever the order of the rows.
    pub fn stage(&mut self, record: &Record<'_>) -> Result<bool, StoreError> {
        self.statements += 1;
        let values: [&dyn ToSql; 12] = [
            &record.host,
            &record.check,
            &record.cve,
            &record.port,
            &record.protocol,
            &record.title,
            &record.solution,
            &record.severity.rank(),
            &record.state,
            &record.cvss,
            &record.first_seen_ms,
            &record.last_seen_ms,
        ];
        let mut insert = self.connection.prepare_cached(STAGE_RECORD)?;
        let is_first = insert.execute(&values[..])? == 1;
        if is_first {
            self.records += 1;
        } else {
            self.statements += 2;
            self.connection
                .prepare_cached(WIDEN_RECORD)?
                .execute(&values[..])?;
            self.connection
                .prepare_cached(OVERRULE_RECORD)?
                .execute(&values[..10])?;
        }
        Ok(is_first)
    }

    /// Notes what a row may have been about that could not be understood: no finding
    /// of this check is resolved on a host of one of these names; an empty check
    /// stands for all of the host. Empty names are passed over.
    pub fn protect(&mut self, host_names: &[&str], check: &str) -> Result<(), StoreError> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO staging.protected VALUES (?1, ?2)")?;
        for name in host_names.iter().filter(|name| !name.is_empty()) {
            insert.execute([name, &check])?;
            self.statements += 1;
            self.has_protected = true;
        }
        Ok(())
    }

    /// Makes the merged findings and the end of the import visible, both at once.
    /// Call it after [`merge`](Self::merge). On an error nothing is visible, and
    /// the import can still be [abandoned](Self::abandon).
    pub fn commit(&mut self, ending: &Ending<'_>) -> Result<(), StoreError> {
        history::finish(&self.connection, self.import_id, ending)?;
        self.connection.execute_batch("COMMIT")?;
        self.statements += 2;
        Ok(())
    }

    /// Takes back everything but the entry in the history, which ends as given.
    pub fn abandon(self, ending: &Ending<'_>) -> Result<(), StoreError> {
        self.roll_back()?;
        history::finish(&self.connection, self.import_id, ending)
    }

    fn roll_back(&self) -> Result<(), StoreError> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }
}

impl Drop for ImportWriter {
    fn drop(&mut self) {
        // The connection may still have it open, which Linux does not mind; what
        // cannot be removed now is removed at the next start.
        let _ = remove_file(&self.path);
    }
}

/// Removes a staging file, if there is one.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
