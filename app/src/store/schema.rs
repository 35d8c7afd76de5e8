//! The tables, and how an older database becomes a current one.

use rusqlite::Connection;

use super::StoreError;

/// One step per version: the n-th makes version n out of version n - 1. Steps
/// that were released are never changed.
const MIGRATIONS: [&str; 1] = [VERSION_1];

/// Times are milliseconds since the Unix epoch; severities 0 (Info) to 4
/// (Critical); texts that are not known are empty, so that they compare.
const VERSION_1: &str = "
CREATE TABLE imports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id  TEXT NOT NULL,
    filename    TEXT NOT NULL,
    vendor      TEXT NOT NULL,
    format      TEXT,
    status      TEXT NOT NULL
                CHECK (status IN ('running', 'completed', 'error', 'cancelled', 'interrupted')),
    started_ms  INTEGER NOT NULL,
    finished_ms INTEGER,
    summary     TEXT,
    error       TEXT
) STRICT;

CREATE TABLE hosts (
    id       INTEGER PRIMARY KEY,
    vendor   TEXT NOT NULL,
    key      TEXT NOT NULL,
    ip       TEXT NOT NULL,
    hostname TEXT NOT NULL COLLATE NOCASE,
    UNIQUE (vendor, key)
) STRICT;
CREATE INDEX hosts_by_key ON hosts (key);
CREATE INDEX hosts_by_ip ON hosts (ip);
CREATE INDEX hosts_by_hostname ON hosts (hostname);

CREATE TABLE findings (
    id            INTEGER PRIMARY KEY,
    host_id       INTEGER NOT NULL REFERENCES hosts (id),
    check_id      TEXT NOT NULL,
    cve           TEXT NOT NULL,
    port          TEXT NOT NULL,
    protocol      TEXT NOT NULL,
    title         TEXT NOT NULL,
    solution      TEXT NOT NULL,
    severity      INTEGER NOT NULL,
    state         TEXT NOT NULL,
    cvss          REAL,
    active        INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    import_id     INTEGER NOT NULL REFERENCES imports (id),
    UNIQUE (host_id, check_id, cve, port, protocol)
) STRICT;
CREATE INDEX findings_by_status ON findings (active, severity);
";

/// The version that this program writes.
pub const VERSION: u32 = MIGRATIONS.len() as u32;

/// Brings the database to [`VERSION`], each step in its own transaction.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > VERSION {
        return Err(StoreError::Newer {
            found,
            known: VERSION,
        });
    }
    for version in found..VERSION {
        let transaction = connection.transaction()?;
        transaction.execute_batch(MIGRATIONS[version as usize])?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        let version: u32 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, VERSION);
    }
}
