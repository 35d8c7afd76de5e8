//! The statements of the merge, one finding or host at a time. A finding that is
//! changed remembers what it was, see [`VERSION_2`](super::schema::VERSION_2).

/// A record that was not known.
pub const INSERT_FINDING: &str = "
INSERT INTO findings (host_id, check_key, cve, port, protocol, check_id, title, solution, severity, state, cvss,
    active, first_seen_ms, last_seen_ms, import_id, changed_by)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1, ?12, ?13, ?14, ?14)";

/// The finding with a key, and whether its content is the same.
pub const FIND_FINDING: &str = "
SELECT id, active,
    title IS ?6 AND solution IS ?7 AND severity IS ?8 AND state IS ?9 AND cvss IS ?10
FROM findings
WHERE host_id = ?1 AND check_key = ?2 AND cve = ?3 AND port = ?4 AND protocol = ?5";

/// A finding that is as it was. It changes no column that an index holds, which makes
/// it cheap.
pub const TOUCH_FINDING: &str = "
UPDATE findings SET
    first_seen_ms = min(first_seen_ms, ?2),
    last_seen_ms = max(last_seen_ms, ?3),
    import_id = ?4,
    changed_by = ?4,
    before_import = import_id,
    before_first = first_seen_ms,
    before_last = last_seen_ms,
    before = NULL
WHERE id = ?1";

/// A finding whose content changed, that is active again, that gained a CVE, or that
/// another label had.
pub const CHANGE_FINDING: &str = "
UPDATE findings SET host_id = ?5, cve = ?6, check_id = ?7, title = ?8, solution = ?9, severity = ?10,
    state = ?11, cvss = ?12, active = 1,
    first_seen_ms = min(first_seen_ms, ?2),
    last_seen_ms = max(last_seen_ms, ?3),
    resolved_ms = NULL,
    reopened_ms = iif(active, reopened_ms, ?13),
    import_id = ?4,
    changed_by = ?4,
    before_import = import_id,
    before_first = first_seen_ms,
    before_last = last_seen_ms,
    before = json_array(host_id, cve, check_id, title, solution, severity, state, cvss, active, resolved_ms,
        reopened_ms)
WHERE id = ?1";

/// An active finding without a CVE that the file does not hold any more, and that a
/// record with a CVE may continue.
pub const FIND_WITHOUT_CVE: &str = "
SELECT id FROM findings
WHERE host_id = ?1 AND check_key = ?2 AND cve = '' AND port = ?3 AND protocol = ?4 AND active
    AND NOT EXISTS (
        SELECT 1 FROM staging.records AS r
        WHERE r.host_id = ?5 AND r.check_key = ?2 AND r.cve = '' AND r.port = ?3 AND r.protocol = ?4)";

/// The CVEs of the file beside a record's that are not stored yet.
pub const NEW_CVES: &str = "
SELECT r.cve FROM staging.records AS r
WHERE r.host_id = ?5 AND r.check_key = ?2 AND r.port = ?3 AND r.protocol = ?4 AND r.cve <> ''
    AND NOT EXISTS (
        SELECT 1 FROM findings AS f
        WHERE f.host_id = ?1 AND f.check_key = ?2 AND f.cve = r.cve AND f.port = ?3 AND f.protocol = ?4)";

/// What is active on a host and was not seen by the import. The plus signs keep
/// SQLite from the index by status, which is no help here.
pub const RESOLVE_FINDINGS: &str = "
UPDATE findings SET active = 0, resolved_ms = ?3, changed_by = ?2,
    before_import = import_id, before_first = first_seen_ms, before_last = last_seen_ms,
    before = json_array(host_id, cve, check_id, title, solution, severity, state, cvss, active, resolved_ms,
        reopened_ms)
WHERE host_id = ?1 AND +active = 1 AND +import_id <> ?2
RETURNING severity";

/// The same where rows were rejected: what they may have been about stays.
pub const RESOLVE_UNPROTECTED: &str = "
UPDATE findings SET active = 0, resolved_ms = ?3, changed_by = ?2,
    before_import = import_id, before_first = first_seen_ms, before_last = last_seen_ms,
    before = json_array(host_id, cve, check_id, title, solution, severity, state, cvss, active, resolved_ms,
        reopened_ms)
WHERE host_id = ?1 AND +active = 1 AND +import_id <> ?2 AND NOT EXISTS (
    SELECT 1 FROM main.hosts AS h JOIN staging.protected AS p ON p.host IN (h.key, h.ip, h.hostname)
    WHERE h.id = ?1 AND p.check_key IN ('', findings.check_key))
RETURNING severity";

/// Where a host of the file is known, whether it is, and whether the file's scan of it
/// is older than the one that is known.
pub const FIND_HOST: &str = "
SELECT h.id, s.month_first_ms < h.scan_ms - ?3
FROM staging.hosts AS s JOIN main.hosts AS h ON h.vendor = ?1 AND h.site = ?2 AND h.key = s.key
WHERE s.id = ?4";

pub const INSERT_HOST: &str = "
INSERT INTO main.hosts (vendor, site, key, ip, hostname, scan_ms, changed_by)
SELECT ?1, ?2, key, ip, hostname, month_first_ms, ?3 FROM staging.hosts WHERE id = ?4
RETURNING id";

/// What the file leaves empty of a host stays as it is known.
pub const UPDATE_HOST: &str = "
UPDATE main.hosts SET
    ip = coalesce(nullif(s.ip, ''), hosts.ip),
    hostname = coalesce(nullif(s.hostname, ''), hosts.hostname),
    scan_ms = max(coalesce(hosts.scan_ms, s.month_first_ms), coalesce(s.month_first_ms, hosts.scan_ms)),
    changed_by = ?2,
    before = json_array(hosts.ip, hosts.hostname, hosts.scan_ms)
FROM staging.hosts AS s WHERE hosts.id = ?1 AND s.id = ?3";

/// The name that people see.
pub const HOST_NAME: &str = "
SELECT coalesce(nullif(hostname, ''), nullif(ip, ''), key) FROM main.hosts WHERE id = ?1";

/// Hosts of a label that the file does not name. One that a newer scan has seen is left
/// out.
pub const OTHER_HOSTS: &str = "
SELECT h.id FROM main.hosts AS h
WHERE h.vendor = ?1 AND h.site = ?2
    AND h.id NOT IN (SELECT known_id FROM staging.hosts WHERE known_id IS NOT NULL)
    AND NOT coalesce(h.scan_ms > (SELECT max(month_first_ms) FROM staging.hosts) + ?3, 0)";

/// All records of the import, in the order of the file. A cross join keeps its
/// tables in this order, so that nothing needs to be sorted.
pub const STAGED_RECORDS: &str = "
SELECT h.known_id, h.is_new, h.is_older, r.host_id, r.check_key, r.cve, r.port, r.protocol, r.check_id, r.title,
    r.solution, r.severity, r.state, r.cvss, r.first_ms, r.last_ms
FROM staging.records AS r CROSS JOIN staging.hosts AS h ON h.id = r.host_id
ORDER BY r.id";
