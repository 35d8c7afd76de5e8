//! The tables of the journal.

use std::path::Path;

use rusqlite::Connection;

use crate::store::StoreError;

/// The version of the tables.
pub const VERSION: u32 = 2;

/// Another process reads at most, for a backup.
const BUSY_TIMEOUT_MS: u32 = 10_000;
/// Memory for pages, per connection: what is written is small, and what is read is read in order.
const CACHE_KIB: i64 = 128;

/// Times are milliseconds since the Unix epoch. `record` is the text of the library's `SessionRecord`.
const TABLES: &str = "
CREATE TABLE sessions (
    -- The place in the order of creation.
    number   INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    status   TEXT NOT NULL,
    ended_ms INTEGER,
    -- Whether it is held by the server, and restored when that starts.
    is_live  INTEGER NOT NULL,
    record   TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_id ON sessions (id, number);
CREATE INDEX sessions_by_end ON sessions (ended_ms, number) WHERE ended_ms IS NOT NULL;
CREATE INDEX sessions_live ON sessions (number) WHERE is_live;

CREATE TABLE changes (
    number   INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    seq      INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    status   TEXT NOT NULL,
    progress REAL NOT NULL,
    PRIMARY KEY (number, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_by_time ON alerts (at_ms, id);
";

/// What version 2 has beside that: answers to requests that may be sent again with their keys. Of key, caller and body there are
/// hashes. `renewed_*` name what has a token that is made anew for each answer.
const ANSWERS: &str = "
CREATE TABLE answers (
    -- The place in the order in which the requests came.
    number          INTEGER PRIMARY KEY,
    key             BLOB NOT NULL,
    caller          BLOB NOT NULL,
    body            BLOB NOT NULL,
    at_ms           INTEGER NOT NULL,
    status          INTEGER NOT NULL,
    text            TEXT NOT NULL,
    renewed_session TEXT,
    renewed_number  INTEGER,
    renewed_share   INTEGER
) STRICT;
";

/// Has a connection wait for another one's write before it gives up, and bounds its memory.
pub fn set_up(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
    Ok(connection.pragma_update(None, "cache_size", -CACHE_KIB)?)
}

/// Opens the file, and makes its tables if they are missing.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    set_up(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", 4 * 1024 * 1024)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > VERSION {
        let known = VERSION;
        return Err(StoreError::Newer { found, known });
    }
    if found < VERSION {
        let transaction = connection.transaction()?;
        if found < 1 {
            transaction.execute_batch(TABLES)?;
        }
        transaction.execute_batch(ANSWERS)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok(connection)
}
