//! The records of one import meet what is known.
//!
//! One small statement after the other rather than a few large ones: so every
//! record is counted for what became of it, a cancellation takes effect at once,
//! and it is known how far the merge has come.

use rusqlite::{params, CachedStatement, Connection, OptionalExtension, Row};

use super::history;
use super::merge_sql::{
    CHANGE_FINDING, FIND_FINDING, FIND_HOST, FIND_WITHOUT_CVE, HOST_NAME, INSERT_FINDING,
    INSERT_HOST, NEW_CVES, OTHER_HOSTS, RESOLVE_FINDINGS, RESOLVE_UNPROTECTED, STAGED_RECORDS,
    TOUCH_FINDING, UPDATE_HOST,
};
use super::plan::{MergeCounts, MergePlan, MergeStop, Resolve};
use super::staged::Staged;
use super::staging::{ImportWriter, STEPS_PER_HOST};
use super::StoreError;
use crate::normal;

/// Hosts named in [`MergeCounts::changed_hosts`].
const MAX_CHANGED_HOSTS: usize = 20;

/// A scan is older than another one if it was made so much earlier.
const OLDER_BY_MS: i64 = 24 * 60 * 60 * 1000;

/// The label of tables whose scanner is not known.
const GENERIC: &str = "generic";

/// What a record does to the finding with its key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    New,
    Updated,
    Reopened,
    Unchanged,
}

impl MergeCounts {
    fn add(&mut self, fate: Fate, severity: u8) {
        match fate {
            Fate::New => {
                self.new += 1;
                self.new_by_severity[usize::from(severity).min(4)] += 1;
            }
            Fate::Updated => self.updated += 1,
            Fate::Reopened => self.reopened += 1,
            Fate::Unchanged => self.unchanged += 1,
        }
    }
}

impl ImportWriter {
    /// Compares what was staged with the findings that are known and writes the
    /// result, to be seen after [`commit`](Self::commit). `on_step` is called after
    /// every record and host with the steps done and their number in all, and gives
    /// false to stop.
    pub fn merge(
        &mut self,
        plan: &MergePlan<'_>,
        mut on_step: impl FnMut(u64, u64) -> bool,
    ) -> Result<MergeCounts, MergeStop> {
        // The staged rows are complete; from here on the database is written.
        self.connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        self.statements += 2;
        let run = history::Run::begin(self.import_id, &plan.as_new_import());
        history::write(&self.connection, &run)?;
        let total = self.steps(plan.resolve);
        let mut done = 0;
        let mut step = |steps| {
            done += steps;
            if on_step(done, total.max(done)) {
                Ok(())
            } else {
                Err(MergeStop::Cancelled)
            }
        };
        let vendor = known_spelling(&self.connection, plan.vendor)?;
        let mut merge = Merge {
            connection: &self.connection,
            plan,
            takes_over: takes_over(&self.connection, plan, &vendor)?,
            vendor,
            import_id: self.import_id,
            hosts: self.hosts,
            has_protected: self.has_protected,
            counts: MergeCounts::default(),
            statements: 4,
            sql: Statements::prepare(&self.connection)?,
        };
        merge.hosts(&mut step)?;
        merge.records(&mut step)?;
        if plan.resolve != Resolve::Nothing {
            merge.absent(&mut step)?;
        }
        if plan.resolve == Resolve::All {
            merge.absent_hosts(&mut step)?;
        }
        let Merge {
            counts, statements, ..
        } = merge;
        self.statements += statements;
        Ok(counts)
    }
}

impl MergePlan<'_> {
    /// Findings refer to their import, so it is written before them; all else of it is
    /// written at the commit.
    fn as_new_import(&self) -> history::NewImport<'_> {
        history::NewImport {
            session_id: "",
            filename: "",
            vendor: self.vendor,
            started_ms: self.now_ms,
        }
    }
}

