//! What is known only when the whole file has been read: the order of day and month,
//! and which hosts of the file are one.

use rusqlite::params;

use super::plan::MergeStop;
use super::staging::ImportWriter;
use super::staging_sql::{
    CHOOSE_DAY_FIRST, CHOOSE_DAY_FIRST_FOR_HOSTS, JOIN_LONE, JOIN_PAIRS, OVERRULE_RECORD,
    WIDEN_RECORD,
};
use super::StoreError;

/// Hosts or records that one statement works on, so that a cancellation need not wait.
const PART: i64 = 4_000;

/// A record of a joined host that the other host has too, in the order in which
/// [`WIDEN_RECORD`] takes its values.
const DOUBLED_RECORDS: &str = "
SELECT id, ?2, check_key, cve, port, protocol, check_id, title, solution, severity, state, cvss,
    first_ms, last_ms, day_first_first_ms, day_first_last_ms, has_orders
FROM staging.records WHERE host_id = ?1";

impl ImportWriter {
    /// All rows have been staged. `scan_ms` is the time of the scan for hosts of which
    /// the rows give none. Gives the number of records that turn out to be there
    /// already, because their hosts are one. `goes_on` is asked every few thousand hosts or
    /// records.
    pub fn finish_staging(
        &mut self,
        is_day_first: bool,
        scan_ms: Option<i64>,
        mut goes_on: impl FnMut() -> bool,
    ) -> Result<u64, MergeStop> {
        self.write_last_host()?;
        let (hosts, records) = (self.hosts, self.records.cast_signed());
        if is_day_first {
            self.in_parts(CHOOSE_DAY_FIRST, records, &mut goes_on)?;
            self.in_parts(CHOOSE_DAY_FIRST_FOR_HOSTS, hosts, &mut goes_on)?;
        }
        if let Some(scan_ms) = scan_ms {
            let sql = "UPDATE staging.hosts SET month_first_ms = ?1 WHERE month_first_ms IS NULL";
            self.connection.execute(sql, [scan_ms])?;
            self.statements += 1;
        }
        if !self.has_names {
            return Ok(0);
        }
        self.in_parts(JOIN_PAIRS, hosts, &mut goes_on)?;
        self.in_parts(JOIN_LONE, hosts, &mut goes_on)?;
        self.statements += 1;
        // First those of which little is known, then from the last to the first: a host
        // that others were joined to may be joined itself.
        let joins: Vec<(i64, i64)> = {
            let mut joined = self.connection.prepare(
                "SELECT id, joined_to FROM staging.hosts WHERE joined_to IS NOT NULL
                 ORDER BY is_lone DESC, id DESC",
            )?;
            let rows = joined.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()?
        };
        let mut doubled = 0;
        for (host, target) in joins {
            if !goes_on() {
                return Err(MergeStop::Cancelled);
            }
            doubled += self.join(host, target)?;
        }
        self.records -= doubled;
        Ok(doubled)
    }

    /// Executes a statement for the numbers from 1 to `count`, a part of them at a time.
    fn in_parts(
        &mut self,
        sql: &str,
        count: i64,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), MergeStop> {
        let mut statement = self.connection.prepare(sql)?;
        for part in 0..=count / PART {
            if !goes_on() {
                return Err(MergeStop::Cancelled);
            }
            statement.execute([part * PART, (part + 1) * PART])?;
            self.statements += 1;
        }
        Ok(())
    }

    /// Moves the records of a host to another one. Gives the number of those that were
    /// there already.
    fn join(&mut self, host: i64, target: i64) -> Result<u64, StoreError> {
        self.connection.execute(
            "UPDATE OR IGNORE staging.records SET host_id = ?2 WHERE host_id = ?1",
            [host, target],
        )?;
        self.connection.execute(
            "UPDATE staging.hosts SET
                 ip = coalesce(nullif(hosts.ip, ''), other.ip),
                 hostname = coalesce(nullif(hosts.hostname, ''), other.hostname),
                 month_first_ms = max(coalesce(hosts.month_first_ms, other.month_first_ms),
                     coalesce(other.month_first_ms, hosts.month_first_ms))
             FROM staging.hosts AS other WHERE hosts.id = ?2 AND other.id = ?1",
            [host, target],
        )?;
        let mut doubled = self.connection.prepare_cached(DOUBLED_RECORDS)?;
        let mut widen = self.connection.prepare_cached(WIDEN_RECORD)?;
        let mut overrule = self.connection.prepare_cached(OVERRULE_RECORD)?;
        let mut rows = doubled.query(params![host, target])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let values: Vec<rusqlite::types::Value> = (1..17)
                .map(|index| row.get(index))
                .collect::<Result<_, _>>()?;
            widen.execute(rusqlite::params_from_iter(&values))?;
            overrule.execute(rusqlite::params_from_iter(&values[..11]))?;
            count += 1;
            self.statements += 2;
        }
        drop(rows);
        self.connection
            .execute("DELETE FROM staging.records WHERE host_id = ?1", [host])?;
        self.statements += 4;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NewImport, Resolve, StagedHost, Store};
    use super::*;

    fn writer(store: &Store) -> ImportWriter {
        let new = NewImport {
            session_id: "s",
            filename: "f",
            vendor: "lab",
            started_ms: 1,
        };
        store.begin_import(&new).unwrap()
    }

    #[test]
    fn hosts_are_joined_without_a_look_at_all_others() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        let writer = writer(&store);
        for sql in [JOIN_PAIRS, JOIN_LONE] {
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let mut plan = writer.connection.prepare(&sql).unwrap();
            let lines = plan.query_map([0, 1], |row| row.get::<_, String>("detail"));
            for line in lines.unwrap() {
                let line = line.unwrap();
                // What was found for a host, and no table, may be gone through.
                let is_of_host = line == "SCAN n";
                assert!(is_of_host || !line.starts_with("SCAN "), "{line}");
            }
        }
    }

    #[test]
    fn a_cancellation_is_heeded_while_hosts_are_joined() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::open(temp.path()).unwrap();
        let mut asked = 0;
        for stop_at in 1..=3 {
            let mut writer = writer(&store);
            for (key, ip, name) in [("10.0.0.1", "10.0.0.1", "web1"), ("web1", "", "web1")] {
                let host = StagedHost {
                    key,
                    ip,
                    name,
                    is_joinable: true,
                    ..StagedHost::default()
                };
                writer.stage_host(&host).unwrap();
            }
            asked = 0;
            let stopped = writer.finish_staging(true, None, || {
                asked += 1;
                asked < stop_at
            });
            assert!(matches!(stopped, Err(MergeStop::Cancelled)));
            assert_eq!(asked, stop_at);
            assert!(writer.steps(Resolve::Hosts) > 0);
        }
        assert_eq!(asked, 3);
    }
}
