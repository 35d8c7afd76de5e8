//! Where an import collects its records before anybody sees them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{params, Connection, ToSql};

use super::history::{self, Ending};
use super::plan::Resolve;
use super::runs::Runs;
use super::staging_sql::{
    OVERRULE_RECORD, STAGE_HOST, STAGE_NAMES, STAGE_RECORD, STAGING_SCHEMA, WIDEN_HOST,
    WIDEN_RECORD,
};
use super::StoreError;
use crate::severity::Severity;

/// When a finding or a host was seen, in milliseconds since the epoch; twice where the
/// order of day and month in the file is not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub month_first: Times,
    pub day_first: Times,
}

/// First and last time; `None` if not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub first_ms: Option<i64>,
    pub last_ms: Option<i64>,
}

/// A host of a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct StagedHost<'a> {
    /// In normal form, as `ip` and `name` if they are addresses.
    pub key: &'a str,
    /// Empty if not known.
    pub ip: &'a str,
    /// Empty if not known.
    pub name: &'a str,
    /// The key is address or name, and no number that a scanner gave: it may be the
    /// same host as one that other rows name otherwise.
    pub is_joinable: bool,
    pub seen: Seen,
}

/// One record of a scan: a finding on a host, with one CVE or none. Check key, port and
/// protocol are in normal form.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The number that [`ImportWriter::stage_host`] gave.
    pub host: i64,
    pub check_key: &'a str,
    pub check: &'a str,
    pub cve: &'a str,
    pub port: &'a str,
    pub protocol: &'a str,
    pub title: &'a str,
    pub solution: &'a str,
    pub severity: Severity,
    pub state: &'a str,
    pub cvss: Option<f64>,
    pub seen: Seen,
}

/// One import on its way into the database. Dropping it leaves the findings as
/// they were and the import as running, as if the program had been killed:
/// [`commit`](Self::commit) or [`abandon`](Self::abandon) it.
pub struct ImportWriter {
    pub(super) connection: Connection,
    /// -1 for a dry run, of which the history knows nothing.
    pub(super) import_id: i64,
    pub(super) statements: u64,
    /// Hosts are numbered from 1 to this.
    pub(super) hosts: i64,
    pub(super) records: u64,
    pub(super) has_protected: bool,
    pub(super) has_names: bool,
    last_host: Option<LastHost>,
    runs: Arc<Runs>,
    path: PathBuf,
}

/// Rows of one host mostly follow each other.
struct LastHost {
    id: i64,
    key: String,
    ip: String,
    name: String,
    month_first_ms: Option<i64>,
    day_first_ms: Option<i64>,
    is_written: bool,
}

/// What a host takes in each pass of the merge, in the time of a record.
pub(super) const STEPS_PER_HOST: u64 = 6;

impl ImportWriter {
    pub(super) fn begin(
        connection: Connection,
        cache_kib: u32,
        runs: Arc<Runs>,
        path: PathBuf,
        import_id: i64,
    ) -> Result<ImportWriter, StoreError> {
        let unusable = |error| StoreError::Directory(path.clone(), error);
        remove_file(&path).map_err(unusable)?;
        let name = path
            .to_str()
            .ok_or_else(|| unusable(io::ErrorKind::InvalidFilename.into()))?;
        connection.execute("ATTACH ?1 AS staging", [name])?;
        connection.pragma_update(Some("staging"), "journal_mode", "off")?;
        connection.pragma_update(Some("staging"), "synchronous", "off")?;
        connection.pragma_update(Some("staging"), "locking_mode", "exclusive")?;
        connection.pragma_update(Some("staging"), "cache_size", -i64::from(cache_kib))?;
        connection.execute_batch(STAGING_SCHEMA)?;
        Ok(ImportWriter {
            connection,
            import_id,
            statements: 11,
            hosts: 0,
            records: 0,
            has_protected: false,
            has_names: false,
            last_host: None,
            runs,
            path,
        })
    }

    /// The import's number in the history; `None` for a dry run.
    pub fn import_id(&self) -> Option<i64> {
        (self.import_id > 0).then_some(self.import_id)
    }

    /// SQL statements executed so far.
    pub fn statements(&self) -> u64 {
        self.statements
    }

    /// What a merge of what was staged so far has to do, in steps of about the same time.
    pub fn steps(&self, resolve: Resolve) -> u64 {
        let passes = if resolve == Resolve::Nothing { 1 } else { 2 };
        passes * self.hosts.unsigned_abs() * STEPS_PER_HOST + self.records
    }

