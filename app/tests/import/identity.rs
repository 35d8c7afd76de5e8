//! When two rows, or rows of two files, are about the same finding.

use crate::harness::{form, part, World};

/// Imports files one after the other under one label; gives new, unchanged, duplicates
/// and the number of hosts.
fn import(files: &[&str]) -> [u64; 4] {
    let world = World::new();
    let mut counts = [0; 4];
    for file in files {
        let recorder = world.import_form(&form(file.as_bytes(), &part("vendor", "lab")), true);
        let summary = &recorder.completed_import().summary;
        counts[0] += summary.new_vulnerabilities;
        counts[1] += summary.unchanged;
        counts[2] += summary.skipped_duplicates;
        assert_eq!(summary.resolved_vulnerabilities, 0, "{files:?}");
    }
    let hosts: std::collections::BTreeSet<String> = world
        .findings()
        .into_iter()
        .map(|finding| finding.host)
        .collect();
    counts[3] = hosts.len() as u64;
    counts
}

#[test]
fn spellings_do_not_make_new_findings() {
    let header = "host,title,severity,port,protocol\n";
    let pairs = [
        ("a,x,High,443,tcp\n", "a,x,High,443,TCP\n"),
        ("a,x,High,443,tcp\n", "a,x,High,443.0,tcp\n"),
        ("a,x,High,443,tcp\n", "a,x,High,tcp/443,\n"),
        ("a,x,High,443,tcp\n", "a,x,High,443,6\n"),
        ("web1.example,x,High,,\n", "WEB1.example.,x,High,,\n"),
        ("2001:db8::1,x,High,,\n", "2001:DB8:0::0:1,x,High,,\n"),
        (
            "\"10.0.0.1, 10.0.0.2\",x,High,,\n",
            "\"10.0.0.2,10.0.0.1\",x,High,,\n",
        ),
        ("https://web1:8443/login,x,High,,\n", "web1,x,High,8443,\n"),
    ];
    for (first, second) in pairs {
        let files = [first, second].map(|rows| format!("{header}{rows}"));
        assert_eq!(
            import(&[&files[0], &files[1]]),
            [1, 1, 0, 1],
            "{first}{second}"
        );
        let one = format!("{header}{first}{second}");
        assert_eq!(import(&[&one]), [1, 0, 1, 1], "{first}{second}");
    }
}

#[test]
fn i75_the_letter_case_of_a_check_is_not_what_it_is_about() {
    let header = "host,plugin id,title,severity\n";
    let (first, second) = ("a,SSL-Weak,x,High\n", "a,ssl-weak,x,High\n");
    let files = [first, second].map(|rows| format!("{header}{rows}"));
    assert_eq!(import(&[&files[0], &files[1]]), [1, 1, 0, 1]);
    let world = World::new();
    world.import(files[0].as_bytes());
    assert_eq!(
        world.findings()[0].check,
        "SSL-Weak",
        "shown as it was written"
    );
}

#[test]
fn i73_labels_compare_without_letter_case() {
    let world = World::new();
    let file = b"host,title,severity\na,x,High\n";
    for label in ["Tenable X", "tenable x"] {
        world.import_form(&form(file, &part("vendor", label)), true);
    }
    let findings = world.findings();
    assert_eq!(
        (findings.len(), findings[0].vendor.as_str()),
        (1, "Tenable X")
    );
}

#[test]
fn i80_i81_i82_rows_that_name_a_host_by_address_or_by_name_are_joined_within_a_file() {
    let header = "ip,hostname,title,severity\n";
    let table = [
        // The row with both comes last, first, or between.
        (
            ",web1,x,High\n10.0.0.1,,y,High\n10.0.0.1,web1,z,High\n",
            1,
            [3, 0, 0, 1],
        ),
        (
            "10.0.0.1,web1,z,High\n,WEB1.,x,High\n10.0.0.1,,x,High\n",
            1,
            [2, 0, 1, 1],
        ),
        // Without it nothing is known.
        (",web1,x,High\n10.0.0.1,,x,High\n", 2, [2, 0, 0, 2]),
        // A name of two addresses, or an address of two names, tells nothing.
        (
            "10.0.0.1,web1,x,High\n10.0.0.2,web2,x,High\n,web3,x,High\n",
            3,
            [3, 0, 0, 3],
        ),
        (
            "10.0.0.1,a,x,High\n10.0.0.1,b,x,High\n10.0.0.1,,y,High\n",
            3,
            [3, 0, 0, 3],
        ),
    ];
    for (rows, hosts, expected) in table {
        let counts = import(&[&format!("{header}{rows}")]);
        assert_eq!((counts, counts[3]), (expected, hosts), "{rows}");
    }
    // Never across files: addresses move.
    let (first, second) = ("10.0.0.1,web1,x,High\n", "10.0.0.1,,x,High\n");
    let files = [first, second].map(|rows| format!("{header}{rows}"));
    assert_eq!(import(&[&files[0], &files[1]])[3], 2);
}

