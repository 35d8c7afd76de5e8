//! A database that the first version of the program has written.

use std::path::Path;

use pulsewheel_app::import::ImportQueue;
use pulsewheel_app::store::Store;
use rusqlite::Connection;

use crate::harness::{form, part, World};

/// What the first version wrote when it imported `SCAN`, an older one under the same label, `TABLE` and `REPORT`.
const VERSION_1: &str = include_str!("version-1.sql");

const SCAN: &str = "\
Plugin ID,CVE,CVSS v3.0 Base Score,Risk,Host,Protocol,Port,Name,Synopsis,Solution
10287,,,None,192.0.2.10,udp,0,Traceroute Information,It was possible to obtain traceroute information.,n/a
104743,CVE-2011-3389,6.5,Medium,web1.example.net,tcp,443,TLS Version 1.0,Old TLS.,Enable TLS 1.2.
104743,CVE-2011-3389,6.5,Medium,Web1.Example.net.,TCP,8443,TLS Version 1.0,Old TLS.,Enable TLS 1.2.
12217,,5.0,Medium,2001:DB8:0:0::5,udp,53,DNS Server Cache Snooping,Cache.,Contact the vendor.
20007,CVE-2014-3566,9.8,High,192.0.2.11,tcp,443.0,SSL Version 2 and 3,Old SSL.,Disable it.
";

const TABLE: &str = "\
hostname;ip;vulnerability;cve;severity;port;description
db.lab;198.51.100.4;Default Password;;High;5432/tcp;The password is the default.
DB.lab;198.51.100.4;default password;;High;5432;The password is the default.
db.lab;198.51.100.4;Weak Cipher;CVE-2013-2566;Low;5432;RC4.
";

const REPORT: &str = "\
IP,Hostname,Port,Port Protocol,CVSS,Severity,Solution Type,NVT Name,Summary,NVT OID,CVEs,Timestamp
203.0.113.7,mail.lab,25,tcp,5.0,Medium,Mitigation,SMTP VRFY,Answers VRFY.,1.3.6.1.4.1.25623.1.0.100072,\"CVE-2001-0001,CVE-2001-0002\",2024-03-01T10:00:00Z
203.0.113.7,mail.lab,,tcp,2.6,Low,Mitigation,TCP timestamps,Timestamps.,1.3.6.1.4.1.25623.1.0.80091,,2024-03-01T10:00:00Z
";

/// A world whose database was begun by the first version.
fn old_world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let database = Connection::open(database_of(directory.path())).unwrap();
    database.execute_batch(VERSION_1).unwrap();
    drop(database);
    World {
        store: Store::open(directory.path()).unwrap(),
        queue: ImportQueue::default(),
        directory,
    }
}

fn database_of(directory: &Path) -> std::path::PathBuf {
    directory.join("pulsewheel.sqlite")
}

#[test]
fn files_that_the_first_version_has_imported_change_nothing() {
    let world = old_world();
    let spelled = |world: &World| {
        let findings = world.findings().into_iter();
        let spelled = findings.map(|it| (it.id, it.host, it.check, it.severity, it.status));
        spelled.collect::<Vec<_>>()
    };
    let before = spelled(&world);
    assert_eq!(before.len(), 12);
    for (file, label, unchanged) in [
        (SCAN, "Tenable", 5),
        (TABLE, "generic", 3),
        (REPORT, "openvas", 3),
    ] {
        let form = form(file.as_bytes(), &part("vendor", label));
        let recorder = world.import_form(&form, true);
        let summary = &recorder.completed_import().summary;
        assert_eq!(summary.unchanged, unchanged, "{label}: {summary:?}");
        assert_eq!(summary.resolved_vulnerabilities, 0, "{label}: {summary:?}");
    }
    assert_eq!(spelled(&world), before);
}

#[test]
fn findings_of_the_first_version_keep_their_history() {
    let world = old_world();
    let findings = world.findings();
    let of = |check: &str| {
        let found = findings.iter().find(|finding| finding.check == check);
        found.unwrap_or_else(|| panic!("no {check}: {findings:?}"))
    };
    assert_eq!(of("51192").status, "resolved");
    assert_eq!((of("20007").severity, of("20007").import_id), ("High", 2));
    assert_eq!(serde_json::json!(of("20007").port), 443);
    assert_eq!(of("12217").host, "2001:db8::5");
    // The first version had it first seen when it was imported, years after it was last seen.
    let smtp = of("1.3.6.1.4.1.25623.1.0.100072");
    assert_eq!(smtp.first_seen, smtp.last_seen);
    assert_eq!(world.history().len(), 4);

    let copy = world.directory.path().join("pulsewheel-version-1.sqlite");
    let copy = Connection::open(copy).unwrap();
    let kept = "SELECT count(*) FROM findings";
    assert_eq!(copy.query_row(kept, [], |row| row.get(0)), Ok(12));
}