    /// Notes a host of the file, with what is known of it; gives its number in
    /// the staging file. What a later row leaves empty stays.
    pub fn stage_host(&mut self, host: &StagedHost<'_>) -> Result<i64, StoreError> {
        let (month_first_ms, day_first_ms) =
            (host.seen.month_first.last_ms, host.seen.day_first.last_ms);
        if let Some(last) = &mut self.last_host {
            if last.key == host.key && last.ip == host.ip && last.name == host.name {
                let is_newer =
                    month_first_ms > last.month_first_ms || day_first_ms > last.day_first_ms;
                last.is_written &= !is_newer;
                last.month_first_ms = last.month_first_ms.max(month_first_ms);
                last.day_first_ms = last.day_first_ms.max(day_first_ms);
                return Ok(last.id);
            }
        }
        self.write_last_host()?;
        self.statements += 1;
        let has_both = host.is_joinable && !host.ip.is_empty() && !host.name.is_empty();
        let is_lone = host.is_joinable && !has_both;
        let id: i64 = self.connection.prepare_cached(STAGE_HOST)?.query_row(
            params![
                host.key,
                host.ip,
                host.name,
                month_first_ms,
                day_first_ms,
                is_lone
            ],
            |row| row.get(0),
        )?;
        if has_both {
            let mut insert = self.connection.prepare_cached(STAGE_NAMES)?;
            insert.execute(params![host.ip, crate::normal::host(host.name), id])?;
            self.statements += 1;
            self.has_names = true;
        }
        // SQLite gives numbers without gaps, so the highest is the count.
        self.hosts = self.hosts.max(id);
        self.last_host = Some(LastHost {
            id,
            key: host.key.to_owned(),
            ip: host.ip.to_owned(),
            name: host.name.to_owned(),
            month_first_ms,
            day_first_ms,
            is_written: true,
        });
        Ok(id)
    }

    pub(super) fn write_last_host(&mut self) -> Result<(), StoreError> {
        if let Some(host) = self.last_host.take().filter(|host| !host.is_written) {
            self.statements += 1;
            let mut widen = self.connection.prepare_cached(WIDEN_HOST)?;
            widen.execute(params![host.id, host.month_first_ms, host.day_first_ms])?;
        }
        Ok(())
    }

    /// Notes a record. False if its key came before in this file. Of all records of
    /// a key the one with the highest severity stays, then the one with the highest
    /// score, then the one whose texts come last: whatever the order of the rows.
    pub fn stage(&mut self, record: &Record<'_>) -> Result<bool, StoreError> {
        self.statements += 1;
        let has_orders = record.seen.month_first != record.seen.day_first;
        let values: [&dyn ToSql; 16] = [
            &record.host,
            &record.check_key,
            &record.cve,
            &record.port,
            &record.protocol,
            &record.check,
            &record.title,
            &record.solution,
            &record.severity.rank(),
            &record.state,
            &record.cvss,
            &record.seen.month_first.first_ms,
            &record.seen.month_first.last_ms,
            &record.seen.day_first.first_ms.filter(|_| has_orders),
            &record.seen.day_first.last_ms.filter(|_| has_orders),
            &has_orders,
        ];
        let mut insert = self.connection.prepare_cached(STAGE_RECORD)?;
        let is_first = insert.execute(&values[..])? == 1;
        if is_first {
            self.records += 1;
        } else {
            self.statements += 2;
            let mut widen = self.connection.prepare_cached(WIDEN_RECORD)?;
            widen.execute(&values[..])?;
            let mut overrule = self.connection.prepare_cached(OVERRULE_RECORD)?;
            overrule.execute(&values[..11])?;
        }
        Ok(is_first)
    }

    /// Notes what a row may have been about that could not be understood: no finding
    /// of this check (in normal form) is resolved on a host of one of these names; an
    /// empty check stands for all of the host. Empty names are passed over.
    pub fn protect(&mut self, host_names: &[&str], check_key: &str) -> Result<(), StoreError> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO staging.protected VALUES (?1, ?2)")?;
        for name in host_names.iter().filter(|name| !name.is_empty()) {
            insert.execute([name, &check_key])?;
            self.statements += 1;
            self.has_protected = true;
        }
        Ok(())
    }

    /// Makes the merged findings and the end of the import visible, both at once.
    /// Call it after [`merge`](Self::merge). On an error nothing is visible, and
    /// the import can still be [abandoned](Self::abandon).
    pub fn commit(&mut self, ending: &Ending<'_>) -> Result<(), StoreError> {
        let Some(mut run) = self.runs.get(self.import_id) else {
            return Ok(self.roll_back()?);
        };
        run.end(ending);
        history::write(&self.connection, &run)?;
        let others = self.runs.ended();
        for other in &others {
            history::write(&self.connection, other)?;
        }
        self.connection.execute_batch("COMMIT")?;
        self.statements += 2 + others.len() as u64;
        let written = others.iter().map(|other| other.id);
        self.runs.forget(written.chain([self.import_id]));
        Ok(())
    }

    /// Takes back everything but the entry in the history, which ends as given; where
    /// it cannot be written now it is later. The staging file goes first: it may be
    /// what fills the disk.
    pub fn abandon(self, ending: &Ending<'_>) {
        let (runs, import_id) = (self.runs.clone(), self.import_id);
        // A connection that is closed rolls back, if this has failed.
        let _ = self.roll_back();
        drop(self);
        runs.end(import_id, ending);
    }

    fn roll_back(&self) -> rusqlite::Result<()> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }
}

impl Drop for ImportWriter {
    fn drop(&mut self) {
        let _ = self.roll_back();
        let _ = self.connection.execute_batch("DETACH staging");
        // What cannot be removed now is removed at the next start.
        let _ = remove_file(&self.path);
    }
}

/// Removes a staging file, if there is one.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
