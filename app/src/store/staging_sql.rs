//! The tables and statements of a staging file.

/// Losing the staging file loses nothing, so it has neither journal nor syncs.
pub const STAGING_SCHEMA: &str = "
CREATE TABLE staging.hosts (
    id        INTEGER PRIMARY KEY,
    key       TEXT NOT NULL UNIQUE,
    ip        TEXT NOT NULL,
    hostname  TEXT NOT NULL,
    -- The newest time, by both orders of day and month.
    month_first_ms INTEGER,
    day_first_ms   INTEGER,
    -- Address or name is all that is known of it.
    is_lone   INTEGER NOT NULL,
    -- The host of the file that it turned out to be.
    joined_to INTEGER,
    known_id  INTEGER,
    is_new    INTEGER,
    is_older  INTEGER
) STRICT;
-- Rows that name a host by address and name.
CREATE TABLE staging.names (
    ip       TEXT NOT NULL,
    hostname TEXT NOT NULL,
    host_id  INTEGER NOT NULL,
    PRIMARY KEY (ip, hostname, host_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX staging.names_by_host ON names (host_id);
CREATE INDEX staging.names_by_hostname ON names (hostname);
CREATE TABLE staging.records (
    id        INTEGER PRIMARY KEY,
    host_id   INTEGER NOT NULL,
    check_key TEXT NOT NULL,
    cve       TEXT NOT NULL,
    port      TEXT NOT NULL,
    protocol  TEXT NOT NULL,
    check_id  TEXT NOT NULL,
    title     TEXT NOT NULL,
    solution  TEXT NOT NULL,
    severity  INTEGER NOT NULL,
    state     TEXT NOT NULL,
    cvss      REAL,
    first_ms  INTEGER,
    last_ms   INTEGER,
    -- The same by the other order of day and month, where that makes a difference.
    day_first_first_ms INTEGER,
    day_first_last_ms  INTEGER,
    has_orders         INTEGER NOT NULL,
    UNIQUE (host_id, check_key, cve, port, protocol)
) STRICT;
CREATE TABLE staging.protected (
    host      TEXT NOT NULL COLLATE NOCASE,
    check_key TEXT NOT NULL,
    PRIMARY KEY (host, check_key)
) STRICT, WITHOUT ROWID;
BEGIN;
";

pub const STAGE_HOST: &str = "
INSERT INTO staging.hosts (key, ip, hostname, month_first_ms, day_first_ms, is_lone)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (key) DO UPDATE SET
    ip = coalesce(nullif(excluded.ip, ''), ip),
    hostname = coalesce(nullif(excluded.hostname, ''), hostname),
    month_first_ms = max(coalesce(month_first_ms, ?4), coalesce(?4, month_first_ms)),
    day_first_ms = max(coalesce(day_first_ms, ?5), coalesce(?5, day_first_ms)),
    is_lone = min(is_lone, ?6)
RETURNING id";

/// A later row of the same host.
pub const WIDEN_HOST: &str = "
UPDATE staging.hosts SET
    month_first_ms = max(coalesce(month_first_ms, ?2), coalesce(?2, month_first_ms)),
    day_first_ms = max(coalesce(day_first_ms, ?3), coalesce(?3, day_first_ms))
WHERE id = ?1";

pub const STAGE_NAMES: &str = "INSERT OR IGNORE INTO staging.names VALUES (?1, ?2, ?3)";

pub const STAGE_RECORD: &str = "
INSERT OR IGNORE INTO staging.records (host_id, check_key, cve, port, protocol, check_id, title, solution,
    severity, state, cvss, first_ms, last_ms, day_first_first_ms, day_first_last_ms, has_orders)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

/// A further record of a key: it was seen from the earliest to the latest of all times.
pub const WIDEN_RECORD: &str = "
UPDATE staging.records SET
    first_ms = min(coalesce(first_ms, ?12), coalesce(?12, first_ms)),
    last_ms = max(coalesce(last_ms, ?13), coalesce(?13, last_ms)),
    day_first_first_ms = min(
        coalesce(iif(has_orders, day_first_first_ms, first_ms), iif(?16, ?14, ?12)),
        coalesce(iif(?16, ?14, ?12), iif(has_orders, day_first_first_ms, first_ms))),
    day_first_last_ms = max(
        coalesce(iif(has_orders, day_first_last_ms, last_ms), iif(?16, ?15, ?13)),
        coalesce(iif(?16, ?15, ?13), iif(has_orders, day_first_last_ms, last_ms))),
    has_orders = max(has_orders, ?16)
WHERE host_id = ?1 AND check_key = ?2 AND cve = ?3 AND port = ?4 AND protocol = ?5";

/// A further record of a key, where it is worse than the one that is there.
pub const OVERRULE_RECORD: &str = "
UPDATE staging.records SET check_id = ?6, title = ?7, solution = ?8, severity = ?9, state = ?10, cvss = ?11
WHERE host_id = ?1 AND check_key = ?2 AND cve = ?3 AND port = ?4 AND protocol = ?5
    AND (?9, coalesce(?11, -1), ?7, ?8, ?10, ?6)
        > (severity, coalesce(cvss, -1), title, solution, state, check_id)";

/// Days come before months in the dates of this file: its records, from a number to another.
pub const CHOOSE_DAY_FIRST: &str = "
UPDATE staging.records SET first_ms = day_first_first_ms, last_ms = day_first_last_ms
WHERE id > ?1 AND id <= ?2 AND has_orders";

/// The same for its hosts.
pub const CHOOSE_DAY_FIRST_FOR_HOSTS: &str = "
UPDATE staging.hosts SET month_first_ms = day_first_ms WHERE id > ?1 AND id <= ?2";

/// Rows that name the same address and the same name are about one host, whichever of
/// the two is its key.
pub const JOIN_PAIRS: &str = "
UPDATE staging.hosts SET joined_to = (
    SELECT min(other.host_id) FROM staging.names AS own
    JOIN staging.names AS other ON other.ip = own.ip AND other.hostname = own.hostname
    WHERE own.host_id = hosts.id AND other.host_id < hosts.id)
WHERE id > ?1 AND id <= ?2 AND EXISTS (SELECT 1 FROM staging.names WHERE host_id = hosts.id)";

/// A host of which only address or name is known is the one that other rows name so,
/// if that is but one.
pub const JOIN_LONE: &str = "
UPDATE staging.hosts SET joined_to = (
    SELECT iif(count(DISTINCT coalesce(h.joined_to, h.id)) = 1, min(coalesce(h.joined_to, h.id)), NULL)
    FROM (SELECT host_id FROM staging.names WHERE ip = hosts.key
          UNION SELECT host_id FROM staging.names WHERE hostname = hosts.key) AS n
    JOIN staging.hosts AS h ON h.id = n.host_id)
WHERE id > ?1 AND id <= ?2 AND is_lone";
