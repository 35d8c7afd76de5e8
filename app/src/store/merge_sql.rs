//! The statements of the merge, one finding or host at a time.

/// A record that was not known. `?13` is the time of the import.
pub const INSERT_FINDING: &str = "
INSERT INTO findings (host_id, check_id, cve, port, protocol, title, solution, severity, state, cvss,
    active, first_seen_ms, last_seen_ms, import_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1,
    min(coalesce(?11, ?12, ?13), coalesce(?12, ?13), ?13), coalesce(?12, ?13), ?14)";

/// The finding with a key, and whether its content is the same.
pub const FIND_FINDING: &str = "
SELECT id, active,
    title IS ?6 AND solution IS ?7 AND severity IS ?8 AND state IS ?9 AND cvss IS ?10
FROM findings
WHERE host_id = ?1 AND check_id = ?2 AND cve = ?3 AND port = ?4 AND protocol = ?5";

/// A finding whose content changed, or that is active again.
pub const CHANGE_FINDING: &str = "
UPDATE findings SET title = ?2, solution = ?3, severity = ?4, state = ?5, cvss = ?6, active = 1,
    first_seen_ms = min(first_seen_ms, coalesce(?7, ?8, first_seen_ms)),
    last_seen_ms = max(last_seen_ms, coalesce(?8, ?9)),
    import_id = ?10
WHERE id = ?1";

/// A finding that is as it was: the same without the columns that an index holds,
/// which makes it cheaper.
pub const TOUCH_FINDING: &str = "
UPDATE findings SET
    first_seen_ms = min(first_seen_ms, coalesce(?2, ?3, first_seen_ms)),
    last_seen_ms = max(last_seen_ms, coalesce(?3, ?4)),
    import_id = ?5
WHERE id = ?1";

/// What is active on a host and was not seen by the import. The plus signs keep
/// SQLite from the index by status, which is no help here.
pub const RESOLVE_FINDINGS: &str = "
UPDATE findings SET active = 0
WHERE host_id = ?1 AND +active = 1 AND +import_id <> ?2
RETURNING severity";

/// The same where rows were rejected: what they may have been about stays.
pub const RESOLVE_UNPROTECTED: &str = "
UPDATE findings SET active = 0
WHERE host_id = ?1 AND +active = 1 AND +import_id <> ?2 AND NOT EXISTS (
    SELECT 1 FROM main.hosts AS h JOIN staging.protected AS p ON p.host IN (h.key, h.ip, h.hostname)
    WHERE h.id = ?1 AND p.check_id IN ('', findings.check_id)
)
RETURNING severity";

/// A staged host; what it leaves empty stays as it is known.
pub const UPSERT_HOST: &str = "
INSERT INTO main.hosts (vendor, key, ip, hostname)
SELECT ?1, key, ip, hostname FROM staging.hosts WHERE id = ?2
ON CONFLICT (vendor, key) DO UPDATE SET
    ip = coalesce(nullif(excluded.ip, ''), ip),
    hostname = coalesce(nullif(excluded.hostname, ''), hostname)
RETURNING id";

/// The name that people see.
pub const HOST_NAME: &str = "
SELECT coalesce(nullif(hostname, ''), nullif(ip, ''), key) FROM main.hosts WHERE id = ?1";

/// All records of the import, in the order of the file. A cross join keeps its
/// tables in this order, so that nothing needs to be sorted.
pub const STAGED_RECORDS: &str = "
SELECT h.known_id, r.check_id, r.cve, r.port, r.protocol, r.title, r.solution, r.severity, r.state, r.cvss,
    r.first_seen_ms, r.last_seen_ms
FROM staging.records AS r CROSS JOIN staging.hosts AS h ON h.id = r.host_id
ORDER BY r.id";