#[test]
fn hosts_with_a_number_of_their_scanner_are_never_joined() {
    let file = "asset.id;asset.display_ipv4_address;asset.name;definition.id;severity\n\
        A1;10.0.0.1;web1;1;High\nA2;10.0.0.1;web1;1;High\n";
    assert_eq!(import(&[file]), [2, 0, 0, 2]);
}

#[test]
fn a_joined_host_is_protected_by_a_rejected_row_under_its_other_name() {
    let header = "ip,hostname,title,severity\n";
    let world = World::new();
    let first = "10.0.0.1,web1,x,High\n10.0.0.1,web1,y,High\n10.0.0.1,web1,z,High\n";
    let second = "10.0.0.1,web1,z,High\n,Web1.,x,Grave\n";
    for rows in [first, second] {
        let file = format!("{header}{rows}");
        world.import_form(&form(file.as_bytes(), &part("vendor", "lab")), true);
    }
    let resolved: Vec<String> = world
        .findings()
        .into_iter()
        .filter(|finding| finding.status == "resolved")
        .map(|finding| finding.title)
        .collect();
    assert_eq!(resolved, ["y"]);
}

#[test]
fn i83_a_finding_that_gains_cves_keeps_its_history() {
    let header = "host,title,severity,cve,first seen\n";
    let world = World::new();
    let import = |rows: &str| {
        let file = format!("{header}{rows}");
        let recorder = world.import_form(&form(file.as_bytes(), &part("vendor", "lab")), true);
        let summary = recorder.completed_import().summary.clone();
        [
            summary.new_vulnerabilities,
            summary.updated_vulnerabilities,
            summary.resolved_vulnerabilities,
        ]
    };
    import("a,x,High,,2023-01-01\na,y,High,,2023-01-01\n");
    assert_eq!(
        import("a,x,High,\"CVE-2024-10, CVE-2024-9\",\na,y,High,,\n"),
        [1, 1, 0]
    );
    let findings = world.findings();
    let kept = findings
        .iter()
        .find(|finding| finding.first_seen.starts_with("2023") && finding.title == "x");
    assert_eq!(
        kept.unwrap().cve.as_deref(),
        Some("CVE-2024-9"),
        "the lowest by its number"
    );
    // One that is still there without a CVE is not continued.
    assert_eq!(
        import("a,x,High,\"CVE-2024-10, CVE-2024-9\",\na,y,High,,\na,y,High,CVE-2024-1,\n"),
        [1, 0, 0]
    );
}

#[test]
fn i84_a_label_that_is_recognised_newly_takes_over_what_a_generic_table_had() {
    let world = World::new();
    let generic = "host,title,severity,first seen\n10.1.1.1,105971,Critical,2023-05-01\n10.1.1.1,other,Low,2023-05-01\n";
    world.import(generic.as_bytes());
    let qualys =
        b"IP,DNS,QID,Title,Severity,CVE ID\n10.1.1.1,,105971,105971,5,\n10.1.1.1,,7,New,3,\n";
    let recorder = world.import(qualys);
    let summary = &recorder.completed_import().summary;
    assert_eq!(
        (
            summary.new_vulnerabilities,
            summary.unchanged,
            summary.resolved_vulnerabilities
        ),
        (1, 1, 0)
    );
    let findings = world.findings();
    let taken = findings
        .iter()
        .find(|finding| finding.check == "105971")
        .unwrap();
    assert_eq!(
        (taken.vendor.as_str(), &taken.first_seen[..10]),
        ("qualys", "2023-05-01")
    );
    let left = findings
        .iter()
        .find(|finding| finding.check == "other")
        .unwrap();
    assert_eq!((left.vendor.as_str(), left.status), ("generic", "active"));
}
