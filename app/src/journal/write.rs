//! The statements that write the journal.

use std::collections::BTreeMap;

use pulsewheel::progress::{SessionChange, SessionRecord};
use rusqlite::{params, Connection, Transaction};

use super::answers;
use super::waiting::Batch;
use crate::clock::now_ms;
use crate::store::StoreError;

/// Changes that are kept of each session.
pub const MAX_CHANGES: u64 = 200;
/// By how many changes a session may be beyond that before they are looked for.
const CHANGES_SLACK: u64 = 50;

/// How long sessions that have ended and alerts are kept.
const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Ends and alerts between two looks for what is too much or too old, and their bytes.
const PRUNED_EVERY: u64 = 200;
const PRUNED_EVERY_BYTES: usize = 4 * 1024 * 1024;

/// How much is kept of what has ended. Beyond that the oldest goes.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Sessions that the server has forgotten.
    pub sessions: u64,
    /// Bytes of the records of sessions that have ended.
    pub session_bytes: u64,
    pub alerts: u64,
    pub alert_bytes: u64,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            sessions: 10_000,
            session_bytes: 64 * 1024 * 1024,
            alerts: 10_000,
            alert_bytes: 16 * 1024 * 1024,
        }
    }
}

pub struct Writer {
    connection: Connection,
    kept: Kept,
    /// How many changes each session has in the table at the most, counted since the start.
    counted: BTreeMap<u64, u64>,
    /// Ends and alerts since the last look; at first so many that there is one.
    since_pruned: u64,
    bytes_since_pruned: usize,
}

impl Writer {
    pub fn new(connection: Connection, kept: Kept) -> Writer {
        connection.set_prepared_statement_cache_capacity(16);
        Writer {
            connection,
            kept,
            counted: BTreeMap::new(),
            since_pruned: PRUNED_EVERY,
            bytes_since_pruned: 0,
        }
    }

    /// Writes a batch whole or not at all.
    pub fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let synchronous = if batch.is_urgent { "full" } else { "normal" };
        self.connection
            .pragma_update(None, "synchronous", synchronous)?;
        let transaction = self.connection.transaction()?;
        for change in batch.sessions.values() {
            let bytes = write_session(&transaction, &mut self.counted, change)?;
            let has_ended = |record: &SessionRecord| record.ended_ms().is_some();
            if change.is_forgotten || change.record.as_ref().is_some_and(has_ended) {
                self.since_pruned += 1;
                self.bytes_since_pruned += bytes;
            }
        }
        for alert in &batch.alerts {
            transaction
                .prepare_cached("INSERT INTO alerts (at_ms, payload) VALUES (?1, ?2)")?
                .execute(params![to_i64(alert.at_ms), alert.payload])?;
            self.since_pruned += 1;
            self.bytes_since_pruned += alert.payload.len();
        }
        for change in batch.answers.values() {
            answers::write(&transaction, change)?;
        }
        let is_time = self.since_pruned >= PRUNED_EVERY;
        let is_to_prune = is_time || self.bytes_since_pruned >= PRUNED_EVERY_BYTES;
        if is_to_prune {
            prune(&transaction, &self.kept, now_ms())?;
        }
        transaction.commit()?;
        if is_to_prune {
            self.since_pruned = 0;
            self.bytes_since_pruned = 0;
        }
        for change in batch.sessions.values() {
            if change.is_forgotten {
                self.counted.remove(&change.number);
            }
        }
        Ok(())
    }
}

/// The records of the sessions that the server held, in the order of their creation.
pub fn live_records(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement =
        connection.prepare("SELECT record FROM sessions WHERE is_live ORDER BY number")?;
    let records = statement.query_map([], |row| row.get(0))?;
    Ok(records.collect::<Result<_, _>>()?)
}

/// Gives the length of the record.
fn write_session(
    transaction: &Transaction<'_>,
    counted: &mut BTreeMap<u64, u64>,
    change: &SessionChange,
) -> Result<usize, StoreError> {
    let number = to_i64(change.number);
    match &change.record {
        Some(record) => {
            let info = record.info();
            let text = record.to_text();
            transaction
                .prepare_cached(
                    "INSERT INTO sessions (number, id, status, ended_ms, is_live, record)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (number) DO UPDATE SET status = excluded.status, ended_ms = excluded.ended_ms,
                         is_live = excluded.is_live, record = excluded.record",
                )?
                .execute(params![
                    number,
                    info.id.to_string(),
                    info.status.as_str(),
                    record.ended_ms().map(to_i64),
                    !change.is_forgotten,
                    text,
                ])?;
            write_change(transaction, counted, change.number, record)?;
            return Ok(text.len());
        }
        None if change.is_forgotten => {
            transaction
                .prepare_cached("UPDATE sessions SET is_live = 0 WHERE number = ?1")?
                .execute([number])?;
        }
        None => {}
    }
    Ok(0)
}

fn write_change(
    transaction: &Transaction<'_>,
    counted: &mut BTreeMap<u64, u64>,
    number: u64,
    record: &SessionRecord,
) -> Result<(), StoreError> {
    // A text of the host's is no change of the session.
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO changes (number, seq, at_ms, status, progress) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            to_i64(number),
            to_i64(record.seq()),
            to_i64(record.updated_ms()),
            record.info().status.as_str(),
            record.progress(),
        ])?;
    // What an earlier run has written counts as a full table.
    let count = counted.entry(number).or_insert(MAX_CHANGES);
    *count += 1;
    if *count > MAX_CHANGES + CHANGES_SLACK {
        *count = MAX_CHANGES;
        transaction
            .prepare_cached(
                "DELETE FROM changes WHERE number = ?1 AND seq <= (SELECT seq FROM changes
                     WHERE number = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![to_i64(number), to_i64(MAX_CHANGES)])?;
    }
    Ok(())
}

/// Removes what is too old, and the oldest of what is too much. What the server still holds stays.
fn prune(transaction: &Transaction<'_>, kept: &Kept, now_ms: i64) -> Result<(), StoreError> {
    let oldest_ms = now_ms.saturating_sub(KEPT_MS);
    transaction.execute(
        "DELETE FROM sessions WHERE NOT is_live AND (ended_ms IS NULL OR ended_ms < ?1)",
        [oldest_ms],
    )?;
    transaction.execute(
        "DELETE FROM sessions WHERE NOT is_live AND ended_ms <= (SELECT ended_ms FROM sessions
             WHERE ended_ms IS NOT NULL ORDER BY ended_ms DESC LIMIT 1 OFFSET ?1)",
        [to_i64(kept.sessions)],
    )?;
    transaction.execute(
        "DELETE FROM sessions WHERE NOT is_live AND number IN (SELECT number FROM
             (SELECT number, sum(octet_length(record)) OVER (ORDER BY ended_ms DESC, number DESC) AS bytes
                 FROM sessions WHERE ended_ms IS NOT NULL)
             WHERE bytes > ?1)",
        [to_i64(kept.session_bytes)],
    )?;
    transaction.execute("DELETE FROM alerts WHERE at_ms < ?1", [oldest_ms])?;
    transaction.execute(
        "DELETE FROM alerts WHERE id <= (SELECT max(id) FROM alerts) - ?1",
        [to_i64(kept.alerts)],
    )?;
    transaction.execute(
        "DELETE FROM alerts WHERE id IN (SELECT id FROM
             (SELECT id, sum(octet_length(payload)) OVER (ORDER BY id DESC) AS bytes FROM alerts)
             WHERE bytes > ?1)",
        [to_i64(kept.alert_bytes)],
    )?;
    Ok(())
}

pub fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
