//! Looking things up in the journal.

use std::path::Path;

use pulsewheel::progress::{SessionRecord, Status};
use rusqlite::{params, Connection, OpenFlags, OptionalExtension};
use uuid::Uuid;

use super::answers::{self, KeptAnswer};
use super::write::{to_i64, MAX_CHANGES};
use super::DATABASE_FILE;
use crate::store::StoreError;

/// A connection that only reads. The thread that writes does not wait for it.
pub struct JournalReader {
    connection: Connection,
}

/// A place in the list of sessions that have ended, the newest end first: behind one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedPlace {
    pub ended_ms: u64,
    pub number: u64,
}

/// Which sessions that have ended are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndedFilter {
    /// Only those that ended then or later, in milliseconds since the epoch.
    pub since_ms: u64,
    pub status: Option<Status>,
    pub behind: Option<EndedPlace>,
}

/// One change of a session as it was written.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Change {
    pub seq: i64,
    /// Milliseconds since the epoch.
    pub at: i64,
    pub status: String,
    pub progress: f64,
}

/// An alert that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAlert {
    pub id: i64,
    /// As JSON text.
    pub payload: String,
}

impl JournalReader {
    pub(super) fn open(directory: &Path) -> Result<JournalReader, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(directory.join(DATABASE_FILE), flags)?;
        super::schema::set_up(&connection)?;
        Ok(JournalReader { connection })
    }

    /// Gives the sessions that have ended to `each`, the newest end first, until that says false.
    pub fn ended(
        &self,
        filter: &EndedFilter,
        mut each: impl FnMut(EndedPlace, &SessionRecord) -> bool,
    ) -> Result<(), StoreError> {
        let behind = filter.behind.unwrap_or(EndedPlace {
            ended_ms: u64::MAX,
            number: u64::MAX,
        });
        let mut statement = self.connection.prepare_cached(
            "SELECT ended_ms, number, record FROM sessions
             WHERE ended_ms >= ?1 AND (ended_ms, number) < (?2, ?3) AND (?4 IS NULL OR status = ?4)
             ORDER BY ended_ms DESC, number DESC",
        )?;
        let mut rows = statement.query(params![
            to_i64(filter.since_ms),
            to_i64(behind.ended_ms),
            to_i64(behind.number),
            filter.status.map(Status::as_str),
        ])?;
        while let Some(row) = rows.next()? {
            let place = EndedPlace {
                ended_ms: row.get::<_, i64>(0)?.unsigned_abs(),
                number: row.get::<_, i64>(1)?.unsigned_abs(),
            };
            let text: String = row.get(2)?;
            // One that is damaged is in no list.
            let Ok(record) = SessionRecord::parse(&text) else {
                continue;
            };
            if !each(place, &record) {
                break;
            }
        }
        Ok(())
    }

    /// The newest session that had an id.
    pub fn newest(&self, id: Uuid) -> Result<Option<SessionRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT record FROM sessions WHERE id = ?1 ORDER BY number DESC LIMIT 1",
        )?;
        let text: Option<String> = statement
            .query_row([id.to_string()], |row| row.get(0))
            .optional()?;
        Ok(text.and_then(|text| SessionRecord::parse(&text).ok()))
    }

    /// The last changes of a session, by its place in the order of creation; the oldest of them first.
    pub fn changes(&self, number: u64) -> Result<Vec<Change>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, at_ms, status, progress FROM changes WHERE number = ?1 ORDER BY seq DESC LIMIT ?2",
        )?;
        let changes = statement.query_map(params![to_i64(number), to_i64(MAX_CHANGES)], |row| {
            Ok(Change {
                seq: row.get(0)?,
                at: row.get(1)?,
                status: row.get(2)?,
                progress: row.get(3)?,
            })
        })?;
        let mut changes: Vec<Change> = changes.collect::<Result<_, _>>()?;
        changes.reverse();
        Ok(changes)
    }

    /// So many alerts, the newest first: those sent since then, and before the one of this number.
    pub fn alerts(
        &self,
        since_ms: u64,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<KeptAlert>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, payload FROM alerts WHERE at_ms >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
        )?;
        let limit = to_i64(limit as u64);
        let alerts = statement.query_map(
            params![to_i64(since_ms), before.unwrap_or(i64::MAX), limit],
            |row| {
                Ok(KeptAlert {
                    id: row.get(0)?,
                    payload: row.get(1)?,
                })
            },
        )?;
        Ok(alerts.collect::<Result<_, _>>()?)
    }

    /// The answer that is kept for the request of this number.
    pub fn answer(&self, number: u64) -> Result<Option<KeptAnswer>, StoreError> {
        answers::answer(&self.connection, number)
    }
}
