//! From the first version of the database, whose keys were as files spelled them, to
//! normal forms.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{params, Connection, Transaction};

use super::schema::{VERSION_2, VERSION_2_INDEXES};
use super::StoreError;
use crate::normal;

/// Copies the database beside itself before it is changed, under the given path. A
/// copy that is there from an earlier attempt stays.
pub fn back_up(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    let name = path.to_string_lossy();
    connection.execute("VACUUM INTO ?1", [name.as_ref()])?;
    Ok(())
}

/// Two findings whose keys turn out to be one become one: it was first seen at the
/// earlier, last seen at the later time, and is active if one of them was; what it says
/// is what the newer import said.
pub fn to_version_2(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.execute_batch(VERSION_2)?;
    let hosts = move_hosts(transaction)?;
    let mut old = transaction.prepare(
        "SELECT f.*, h.key AS host_key FROM findings_1 AS f JOIN hosts_1 AS h ON h.id = f.host_id ORDER BY f.id",
    )?;
    let mut insert = transaction.prepare(INSERT_FINDING)?;
    let mut rows = old.query([])?;
    while let Some(row) = rows.next()? {
        let host: i64 = row.get("host_id")?;
        let check: String = row.get("check_id")?;
        let (port, protocol): (String, String) = (row.get("port")?, row.get("protocol")?);
        let (mut port, protocol) = normal::port_and_protocol(&port, &protocol);
        let host_key: String = row.get("host_key")?;
        if port.is_empty() {
            let in_host = normal::host_and_port(&host_key).1;
            in_host.unwrap_or_default().clone_into(&mut port);
        }
        insert.execute(params![
            row.get::<_, i64>("id")?,
            hosts.get(&host).copied().unwrap_or(host),
            normal::check(&check),
            row.get::<_, String>("cve")?,
            port,
            protocol,
            check,
            row.get::<_, String>("title")?,
            row.get::<_, String>("solution")?,
            row.get::<_, i64>("severity")?,
            row.get::<_, String>("state")?,
            row.get::<_, Option<f64>>("cvss")?,
            row.get::<_, i64>("active")?,
            row.get::<_, i64>("first_seen_ms")?,
            row.get::<_, i64>("last_seen_ms")?,
            row.get::<_, i64>("import_id")?,
        ])?;
    }
    transaction.execute_batch(VERSION_2_INDEXES)?;
    Ok(())
}

/// In the first version a finding could be first seen after it was last seen.
const INSERT_FINDING: &str = "
INSERT INTO findings (id, host_id, check_key, cve, port, protocol, check_id, title, solution, severity, state,
    cvss, active, first_seen_ms, last_seen_ms, import_id, changed_by)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, min(?14, ?15), ?15, ?16, 0)
ON CONFLICT (host_id, check_key, cve, port, protocol) DO UPDATE SET
    title = iif(excluded.import_id >= import_id, excluded.title, title),
    solution = iif(excluded.import_id >= import_id, excluded.solution, solution),
    severity = iif(excluded.import_id >= import_id, excluded.severity, severity),
    state = iif(excluded.import_id >= import_id, excluded.state, state),
    cvss = iif(excluded.import_id >= import_id, excluded.cvss, cvss),
    active = max(active, excluded.active),
    first_seen_ms = min(first_seen_ms, excluded.first_seen_ms),
    last_seen_ms = max(last_seen_ms, excluded.last_seen_ms),
    import_id = max(import_id, excluded.import_id)";

