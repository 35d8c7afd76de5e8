//! The records of one import meet what is known.
//!
//! One small statement after the other rather than a few large ones: so every
//! record is counted for what became of it, a cancellation takes effect at once,
//! and it is known how far the merge has come.

use rusqlite::{params, Connection, OptionalExtension, Row};

use super::merge_sql::{
    CHANGE_FINDING, FIND_FINDING, HOST_NAME, INSERT_FINDING, RESOLVE_FINDINGS, RESOLVE_UNPROTECTED,
    STAGED_RECORDS, TOUCH_FINDING, UPSERT_HOST,
};
use super::staging::ImportWriter;
use super::StoreError;

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

/// What a merge is to do.
#[derive(Clone, Copy, Debug)]
pub struct MergePlan<'a> {
    /// The label whose findings the records meet.
    pub vendor: &'a str,
    /// The time of the import, in milliseconds since the epoch; it stands in for scan
    /// times that the file does not give.
    pub now_ms: i64,
    pub resolve: Resolve,
}

/// Which findings are resolved because the file does not hold them any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    Nothing,
    /// Those on hosts that the file names.
    Hosts,
}

/// Why a merge ended early. Nothing of it is visible then.
#[derive(Debug)]
pub enum MergeStop {
    /// The caller's `on_step` asked for it.
    Cancelled,
    Store(StoreError),
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
        let passes = if plan.resolve == Resolve::Hosts { 2 } else { 1 };
        let total = passes * self.hosts.unsigned_abs() + self.records;
        let mut done = 0;
        let mut step = || {
            done += 1;
            if on_step(done, total) {
                Ok(())
            } else {
                Err(MergeStop::Cancelled)
            }
        };
        let mut merge = Merge {
            connection: &self.connection,
            import_id: self.import_id,
            hosts: self.hosts,
            has_protected: self.has_protected,
            now_ms: plan.now_ms,
            counts: MergeCounts::default(),
            statements: 0,
        };
        merge.hosts(plan.vendor, &mut step)?;
        merge.records(&mut step)?;
        if plan.resolve == Resolve::Hosts {
            merge.absent(&mut step)?;
        }
        let Merge {
            counts, statements, ..
        } = merge;
        self.statements += statements;
        Ok(counts)
    }
}

type Step<'a> = &'a mut dyn FnMut() -> Result<(), MergeStop>;

struct Merge<'a> {
    connection: &'a Connection,
    import_id: i64,
    /// Staged hosts are numbered from 1 to this.
    hosts: i64,
    /// Some findings must not be resolved.
    has_protected: bool,
    now_ms: i64,
    counts: MergeCounts,
    /// SQL statements executed.
    statements: u64,
}

