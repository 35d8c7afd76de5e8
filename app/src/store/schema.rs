//! The tables, and how an older database becomes a current one.

use rusqlite::{Connection, Transaction};

use super::migration;
use super::StoreError;

type Migration = fn(&Transaction<'_>) -> Result<(), StoreError>;

/// One step per version: the n-th makes version n out of version n - 1. Steps
/// that were released are never changed.
const MIGRATIONS: [Migration; 3] = [
    |transaction| Ok(transaction.execute_batch(VERSION_1)?),
    migration::to_version_2,
    |transaction| Ok(transaction.execute_batch(VERSION_3)?),
];

/// Databases up to this version get other rows, so that a copy of them is kept. Those
/// behind it only get further tables.
pub const LAST_REWRITTEN: u32 = 1;

/// Times are milliseconds since the Unix epoch; severities 0 (Info) to 4
/// (Critical); texts that are not known are empty, so that they compare.
pub(super) const VERSION_1: &str = "
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

/// Hosts and findings are made anew, since their keys get a normal form.
///
/// A finding remembers what it was before the import that changed it last, so that
/// this import can be undone: `changed_by` is that import; `before_import` is null if
/// it made the finding; `before` is null if it changed nothing but the times, else a
/// JSON list of the other columns.
pub(super) const VERSION_2: &str = "
-- The order in which imports became visible.
ALTER TABLE imports ADD COLUMN merged INTEGER;
ALTER TABLE imports ADD COLUMN undone_ms INTEGER;
UPDATE imports SET merged = id WHERE status = 'completed';

ALTER TABLE findings RENAME TO findings_1;
ALTER TABLE hosts RENAME TO hosts_1;
DROP INDEX hosts_by_key;
DROP INDEX hosts_by_ip;
DROP INDEX hosts_by_hostname;
DROP INDEX findings_by_status;

CREATE TABLE hosts (
    id         INTEGER PRIMARY KEY,
    vendor     TEXT NOT NULL,
    site       TEXT NOT NULL,
    key        TEXT NOT NULL,
    ip         TEXT NOT NULL,
    hostname   TEXT NOT NULL COLLATE NOCASE,
    -- The newest time at which a scan saw the host, as far as files tell.
    scan_ms    INTEGER,
    -- The import that changed it last, and [ip, hostname, scan_ms] before; null if new.
    changed_by INTEGER,
    before     TEXT,
    UNIQUE (vendor, site, key)
) STRICT;

CREATE TABLE findings (
    id            INTEGER PRIMARY KEY,
    host_id       INTEGER NOT NULL REFERENCES hosts (id),
    check_key     TEXT NOT NULL,
    cve           TEXT NOT NULL,
    port          TEXT NOT NULL,
    protocol      TEXT NOT NULL,
    check_id      TEXT NOT NULL,
    title         TEXT NOT NULL,
    solution      TEXT NOT NULL,
    severity      INTEGER NOT NULL,
    state         TEXT NOT NULL,
    cvss          REAL,
    active        INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    resolved_ms   INTEGER,
    reopened_ms   INTEGER,
    import_id     INTEGER NOT NULL REFERENCES imports (id),
    changed_by    INTEGER NOT NULL,
    before_import INTEGER,
    before_first  INTEGER,
    before_last   INTEGER,
    before        TEXT,
    UNIQUE (host_id, check_key, cve, port, protocol)
) STRICT;

-- Columns of column mappings that were used before, by the signature of the header.
CREATE TABLE mappings (
    signature TEXT PRIMARY KEY,
    mapping   TEXT NOT NULL,
    used_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Indexes come after the rows.
pub(super) const VERSION_2_INDEXES: &str = "
DROP TABLE findings_1;
DROP TABLE hosts_1;
CREATE INDEX hosts_by_key ON hosts (key);
CREATE INDEX hosts_by_ip ON hosts (ip);
CREATE INDEX hosts_by_hostname ON hosts (hostname);
CREATE INDEX findings_by_status ON findings (active, severity);
";

/// What imports take: a number by its name.
const VERSION_3: &str = "
CREATE TABLE rates (
    name  TEXT PRIMARY KEY,
    value REAL NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The version that this program writes.
pub const VERSION: u32 = MIGRATIONS.len() as u32;

/// The version of a database; 0 if it is new.
pub fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings the database to [`VERSION`], each step in its own transaction.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found = version(connection)?;
    if found > VERSION {
        return Err(StoreError::Newer {
            found,
            known: VERSION,
        });
    }
    // Tables that others refer to are renamed and dropped.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "legacy_alter_table", true)?;
    for version in found..VERSION {
        let transaction = connection.transaction()?;
        MIGRATIONS[version as usize](&transaction)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
    connection.pragma_update(None, "legacy_alter_table", false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
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
        assert_eq!(version(&connection).unwrap(), VERSION);
    }
}