/// Gives the new number of each host whose number changes.
fn move_hosts(transaction: &Transaction<'_>) -> Result<HashMap<i64, i64>, StoreError> {
    let mut moved = HashMap::new();
    // The first spelling of a label stays.
    let mut labels: HashMap<String, String> = HashMap::new();
    let mut old =
        transaction.prepare("SELECT id, vendor, key, ip, hostname FROM hosts_1 ORDER BY id")?;
    let mut insert = transaction.prepare(
        "INSERT INTO hosts (id, vendor, site, key, ip, hostname) VALUES (?1, ?2, '', ?3, ?4, ?5)
         ON CONFLICT (vendor, site, key) DO UPDATE SET
             ip = coalesce(nullif(excluded.ip, ''), ip),
             hostname = coalesce(nullif(excluded.hostname, ''), hostname)
         RETURNING id",
    )?;
    let mut rows = old.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let (vendor, key): (String, String) = (row.get(1)?, row.get(2)?);
        let (ip, hostname): (String, String) = (row.get(3)?, row.get(4)?);
        let vendor = labels
            .entry(normal::label(&vendor))
            .or_insert(vendor)
            .clone();
        let ip = normal::lowest_address(&ip).map_or(ip, |ip| ip.to_string());
        let hostname = hostname.trim_end_matches('.');
        let new: i64 = insert.query_row(
            params![id, vendor, normal::host(&key), ip, hostname],
            |row| row.get(0),
        )?;
        if new != id {
            moved.insert(id, new);
        }
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::super::schema::{migrate, VERSION_1};
    use super::super::{FindingFilter, Store};
    use super::*;

    /// A database as the first version wrote it.
    fn first_version(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(VERSION_1).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute_batch(
                "INSERT INTO imports (session_id, filename, vendor, status, started_ms) VALUES
                     ('s', 'f', 'Lab', 'completed', 1), ('s', 'f', 'lab', 'completed', 2);
                 INSERT INTO hosts VALUES (1, 'Lab', 'web1', '', 'Web1'), (2, 'lab', 'web1.', '10.0.0.1', ''),
                     (3, 'lab', '[2001:db8:0:0:0:0:0:1]:8443', '', '');
                 INSERT INTO findings VALUES
                     (1, 1, 'Weak TLS', '', '443', 'tcp', 'Weak TLS', '', 3, '', NULL, 0, 10, 20, 1),
                     (2, 2, 'weak tls', '', '443.0', 'TCP', 'weak tls', '', 4, '', NULL, 1, 15, 25, 2),
                     (3, 3, 'x', 'CVE-2024-1', '', '', 'x', '', 1, '', 5.0, 1, 40, 30, 2);",
            )
            .unwrap();
        connection
    }

    #[test]
    fn spellings_of_one_finding_become_one_and_a_copy_is_kept() {
        let temp = tempfile::tempdir().unwrap();
        drop(first_version(&temp.path().join("pulsewheel.sqlite")));
        let store = Store::open(temp.path()).unwrap();
        let reader = store.reader().unwrap();
        let mut findings = reader
            .vulnerabilities(&FindingFilter::default(), 10, 0)
            .unwrap()
            .items;
        findings.reverse();
        assert_eq!(findings.len(), 2);
        let tls = &findings[0];
        assert_eq!((tls.vendor.as_str(), tls.host.as_str()), ("Lab", "web1"));
        assert_eq!(
            (tls.ip.as_deref(), tls.hostname.as_deref()),
            (Some("10.0.0.1"), Some("Web1"))
        );
        assert_eq!(
            (tls.severity, tls.status, tls.import_id),
            ("Critical", "active", 2)
        );
        assert_eq!(tls.protocol.as_deref(), Some("tcp"));
        assert_eq!(
            (&tls.first_seen[20..], &tls.last_seen[20..]),
            ("010Z", "025Z")
        );
        assert_eq!(findings[1].host, "2001:db8::1");
        assert!(findings[1].port.is_some());
        assert_eq!(findings[1].first_seen, findings[1].last_seen);

        let copy = Connection::open(temp.path().join("pulsewheel-version-1.sqlite")).unwrap();
        let count = |sql| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM findings"), 3);
        assert_eq!(count("PRAGMA user_version"), 1);
    }

    #[test]
    fn a_migration_that_breaks_off_leaves_the_database_as_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let mut connection = first_version(&temp.path().join("a.sqlite"));
        connection
            .execute_batch("CREATE TABLE mappings (x)")
            .unwrap();
        assert!(migrate(&mut connection).is_err());
        let version: u32 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, 1);
        let count = "SELECT count(*) FROM findings";
        assert_eq!(
            connection.query_row(count, [], |row| row.get::<_, i64>(0)),
            Ok(3)
        );
    }
}