/// The spelling of a label that is in use.
fn known_spelling(connection: &Connection, vendor: &str) -> Result<String, StoreError> {
    let mut labels = connection.prepare("SELECT DISTINCT vendor FROM main.hosts")?;
    let mut rows = labels.query([])?;
    let wanted = normal::label(vendor);
    while let Some(row) = rows.next()? {
        let label: String = row.get(0)?;
        if normal::label(&label) == wanted {
            return Ok(label);
        }
    }
    Ok(vendor.to_owned())
}

fn takes_over(
    connection: &Connection,
    plan: &MergePlan<'_>,
    vendor: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM main.hosts WHERE vendor = ?1)
        AND EXISTS (SELECT 1 FROM main.hosts WHERE vendor = ?2)";
    let is_first = connection.query_row(sql, [vendor, GENERIC], |row| row.get(0))?;
    Ok(plan.is_recognised && is_first)
}

type Step<'a> = &'a mut dyn FnMut(u64) -> Result<(), MergeStop>;

struct Merge<'a> {
    connection: &'a Connection,
    plan: &'a MergePlan<'a>,
    vendor: String,
    /// Findings of unknown tables with the same keys become those of this label.
    takes_over: bool,
    import_id: i64,
    /// Staged hosts are numbered from 1 to this.
    hosts: i64,
    /// Some findings must not be resolved.
    has_protected: bool,
    counts: MergeCounts,
    /// SQL statements executed.
    statements: u64,
    sql: Statements<'a>,
}

/// What is executed for every record.
struct Statements<'a> {
    find: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    touch: CachedStatement<'a>,
    change: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(connection: &'a Connection) -> rusqlite::Result<Statements<'a>> {
        Ok(Statements {
            find: connection.prepare_cached(FIND_FINDING)?,
            insert: connection.prepare_cached(INSERT_FINDING)?,
            touch: connection.prepare_cached(TOUCH_FINDING)?,
            change: connection.prepare_cached(CHANGE_FINDING)?,
        })
    }
}

