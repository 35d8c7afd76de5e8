//! The records of one import meet what is known.
//!
//! One small statement after the other rather than a few large ones: so every
//! record is counted for what became of it, a cancellation takes effect at once,
//! and it is known how far the merge has come.

use rusqlite::{params, OptionalExtension, Row};

use super::staging::ImportWriter;
use super::StoreError;
use crate::severity::Severity;

/// Hosts named in [`MergeCounts::changed_hosts`].
const MAX_CHANGED_HOSTS: usize = 20;

/// What became of the records of an import. The first four are disjoint: each
/// record that was staged is one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeCounts {
    /// Not known before.
    pub new: u64,
    /// Known and active; severity, state, CVSS, title or solution differ.
    pub updated: u64,
    /// Known, and resolved until now.
    pub reopened: u64,
    /// Known, active, and the same.
    pub unchanged: u64,
    /// Active before on a host of this import, and not in it.
    pub resolved: u64,
    /// Of the new ones, by the rank of their severity.
    pub new_by_severity: [u64; 5],
    /// Of the resolved ones, by the rank of their severity.
    pub resolved_by_severity: [u64; 5],
    /// Display names of the first hosts with a change.
    pub changed_hosts: Vec<String>,
}

/// Why a merge ended early. Nothing of it is visible then.
#[derive(Debug)]
pub enum MergeStop {
    /// The caller's `on_step` asked for it.
    Cancelled,
    Store(StoreError),
}

impl From<StoreError> for MergeStop {
    fn from(error: StoreError) -> MergeStop {
        MergeStop::Store(error)
    }
}

impl From<rusqlite::Error> for MergeStop {
    fn from(error: rusqlite::Error) -> MergeStop {
        MergeStop::Store(error.into())
    }
}

/// What a record does to the finding with its key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    New,
    Updated,
    Reopened,
    Unchanged,
}

const INSERT_FINDING: &str = "
INSERT INTO findings (host_id, check_id, cve, port, protocol, title, solution, severity, state, cvss,
    active, first_seen_ms, last_seen_ms, import_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, coalesce(?11, ?13), coalesce(?12, ?13), ?14)";

const FIND_FINDING: &str = "
SELECT id, active,
    title IS ?6 AND solution IS ?7 AND severity IS ?8 AND state IS ?9 AND cvss IS ?10
FROM findings
WHERE host_id = ?1 AND check_id = ?2 AND cve = ?3 AND port = ?4 AND protocol = ?5";

const CHANGE_FINDING: &str = "
UPDATE findings SET title = ?2, solution = ?3, severity = ?4, state = ?5, cvss = ?6, active = 1,
    first_seen_ms = min(first_seen_ms, coalesce(?7, first_seen_ms)),
    last_seen_ms = max(last_seen_ms, coalesce(?8, ?9)),
    import_id = ?10
WHERE id = ?1";

/// The same without the columns that an index holds, which makes it cheaper.
const TOUCH_FINDING: &str = "
UPDATE findings SET
    first_seen_ms = min(first_seen_ms, coalesce(?2, first_seen_ms)),
    last_seen_ms = max(last_seen_ms, coalesce(?3, ?4)),
    import_id = ?5
WHERE id = ?1";

/// The plus signs keep SQLite from the index by status, which is no help here.
const RESOLVE_FINDINGS: &str = "
UPDATE findings SET active = 0
WHERE host_id = ?1 AND +active = 1 AND +import_id <> ?2
RETURNING severity";

const UPSERT_HOST: &str = "
INSERT INTO main.hosts (vendor, key, ip, hostname)
SELECT ?1, key, ip, hostname FROM staging.hosts WHERE id = ?2
ON CONFLICT (vendor, key) DO UPDATE SET
    ip = coalesce(nullif(excluded.ip, ''), ip),
    hostname = coalesce(nullif(excluded.hostname, ''), hostname)
RETURNING id";

const STAGED_RECORDS: &str = "
SELECT h.known_id, r.check_id, r.cve, r.port, r.protocol, r.title, r.solution, r.severity, r.state, r.cvss,
    r.first_seen_ms, r.last_seen_ms