impl Merge<'_> {
    /// Every host of the file gets its row in the database.
    fn hosts(&mut self, vendor: &str, step: Step<'_>) -> Result<(), MergeStop> {
        let connection = self.connection;
        let mut upsert = connection.prepare_cached(UPSERT_HOST)?;
        let mut link =
            connection.prepare_cached("UPDATE staging.hosts SET known_id = ?2 WHERE id = ?1")?;
        for staged_id in 1..=self.hosts {
            let id: i64 = upsert.query_row(params![vendor, staged_id], |row| row.get(0))?;
            link.execute(params![staged_id, id])?;
            self.statements += 2;
            step()?;
        }
        Ok(())
    }

    fn records(&mut self, step: Step<'_>) -> Result<(), MergeStop> {
        let connection = self.connection;
        let mut find = connection.prepare_cached(FIND_FINDING)?;
        let mut insert = connection.prepare_cached(INSERT_FINDING)?;
        let mut change = connection.prepare_cached(CHANGE_FINDING)?;
        let mut touch = connection.prepare_cached(TOUCH_FINDING)?;
        let mut staged = connection.prepare_cached(STAGED_RECORDS)?;
        let mut rows = staged.query([])?;
        self.statements += 1;
        let (import_id, now_ms) = (self.import_id, self.now_ms);
        let mut last_changed = None; // findings of a host mostly follow each other
        while let Some(row) = rows.next()? {
            let r = Staged::from_row(row)?;
            let known = find.query_row(
                params![
                    r.host_id, r.check, r.cve, r.port, r.protocol, r.title, r.solution, r.severity,
                    r.state, r.cvss
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
                    touch.execute(params![
                        id,
                        r.first_seen_ms,
                        r.last_seen_ms,
                        now_ms,
                        import_id
                    ])?;
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
            self.statements += 2;
            self.counts.add(fate, r.severity);
            if fate != Fate::Unchanged && last_changed != Some(r.host_id) {
                last_changed = Some(r.host_id);
                self.note_changed(r.host_id)?;
            }
            step()?;
        }
        Ok(())
    }

    /// What was active on a host of the file and was not in it is resolved.
    fn absent(&mut self, step: Step<'_>) -> Result<(), MergeStop> {
        let connection = self.connection;
        let mut known =
            connection.prepare_cached("SELECT known_id FROM staging.hosts WHERE id = ?1")?;
        let mut resolve = connection.prepare_cached(if self.has_protected {
            RESOLVE_UNPROTECTED
        } else {
            RESOLVE_FINDINGS
        })?;
        for staged_id in 1..=self.hosts {
            let host_id: i64 = known.query_row([staged_id], |row| row.get(0))?;
            let resolved_before = self.counts.resolved;
            let mut rows = resolve.query([host_id, self.import_id])?;
            while let Some(row) = rows.next()? {
                self.counts.resolved += 1;
                let severity: u8 = row.get(0)?;
                self.counts.resolved_by_severity[usize::from(severity).min(4)] += 1;
            }
            drop(rows);
            if self.counts.resolved > resolved_before {
                self.note_changed(host_id)?;
            }
            self.statements += 2;
            step()?;
        }
        Ok(())
    }

    /// Adds the host's display name: its name, else its address, else its key.
    fn note_changed(&mut self, host_id: i64) -> Result<(), MergeStop> {
        if self.counts.changed_hosts.len() < MAX_CHANGED_HOSTS {
            self.statements += 1;
            let mut statement = self.connection.prepare_cached(HOST_NAME)?;
            let name: String = statement.query_row([host_id], |row| row.get(0))?;
            if !self.counts.changed_hosts.contains(&name) {
                self.counts.changed_hosts.push(name);
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Severity;
    use crate::store::{Ending, FindingFilter, FindingRow, ImportStatus, NewImport, Record, Store};

    const NEW: NewImport<'_> = NewImport {
        session_id: "s",
        filename: "f",
        vendor: "v",
        started_ms: 1,
    };

    fn ending(status: ImportStatus) -> Ending<'static> {
        Ending {
            status,
            vendor: "v",
            format: None,
            summary: None,
            error: None,
        }
    }

    fn plan(now_ms: i64) -> MergePlan<'static> {
        MergePlan {
            vendor: "v",
            now_ms,
            resolve: Resolve::Hosts,
        }
    }

    fn record(host: i64, check: &str) -> Record<'_> {
        Record {
            host,
            check,
            cve: "",
            port: "",
            protocol: "",
            title: "title",
            solution: "",
            severity: Severity::High,
            state: "",
            cvss: None,
            first_seen_ms: None,
            last_seen_ms: None,
        }
    }

    fn findings(store: &Store) -> Vec<FindingRow> {
        store
            .reader()
            .unwrap()
            .vulnerabilities(&FindingFilter::default(), 1000, 0)
            .unwrap()
            .items
    }

    /// Imports one record seen at the given times, at the time `now_ms`.
    fn import_seen(
        store: &Store,
        first_ms: Option<i64>,
        last_ms: Option<i64>,
        now_ms: i64,
    ) -> FindingRow {
        let mut writer = store.begin_import(&NEW).unwrap();
        let host = writer.stage_host("h", "", "").unwrap();
        writer
            .stage(&Record {
                first_seen_ms: first_ms,
                last_seen_ms: last_ms,
                ..record(host, "c")
            })
            .unwrap();
        writer.merge(&plan(now_ms), |_, _| true).unwrap();
        writer.commit(&ending(ImportStatus::Completed)).unwrap();
        findings(store).remove(0)
    }

    #[test]
    fn times_of_the_rows_count_and_those_of_the_import_stand_in() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        let times = |row: FindingRow| (row.first_seen, row.last_seen);
        let text = |ms| crate::clock::rfc3339(ms);
        assert_eq!(
            times(import_seen(&store, None, None, 5_000)),
            (text(5_000), text(5_000))
        );
        assert_eq!(
            times(import_seen(&store, Some(3_000), Some(4_000), 6_000)),
            (text(3_000), text(5_000))
        );
        assert_eq!(
            times(import_seen(&store, Some(4_000), None, 7_000)),
            (text(3_000), text(7_000))
        );
    }

    #[test]
    fn what_a_later_scan_leaves_empty_of_a_host_stays() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        for (ip, hostname) in [("10.0.0.1", "old"), ("", "new"), ("", "")] {
            let mut writer = store.begin_import(&NEW).unwrap();
            let host = writer.stage_host("h", ip, hostname).unwrap();
            writer.stage(&record(host, "c")).unwrap();
            writer.merge(&plan(1), |_, _| true).unwrap();
            writer.commit(&ending(ImportStatus::Completed)).unwrap();
        }
        let row = findings(&store).remove(0);
        assert_eq!(
            (row.ip.as_deref(), row.hostname.as_deref()),
            (Some("10.0.0.1"), Some("new"))
        );
    }

    #[test]
    fn a_merge_that_fills_the_disk_leaves_the_findings_as_they_were() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        import_seen(&store, None, None, 1);
        let before = findings(&store);
        let mut writer = store.begin_import(&NEW).unwrap();
        let host = writer.stage_host("h", "", "").unwrap();
        for number in 0..5_000 {
            writer.stage(&record(host, &number.to_string())).unwrap();
        }
        let pages: i64 = writer
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        writer
            .connection
            .pragma_update_and_check(None, "max_page_count", pages + 20, |_| Ok(()))
            .unwrap();
        let stop = writer.merge(&plan(1), |_, _| true).unwrap_err();
        assert!(matches!(stop, MergeStop::Store(_)), "{stop:?}");
        writer.abandon(&ending(ImportStatus::Error)).unwrap();
        assert_eq!(findings(&store), before);
        assert_eq!(
            store.reader().unwrap().imports(1, 0).unwrap().items[0].status,
            ImportStatus::Error
        );
    }

    #[test]
    fn a_merge_stops_where_it_is_told_to() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        for stop_at in 1..=4 {
            let mut writer = store.begin_import(&NEW).unwrap();
            let host = writer.stage_host("h", "", "").unwrap();
            assert!(writer.stage(&record(host, "1")).unwrap());
            assert!(writer.stage(&record(host, "2")).unwrap());
            assert!(!writer.stage(&record(host, "2")).unwrap());
            let mut calls = 0;
            let result = writer.merge(&plan(1), |done, total| {
                calls += 1;
                assert_eq!((done, total), (calls, 4));
                done < stop_at
            });
            assert!(matches!(result, Err(MergeStop::Cancelled)));
            assert_eq!(calls, stop_at);
            writer.abandon(&ending(ImportStatus::Cancelled)).unwrap();
            assert!(findings(&store).is_empty());
        }
    }
}
