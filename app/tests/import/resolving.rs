//! What an import may resolve, and what it must leave alone.

use crate::harness::{form, part, sample, World};

/// Imports two files under one label and gives the titles of the findings that are
/// resolved then.
fn resolved(first: &str, second: &str) -> Vec<String> {
    let world = World::new();
    for file in [first, second] {
        let labelled = form(file.as_bytes(), &part("vendor", "lab"));
        world.import_form(&labelled, true).completed_import();
    }
    let findings = world.findings().into_iter();
    findings
        .filter(|finding| finding.status == "resolved")
        .map(|finding| finding.title)
        .collect()
}

#[test]
fn i91_i92_i93_a_rejected_row_protects_what_it_may_have_been_about() {
    let header = "host,ip,title,severity,port\n";
    let first = format!(
        "{header}a,10.0.0.1,x,High,1\na,10.0.0.1,X2,High,2\na,10.0.0.1,y,Low,1\nb,,z,Low,1\n"
    );
    let table: [(&str, &str, &[&str]); 9] = [
        ("nothing is rejected", "a,,y,Low,1\n", &["x", "X2"]),
        ("the severity", "a,,y,Low,1\na,,x,Xyzzy,1\n", &["X2"]),
        ("another port", "a,,y,Low,1\na,,x,Xyzzy,7\n", &["X2"]),
        ("no severity at all", "a,,y,Low,1\na,,x,,1\n", &["X2"]),
        ("the check", "a,,y,Low,1\na,,,High,1\n", &[]),
        (
            "the check on another host",
            "a,,y,Low,1\nb,,,High,1\n",
            &["x", "X2"],
        ),
        ("the host", "a,,y,Low,1\n,,x,High,1\n", &[]),
        (
            "the host, by its address",
            "a,,y,Low,1\n,10.0.0.1,x,Xyzzy,1\n",
            &["X2"],
        ),
        (
            "rows before the good ones",
            "a,,x,Xyzzy,1\na,,y,Low,1\n",
            &["X2"],
        ),
    ];
    for (name, rows, expected) in table {
        assert_eq!(
            resolved(&first, &format!("{header}{rows}")),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_host_that_only_rejected_rows_name_keeps_all_its_findings() {
    let header = "host,title,severity\n";
    let first = format!("{header}a,x,High\na,y,Low\nb,z,Low\n");
    assert!(resolved(&first, &format!("{header}a,x,Xyzzy\nb,z,Low\n")).is_empty());
}

#[test]
fn a_row_that_is_skipped_or_gone_names_its_host_and_counts_as_absent() {
    let header = "host,title,severity,state\n";
    let first = format!("{header}a,x,High,\na,y,Low,\n");
    assert_eq!(
        resolved(&first, &format!("{header}a,x,PASSED,\n")),
        ["x", "y"]
    );
    assert_eq!(
        resolved(&first, &format!("{header}a,x,High,fixed\na,y,Low,\n")),
        ["x"]
    );
}

#[test]
fn i94_a_table_of_unknown_origin_resolves_nothing_unless_it_has_a_label() {
    let header = "host,title,severity\n";
    let (first, second) = (
        format!("{header}a,x,High\na,y,Low\n"),
        format!("{header}a,x,High\n"),
    );
    assert_eq!(resolved(&first, &second), ["y"]);
    let world = World::new();
    world.import(first.as_bytes());
    let recorder = world.import(second.as_bytes());
    let summary = &recorder.completed_import().summary;
    assert_eq!(
        (summary.unchanged, summary.resolved_vulnerabilities),
        (1, 0)
    );
    assert_eq!(recorder.answer().as_ref().unwrap().vendor, "generic");
}

#[test]
fn scanners_do_not_resolve_each_others_findings() {
    let files = [
        ("qualys", "IP,DNS,QID,Title,Severity,CVE ID\n10.1.1.1,h1,105971,EOL,5,CVE-2020-5\n"),
        ("tenable-sc", "Plugin,Plugin Name,Family,Severity,IP Address,Protocol,Port,CVE\n10,Weak,General,High,10.1.1.1,TCP,443,\n"),
        ("trustwave", "Status,IP,Target Name,Domain,Vulnerability Name,Remediation,Severity\n,10.1.1.1,b,,Old,Update,H\n"),
        ("openvas", "IP,Hostname,Port,Port Protocol,CVSS,Severity,NVT Name,NVT OID,CVEs\n10.1.1.1,,22,tcp,5.0,Medium,X,1.3.6,\n"),
        ("nessus", "Plugin ID,CVE,CVSS,Risk,Host,Protocol,Port,Name\n1,,5.0,Medium,10.1.1.1,tcp,80,N\n"),
        ("generic", "host,title,severity\n10.1.1.1,T,Low\n"),
    ];
    let world = World::new();
    for (label, file) in files.iter().chain(&files) {
        let recorder = world.import(file.as_bytes());
        assert_eq!(recorder.answer().as_ref().unwrap().vendor, *label);
        let summary = &recorder.completed_import().summary;
        assert_eq!(summary.resolved_vulnerabilities, 0, "{label}");
    }
    assert_eq!(world.findings().len(), files.len());
}

#[test]
fn i79_the_highest_severity_of_a_key_wins_whatever_the_order_of_its_rows() {
    let header = "host,title,severity,cvss,solution,port,last seen\n";
    let rows = [
        "a,x,Low,9.9,s1,443,2024-01-03\n",
        "a,x,Critical,9.0,s2,443,2024-01-01\n",
        "a,x,Critical,9.1,s3,443,2024-01-02\n",
    ];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let world = World::new();
        let file = order.map(|row| rows[row]).concat();
        let recorder = world.import(format!("{header}{file}").as_bytes());
        let summary = &recorder.completed_import().summary;
        assert_eq!(
            (summary.new_vulnerabilities, summary.skipped_duplicates),
            (1, 2)
        );
        let finding = world.findings().remove(0);
        assert_eq!((finding.severity, finding.cvss), ("Critical", Some(9.1)));
        assert_eq!(finding.last_seen, "2024-01-03T00:00:00.000Z");
        assert_eq!(finding.first_seen, "2024-01-01T00:00:00.000Z");
    }
}

#[test]
fn ports_are_told_apart_whatever_their_column_is_called() {
    for name in ["Port", "Service Port", "Protocol/Port", "port_number"] {
        let world = World::new();
        let file = format!("host,title,severity,{name}\na,x,Low,80\na,x,Low,443\n");
        let recorder = world.import(file.as_bytes());
        let summary = &recorder.completed_import().summary;
        assert_eq!(summary.new_vulnerabilities, 2, "{name}");
    }
}

#[test]
fn a_finding_is_never_first_seen_after_it_was_last_seen() {
    let table = [
        ("", "2024-01-05", "2024-01-05", 0),
        ("2024-01-03", "2024-01-05", "2024-01-03", 0),
        ("2024-01-09", "2024-01-05", "2024-01-05", 1),
        ("2024-01-09", "", "2024-01-09", 0),
    ];
    for (first, last, expected, corrected) in table {
        let world = World::new();
        let file = format!("host,title,severity,first seen,last seen\na,x,Low,{first},{last}\n");
        let recorder = world.import(file.as_bytes());
        let finding = world.findings().remove(0);
        assert!(finding.first_seen <= finding.last_seen, "{finding:?}");
        assert_eq!(&finding.first_seen[..10], expected);
        assert_eq!(
            recorder.completed_import().summary.dates_corrected,
            corrected
        );
    }
    let world = World::new();
    world.import(&sample("openvas.csv"));
    for finding in world.findings() {
        assert!(finding.first_seen <= finding.last_seen, "{finding:?}");
    }
}