FROM staging.records AS r JOIN staging.hosts AS h ON h.id = r.host_id
ORDER BY r.id";

impl ImportWriter {
    /// Compares what was staged with the findings of `vendor` and writes the
    /// result, to be seen after [`commit`](Self::commit). `now_ms` stands in for
    /// scan times that the file does not give. `on_step` is called after every
    /// record and host with the steps done and their number in all, and gives
    /// false to stop.
    pub fn merge(
        &mut self,
        vendor: &str,
        now_ms: i64,
        mut on_step: impl FnMut(u64, u64) -> bool,
    ) -> Result<MergeCounts, MergeStop> {
        // The staged rows are complete; from here on the database is written.
        self.connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        self.statements += 2;
        let total = 2 * self.hosts.unsigned_abs() + self.records;
        let mut done = 0;
        let mut step = || {
            done += 1;
            if on_step(done, total) { Ok(()) } else { Err(MergeStop::Cancelled) }
        };
        let mut merge = Merge { writer: self, now_ms, counts: MergeCounts::default(), last_changed: None };
        merge.hosts(vendor, &mut step)?;
        merge.records(&mut step)?;
        merge.absent(&mut step)?;
        Ok(merge.counts)
    }
}

type Step<'a> = &'a mut dyn FnMut() -> Result<(), MergeStop>;

struct Merge<'a> {
    writer: &'a mut ImportWriter,
    now_ms: i64,
    counts: MergeCounts,
    /// The host noted last as changed: findings of a host mostly follow each other.
    last_changed: Option<i64>,
}

impl Merge<'_> {
    /// Every host of the file gets its row in the database.
    fn hosts(&mut self, vendor: &str, step: Step<'_>) -> Result<(), MergeStop> {
        let connection = &self.writer.connection;
        let mut upsert = connection.prepare_cached(UPSERT_HOST)?;
        let mut link = connection.prepare_cached("UPDATE staging.hosts SET known_id = ?2 WHERE id = ?1")?;
        for staged_id in 1..=self.writer.hosts {
            let id: i64 = upsert.query_row(params![vendor, staged_id], |row| row.get(0))?;
            link.execute(params![staged_id, id])?;
            self.writer.statements += 2;
            step()?;
        }
        Ok(())
    }

    fn records(&mut self, step: Step<'_>) -> Result<(), MergeStop> {
        let connection = &self.writer.connection;
        let mut find = connection.prepare_cached(FIND_FINDING)?;
        let mut insert = connection.prepare_cached(INSERT_FINDING)?;
        let mut change = connection.prepare_cached(CHANGE_FINDING)?;
        let mut touch = connection.prepare_cached(TOUCH_FINDING)?;
        let mut staged = connection.prepare_cached(STAGED_RECORDS)?;
        let mut rows = staged.query([])?;
        let mut statements = 1;
        let import_id = self.writer.import_id;
        let now_ms = self.now_ms;
        while let Some(row) = rows.next()? {
            let r = Staged::from_row(row)?;
            let known = find.query_row(
                params![
                    r.host_id, r.check, r.cve, r.port, r.protocol, r.title, r.solution, r.severity, r.state, r.cvss
                ],
                known_finding,
            );
            let fate = match known.optional()? {
                None => {
                    insert.execute(params![
                        r.host_id,
                        r.check,
                        r.cve,
                        r.port,
                        r.protocol,
                        r.title,
                        r.solution,
                        r.severity,
                        r.state,
                        r.cvss,
                        r.first_seen_ms,
                        r.last_seen_ms,
                        now_ms,
                        import_id
                    ])?;
                    Fate::New
                }
                Some((id, Fate::Unchanged)) => {
                    touch.execute(params![id, r.first_seen_ms, r.last_seen_ms, now_ms, import_id])?;
                    Fate::Unchanged
                }
                Some((id, fate)) => {
                    change.execute(params![
                        id,
                        r.title,
                        r.solution,
                        r.severity,
                        r.state,
                        r.cvss,
                        r.first_seen_ms,
                        r.last_seen_ms,
                        now_ms,
                        import_id
                    ])?;
                    fate
                }
            };
            statements += 2;
            count(&mut self.counts, fate, r.severity);
            if fate != Fate::Unchanged && self.last_changed != Some(r.host_id) {
                self.last_changed = Some(r.host_id);
                note_changed(&mut self.counts, connection, r.host_id)?;
            }
            step()?;
        }
        drop(rows);
        drop((find, insert, change, touch, staged));
        self.writer.statements += statements;
        Ok(())
    }

    /// What was active on a host of the file and was not in it is resolved.
    fn absent(&mut self, step: Step<'_>) -> Result<(), MergeStop> {
        let connection = &self.writer.connection;
        let mut known = connection.prepare_cached("SELECT known_id FROM staging.hosts WHERE id = ?1")?;
        let mut resolve = connection.prepare_cached(RESOLVE_FINDINGS)?;
        for staged_id in 1..=self.writer.hosts {
            let host_id: i64 = known.query_row([staged_id], |row| row.get(0))?;
            let resolved_before = self.counts.resolved;
            let mut rows = resolve.query([host_id, self.writer.import_id])?;
            while let Some(row) = rows.next()? {
                self.counts.resolved += 1;
                let severity: u8 = row.get(0)?;
                self.counts.resolved_by_severity[usize::from(severity).min(Severity::ALL.len() - 1)] += 1;
            }
            drop(rows);
            if self.counts.resolved > resolved_before {
                note_changed(&mut self.counts, connection, host_id)?;
            }
            self.writer.statements += 2;
            step()?;
        }
        Ok(())
    }
}