impl Merge<'_> {
    /// Every host of the file gets its row in the database.
    fn hosts(&mut self, step: Step<'_>) -> Result<(), MergeStop> {
        let connection = self.connection;
        let mut find = connection.prepare_cached(FIND_HOST)?;
        let mut insert = connection.prepare_cached(INSERT_HOST)?;
        let mut update = connection.prepare_cached(UPDATE_HOST)?;
        let mut link = connection.prepare_cached(
            "UPDATE staging.hosts SET known_id = ?2, is_new = ?3, is_older = ?4
             WHERE id = ?1 AND joined_to IS NULL",
        )?;
        let (vendor, site) = (self.vendor.clone(), self.plan.site);
        let mut older = Vec::new();
        for staged_id in 1..=self.hosts {
            if self.is_joined(staged_id)? {
                step(STEPS_PER_HOST)?;
                continue;
            }
            let known = find
                .query_row(params![vendor, site, OLDER_BY_MS, staged_id], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Option<bool>>(1)?))
                })
                .optional()?;
            let is_older = known.is_some_and(|(_, is_older)| is_older == Some(true));
            let id = match known {
                Some((id, _)) => {
                    update.execute(params![id, self.import_id, staged_id])?;
                    id
                }
                None => insert
                    .query_row(params![vendor, site, self.import_id, staged_id], |row| {
                        row.get(0)
                    })?,
            };
            link.execute(params![staged_id, id, known.is_none(), is_older])?;
            self.statements += 3;
            if is_older && !self.plan.allow_older && older.len() < MAX_CHANGED_HOSTS {
                older.push(self.host_name(id)?);
            }
            step(STEPS_PER_HOST)?;
        }
        if older.is_empty() {
            Ok(())
        } else {
            Err(MergeStop::Older(older))
        }
    }

    fn is_joined(&self, staged_id: i64) -> Result<bool, StoreError> {
        let mut joined = self
            .connection
            .prepare_cached("SELECT joined_to IS NOT NULL FROM staging.hosts WHERE id = ?1")?;
        Ok(joined.query_row([staged_id], |row| row.get(0))?)
    }

    fn records(&mut self, step: Step<'_>) -> Result<(), MergeStop> {
        let connection = self.connection;
        let mut staged = connection.prepare_cached(STAGED_RECORDS)?;
        let mut rows = staged.query([])?;
        self.statements += 1;
        let mut last_changed = None; // findings of a host mostly follow each other
        while let Some(row) = rows.next()? {
            let record = Staged::from_row(row, self.plan)?;
            let fate = self.record(&record)?;
            self.counts.add(fate, record.severity);
            if fate != Fate::Unchanged && last_changed != Some(record.host_id) {
                last_changed = Some(record.host_id);
                self.note_changed(record.host_id)?;
            }
            step(1)?;
        }
        Ok(())
    }

    fn record(&mut self, r: &Staged<'_>) -> Result<Fate, MergeStop> {
        self.statements += 1;
        // A new host has no findings yet, and staging holds each key once.
        let known = if r.is_new_host {
            None
        } else {
            self.statements += 1;
            self.find(r.host_id, r)?
        };
        match known {
            // What a newer scan has cleared stays so.
            Some((_, Fate::Reopened)) if r.is_older => Ok(Fate::Unchanged),
            Some((id, Fate::Unchanged)) => {
                let touch = &mut self.sql.touch;
                touch.execute(params![id, r.first_ms, r.last_ms, self.import_id])?;
                Ok(Fate::Unchanged)
            }
            Some((id, fate)) => {
                self.change(id, r)?;
                Ok(fate)
            }
            None => {
                if let Some((id, fate)) = self.predecessor(r)? {
                    self.change(id, r)?;
                    return Ok(fate);
                }
                self.insert(r)?;
                Ok(Fate::New)
            }
        }
    }

    /// The finding with the record's key on a host.
    fn find(&mut self, host_id: i64, r: &Staged<'_>) -> Result<Option<(i64, Fate)>, StoreError> {
        let known = self.sql.find.query_row(
            params![
                host_id,
                r.check_key,
                r.cve,
                r.port,
                r.protocol,
                r.title,
                r.solution,
                r.severity,
                r.state,
                r.cvss
            ],
            known_finding,
        );
        Ok(known.optional()?)
    }

    fn insert(&mut self, r: &Staged<'_>) -> Result<(), StoreError> {
        self.sql.insert.execute(params![
            r.host_id,
            r.check_key,
            r.cve,
            r.port,
            r.protocol,
            r.check,
            r.title,
            r.solution,
            r.severity,
            r.state,
            r.cvss,
            r.first_ms,
            r.last_ms,
            self.import_id
        ])?;
        Ok(())
    }

    fn change(&mut self, id: i64, r: &Staged<'_>) -> Result<(), StoreError> {
        self.sql.change.execute(params![
            id,
            r.first_ms,
            r.last_ms,
            self.import_id,
            r.host_id,
            r.cve,
            r.check,
            r.title,
            r.solution,
            r.severity,
            r.state,
            r.cvss,
            self.plan.now_ms
        ])?;
        Ok(())
    }

    /// The finding that a record continues whose key is new: the same one without a
    /// CVE, or that of a table whose scanner was not known.
    fn predecessor(&mut self, r: &Staged<'_>) -> Result<Option<(i64, Fate)>, MergeStop> {
        if !r.is_new_host && !r.cve.is_empty() {
            let group = params![r.host_id, r.check_key, r.port, r.protocol, r.staged_host];
            let mut find = self.connection.prepare_cached(FIND_WITHOUT_CVE)?;
            let id: Option<i64> = find.query_row(group, |row| row.get(0)).optional()?;
            self.statements += 1;
            if let Some(id) = id {
                let mut candidates = self.connection.prepare_cached(NEW_CVES)?;
                let cves = candidates.query_map(group, |row| row.get::<_, String>(0))?;
                let cves: Vec<String> = cves.collect::<Result<_, _>>()?;
                let lowest = cves.iter().min_by_key(|cve| cve_order(cve));
                if lowest.is_some_and(|lowest| lowest == r.cve) {
                    return Ok(Some((id, Fate::Updated)));
                }
            }
        }
        if self.takes_over {
            let sql = "SELECT g.id FROM main.hosts AS h JOIN main.hosts AS g
                ON g.vendor = ?2 AND g.site = h.site AND g.key = h.key WHERE h.id = ?1";
            let mut find = self.connection.prepare_cached(sql)?;
            let host = find.query_row(params![r.host_id, GENERIC], |row| row.get(0));
            self.statements += 1;
            if let Some(host) = host.optional()? {
                let found = self.find(host, r)?;
                return Ok(found.filter(|(_, fate)| *fate != Fate::Reopened));
            }
        }
        Ok(None)
    }

    /// What was active on a host of the file and was not in it is resolved. New hosts have
    /// nothing but what was in it.
    fn absent(&mut self, step: Step<'_>) -> Result<(), MergeStop> {
        let connection = self.connection;
        let mut known = connection.prepare_cached(
            "SELECT known_id FROM staging.hosts WHERE id = ?1 AND NOT is_new AND NOT is_older",
        )?;
        for staged_id in 1..=self.hosts {
            let host = known.query_row([staged_id], |row| row.get(0)).optional()?;
            if let Some(host_id) = host {
                self.resolve(host_id)?;
            }
            self.statements += 1;
            step(STEPS_PER_HOST)?;
        }
        Ok(())
    }

    /// What was active on hosts of the label that the file does not name is resolved.
    fn absent_hosts(&mut self, step: Step<'_>) -> Result<(), MergeStop> {
        let mut others = self.connection.prepare_cached(OTHER_HOSTS)?;
        let mut rows = others.query(params![self.vendor, self.plan.site, OLDER_BY_MS])?;
        self.statements += 1;
        while let Some(row) = rows.next()? {
            self.resolve(row.get(0)?)?;
            step(0)?;
        }
        Ok(())
    }

    fn resolve(&mut self, host_id: i64) -> Result<(), MergeStop> {
        let sql = if self.has_protected {
            RESOLVE_UNPROTECTED
        } else {
            RESOLVE_FINDINGS
        };
        let mut resolve = self.connection.prepare_cached(sql)?;
        let resolved_before = self.counts.resolved;
        let mut rows = resolve.query(params![host_id, self.import_id, self.plan.now_ms])?;
        while let Some(row) = rows.next()? {
            self.counts.resolved += 1;
            let severity: u8 = row.get(0)?;
            self.counts.resolved_by_severity[usize::from(severity).min(4)] += 1;
        }
        self.statements += 1;
        if self.counts.resolved > resolved_before {
            self.note_changed(host_id)?;
        }
        Ok(())
    }

    fn note_changed(&mut self, host_id: i64) -> Result<(), MergeStop> {
        if self.counts.changed_hosts.len() < MAX_CHANGED_HOSTS {
            let name = self.host_name(host_id)?;
            if !self.counts.changed_hosts.contains(&name) {
                self.counts.changed_hosts.push(name);
            }
        }
        Ok(())
    }

    /// The host's display name: its name, else its address, else its key.
    fn host_name(&mut self, host_id: i64) -> Result<String, StoreError> {
        self.statements += 1;
        let mut statement = self.connection.prepare_cached(HOST_NAME)?;
        Ok(statement.query_row([host_id], |row| row.get(0))?)
    }
}

/// Orders ids by their numbers: `CVE-2024-9` comes before `CVE-2024-10`.
fn cve_order(id: &str) -> (Vec<u64>, &str) {
    let parts = id.split(|c: char| !c.is_ascii_digit());
    let numbers = parts.filter(|part| !part.is_empty());
    (
        numbers
            .map(|part| part.parse().unwrap_or(u64::MAX))
            .collect(),
        id,
    )
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

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
