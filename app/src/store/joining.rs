//! What is known only when the whole file has been read: the order of day and month,
//! and which hosts of the file are one.

use rusqlite::params;

use super::staging::ImportWriter;
use super::staging_sql::{CHOOSE_DAY_FIRST, JOIN_LONE, JOIN_PAIRS, OVERRULE_RECORD, WIDEN_RECORD};
use super::StoreError;

/// A record of a joined host that the other host has too, in the order in which
/// [`WIDEN_RECORD`] takes its values.
const DOUBLED_RECORDS: &str = "
SELECT id, ?2, check_key, cve, port, protocol, check_id, title, solution, severity, state, cvss,
    first_ms, last_ms, day_first_first_ms, day_first_last_ms, has_orders
FROM staging.records WHERE host_id = ?1";

impl ImportWriter {
    /// All rows have been staged. `scan_ms` is the time of the scan for hosts of which
    /// the rows give none. Gives the number of records that turn out to be there
    /// already, because their hosts are one.
    pub fn finish_staging(
        &mut self,
        is_day_first: bool,
        scan_ms: Option<i64>,
    ) -> Result<u64, StoreError> {
        self.write_last_host()?;
        if is_day_first {
            self.connection.execute_batch(CHOOSE_DAY_FIRST)?;
            self.statements += 2;
        }
        if let Some(scan_ms) = scan_ms {
            let sql = "UPDATE staging.hosts SET month_first_ms = ?1 WHERE month_first_ms IS NULL";
            self.connection.execute(sql, [scan_ms])?;
            self.statements += 1;
        }
        if !self.has_names {
            return Ok(0);
        }
        self.connection.execute(JOIN_PAIRS, [])?;
        self.connection.execute(JOIN_LONE, [])?;
        self.statements += 3;
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
            doubled += self.join(host, target)?;
        }
        self.records -= doubled;
        Ok(doubled)
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