/// One row of [`STAGED_RECORDS`].
struct Staged<'a> {
    host_id: i64,
    check: &'a str,
    cve: &'a str,
    port: &'a str,
    protocol: &'a str,
    title: &'a str,
    solution: &'a str,
    severity: u8,
    state: &'a str,
    cvss: Option<f64>,
    first_seen_ms: Option<i64>,
    last_seen_ms: Option<i64>,
}

impl<'a> Staged<'a> {
    fn from_row(row: &'a Row<'_>) -> rusqlite::Result<Staged<'a>> {
        let text = |index| -> rusqlite::Result<&'a str> { Ok(row.get_ref(index)?.as_str()?) };
        Ok(Staged {
            host_id: row.get(0)?,
            check: text(1)?,
            cve: text(2)?,
            port: text(3)?,
            protocol: text(4)?,
            title: text(5)?,
            solution: text(6)?,
            severity: row.get(7)?,
            state: text(8)?,
            cvss: row.get(9)?,
            first_seen_ms: row.get(10)?,
            last_seen_ms: row.get(11)?,
        })
    }
}

fn known_finding(row: &Row<'_>) -> rusqlite::Result<(i64, Fate)> {
    let (is_active, is_same): (bool, bool) = (row.get(1)?, row.get(2)?);
    let fate = match (is_active, is_same) {
        (false, _) => Fate::Reopened,
        (true, false) => Fate::Updated,
        (true, true) => Fate::Unchanged,
    };
    Ok((row.get(0)?, fate))
}

fn count(counts: &mut MergeCounts, fate: Fate, severity: u8) {
    match fate {
        Fate::New => {
            counts.new += 1;
            counts.new_by_severity[usize::from(severity).min(Severity::ALL.len() - 1)] += 1;
        }
        Fate::Updated => counts.updated += 1,
        Fate::Reopened => counts.reopened += 1,
        Fate::Unchanged => counts.unchanged += 1,
    }
}

/// Adds the host's display name: its name, else its address, else its key.
fn note_changed(counts: &mut MergeCounts, connection: &rusqlite::Connection, host_id: i64) -> Result<(), MergeStop> {
    if counts.changed_hosts.len() < MAX_CHANGED_HOSTS {
        let mut statement = connection.prepare_cached(
            "SELECT coalesce(nullif(hostname, ''), nullif(ip, ''), key) FROM main.hosts WHERE id = ?1",
        )?;
        let name: String = statement.query_row([host_id], |row| row.get(0))?;
        if !counts.changed_hosts.contains(&name) {
            counts.changed_hosts.push(name);
        }
    }
    Ok(())
}
