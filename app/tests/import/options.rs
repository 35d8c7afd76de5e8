//! What the fields of an upload beside its file do.

use pulsewheel_app::import::{RequestError, Summary};
use pulsewheel_app::store::FindingRow;

use crate::harness::{form, form_with_part_behind, part, Recorder, World};

const HEADER: &str = "host,title,severity,last seen\n";

/// Imports rows under the label `lab` with these fields.
fn import(world: &World, rows: &str, fields: &[(&str, &str)]) -> Recorder<'static> {
    let parts: Vec<String> = fields
        .iter()
        .map(|(name, value)| part(name, value))
        .collect();
    let parts = format!("{}{}", part("vendor", "lab"), parts.concat());
    world.import_form(&form(format!("{HEADER}{rows}").as_bytes(), &parts), true)
}

fn summary(world: &World, rows: &str, fields: &[(&str, &str)]) -> Summary {
    import(world, rows, fields)
        .completed_import()
        .summary
        .clone()
}

fn resolved(world: &World) -> Vec<String> {
    let findings = world.findings().into_iter();
    let resolved = findings.filter(|finding| finding.status == "resolved");
    resolved
        .map(|finding| format!("{} {}", finding.host, finding.title))
        .collect()
}

#[test]
fn i87_i88_i90_resolve_says_how_far_an_import_reaches() {
    let first = "a,x,High,\na,y,Low,\nb,z,Low,\n";
    let table = [
        ("", "a y"),
        ("hosts", "a y"),
        ("none", ""),
        ("all", "a y, b z"),
    ];
    for (resolve, expected) in table {
        let world = World::new();
        import(&world, first, &[]);
        let fields = [("resolve", resolve)];
        let given = fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .copied();
        import(&world, "a,x,High,\n", &given.collect::<Vec<_>>());
        assert_eq!(resolved(&world).join(", "), expected, "{resolve:?}");
    }
}

#[test]
fn resolve_is_refused_for_a_table_of_unknown_origin() {
    for value in ["hosts", "all"] {
        let world = World::new();
        let file = form(b"host,title,severity\na,x,High\n", &part("resolve", value));
        let recorder = world.import_form(&file, true);
        assert_eq!(
            recorder.failed_import().error.code,
            "INVALID_ARGUMENT",
            "{value}"
        );
    }
    let file = form(b"host,title,severity\na,x,High\n", &part("resolve", "none"));
    World::new().import_form(&file, true).completed_import();
}

#[test]
fn i106_a_dry_run_counts_and_changes_nothing() {
    let world = World::new();
    import(&world, "a,x,High,\na,y,Low,\n", &[]);
    let before = format!("{:?}", world.findings());
    let recorder = import(&world, "a,x,Low,\na,z,Low,\n", &[("dryRun", "true")]);
    let completed = recorder.completed_import();
    let summary = &completed.summary;
    assert!(summary.dry_run);
    assert_eq!(completed.import_id, None);
    assert_eq!(recorder.answer().as_ref().unwrap().import_id, None);
    assert_eq!(
        (
            summary.new_vulnerabilities,
            summary.updated_vulnerabilities,
            summary.resolved_vulnerabilities
        ),
        (1, 1, 1)
    );
    assert_eq!(format!("{:?}", world.findings()), before);
    assert_eq!(world.history().len(), 1);
    let failed = import(&world, "a,x,Grave,\n", &[("dryRun", "true")]);
    assert_eq!(failed.failed_import().error.code, "NO_VALID_ROWS");
    assert_eq!(world.history().len(), 1);
    let next = summary_of_next(&world);
    assert_eq!(next, 2, "a dry run takes no number");
}

fn summary_of_next(world: &World) -> i64 {
    let recorder = import(world, "a,x,High,\n", &[]);
    recorder.completed_import().import_id.unwrap()
}

#[test]
fn i96_i97_an_older_scan_is_refused_for_the_hosts_that_both_name() {
    let world = World::new();
    import(&world, "a,x,High,2024-03-08\na,gone,High,2024-01-01\n", &[]);
    import(&world, "a,x,High,2024-03-09\n", &[]);
    assert_eq!(resolved(&world), ["a gone"]);
    let before = format!("{:?}", world.findings());
    let older = import(&world, "a,gone,High,2024-02-01\nb,y,Low,2024-02-01\n", &[]);
    let error = &older.failed_import().error;
    assert_eq!(error.code, "OLDER_SCAN");
    assert_eq!(error.details.as_ref().unwrap()["hosts"][0], "a");
    assert_eq!(format!("{:?}", world.findings()), before);

    // Other hosts, a day's difference, and files without times are no older scans.
    summary(&world, "b,y,Low,2024-02-01\n", &[]);
    summary(&world, "a,x,High,2024-03-08\n", &[]);
    summary(&world, "a,x,High,\n", &[]);
    // Another label has times of its own.
    let other = form(
        format!("{HEADER}a,x,High,2024-02-01\n").as_bytes(),
        &part("vendor", "other"),
    );
    world.import_form(&other, true).completed_import();
    // The time of the scan stands in where rows have none.
    let dated = import(&world, "a,x,High,\n", &[("scanDate", "2024-02-01")]);
    assert_eq!(dated.failed_import().error.code, "OLDER_SCAN");
}

#[test]
fn i98_an_older_scan_that_is_allowed_resolves_and_reopens_nothing() {
    let world = World::new();
    import(
        &world,
        "a,x,High,2024-03-08\na,gone,High,2024-03-08\nc,z,Low,2024-01-01\n",
        &[],
    );
    import(&world, "a,x,High,2024-03-09\n", &[]);
    let rows = "a,gone,High,2024-02-01\na,new,Low,2024-02-01\nc,y,Low,2024-02-01\n";
    let summary = summary(&world, rows, &[("allowOlder", "true")]);
    assert_eq!(
        (
            summary.new_vulnerabilities,
            summary.unchanged,
            summary.reopened,
            summary.resolved_vulnerabilities
        ),
        (2, 1, 0, 1)
    );
    assert_eq!(resolved(&world), ["a gone", "c z"], "c is not older");
    // The time of the host stays that of the newer scan.
    let again = import(&world, "a,x,High,2024-02-20\n", &[]);
    assert_eq!(again.failed_import().error.code, "OLDER_SCAN");
}

#[test]
fn i85_the_date_of_the_scan_stands_in_for_times_of_rows() {
    let world = World::new();
    import(
        &world,
        "a,x,High,\na,y,High,2024-01-05\n",
        &[("scanDate", "2024-03-08T10:00:00Z")],
    );
    let seen: Vec<(String, String)> = world
        .findings()
        .into_iter()
        .map(|finding| (finding.first_seen, finding.last_seen))
        .collect();
    let text = |day: &str| format!("2024-{day}.000Z");
    assert_eq!(
        seen,
        [
            (text("03-08T10:00:00"), text("03-08T10:00:00")),
            (text("01-05T00:00:00"), text("01-05T00:00:00"))
        ]
    );
}

#[test]
fn i33_i34_i36_columns_can_be_mapped_and_the_mapping_is_remembered_for_the_header() {
    let world = World::new();
    let file = b"Machine Label,What,How Bad,Where\nweb1,Old,Grave,443/tcp\nweb2,Weak,Meh,80\n";
    let unmapped = world.import(file);
    assert_eq!(unmapped.failed_import().error.code, "CSV_UNKNOWN_FORMAT");
    let mapping = r#"{"host": "machine_label", "check": ["Nothing", "What"], "severity": "How Bad", "port": "Where"}"#;
    let words = r#"{"grave": "Critical", "MEH": "Low"}"#;
    let fields = [part("mapping", mapping), part("severityMap", words)].concat();
    let mapped = world.import_form(&form(file, &fields), true);
    assert_eq!(mapped.completed_import().summary.new_vulnerabilities, 2);
    let findings = world.findings();
    let told = |finding: &FindingRow| {
        (
            finding.host.clone(),
            finding.title.clone(),
            finding.severity,
            finding.protocol.clone(),
        )
    };
    assert_eq!(
        told(&findings[0]),
        ("web1".into(), "Old".into(), "Critical", Some("tcp".into()))
    );
    assert_eq!(
        told(&findings[1]),
        ("web2".into(), "Weak".into(), "Low", None)
    );

    let again = world.import_form(&form(file, &part("severityMap", words)), true);
    let summary = &again.completed_import().summary;
    assert_eq!((summary.unchanged, summary.warnings.len()), (2, 1));

    let missing = part("mapping", r#"{"host": "No such column"}"#);
    let recorder = world.import_form(&form(file, &missing), true);
    assert_eq!(recorder.failed_import().error.code, "CSV_UNKNOWN_FORMAT");
}

#[test]
fn i35_i107_a_dry_run_tells_what_is_read_from_which_column_and_remembers_no_mapping() {
    let world = World::new();
    let file = b"Machine Label,What,How Bad,title\nweb1,Old,High,Older\n";
    let mapping = part(
        "mapping",
        r#"{"host": "machine_label", "severity": "How Bad"}"#,
    );
    let fields = [part("dryRun", "true"), mapping.clone()].concat();
    let recorder = world.import_form(&form(file, &fields), true);
    let summary = &recorder.completed_import().summary;
    let found = summary.columns_found.as_ref().unwrap();
    assert_eq!(found, &["Machine Label", "What", "How Bad", "title"]);
    let read = summary.columns_read.as_ref().unwrap();
    let told: Vec<(&str, &[String])> = read
        .iter()
        .map(|(field, names)| (*field, &names[..]))
        .collect();
    let (host, title, severity) = (
        ["Machine Label".to_owned()],
        ["title".to_owned()],
        ["How Bad".to_owned()],
    );
    assert_eq!(
        told,
        [
            ("check", &title[..]),
            ("host", &host[..]),
            ("severity", &severity[..]),
            ("title", &title[..]),
        ]
    );
    let unmapped = world.import(file);
    assert_eq!(unmapped.failed_import().error.code, "CSV_UNKNOWN_FORMAT");
    let imported = world.import_form(&form(file, &mapping), true);
    assert_eq!(imported.completed_import().summary.columns_found, None);
}

#[test]
fn i107_a_dry_run_tells_at_most_a_hundred_columns_and_three_for_a_field() {
    let fields = [("dryRun", "true")].map(|(name, value)| part(name, value));
    let others: String = (0..120).map(|index| format!(",c{index}")).collect();
    let file = format!("host,title,name,vulnerability,finding,severity{others}\na,x,x,x,x,Low\n");
    let recorder = World::new().import_form(&form(file.as_bytes(), &fields.concat()), true);
    let summary = &recorder.completed_import().summary;
    assert_eq!(summary.columns_found.as_ref().unwrap().len(), 100);
    assert_eq!(summary.columns_read.as_ref().unwrap()["title"].len(), 3);
}

#[test]
fn hosts_of_one_name_at_two_sites_are_two() {
    let world = World::new();
    let rows = "10.0.0.1,x,High,\n10.0.0.1,y,High,\n";
    import(&world, rows, &[("site", "north")]);
    import(&world, rows, &[("site", "south")]);
    let summary = summary(
        &world,
        "10.0.0.1,x,High,\n",
        &[("site", "south"), ("resolve", "all")],
    );
    assert_eq!(
        (summary.unchanged, summary.resolved_vulnerabilities),
        (1, 1)
    );
    let sites: Vec<_> = world
        .findings()
        .into_iter()
        .map(|finding| (finding.site.unwrap(), finding.status))
        .collect();
    let site = |name: &str, status| (name.to_owned(), status);
    assert_eq!(
        sites,
        [
            site("north", "active"),
            site("north", "active"),
            site("south", "active"),
            site("south", "resolved")
        ]
    );
}

#[test]
fn fields_behind_the_file_or_with_wrong_values_are_refused() {
    let world = World::new();
    let behind = form_with_part_behind(b"host,title,severity\na,x,Low\n", &part("dryRun", "true"));
    let recorder = world.import_form(&behind, true);
    assert!(matches!(
        recorder.answer(),
        Err(RequestError::InvalidField(_))
    ));
    assert_eq!(recorder.failed_import().error.code, "INVALID_ARGUMENT");
    let wrong = import(&world, "a,x,Low,\n", &[("resolve", "some")]);
    assert!(matches!(wrong.answer(), Err(RequestError::InvalidField(_))));
    let twice = import(
        &world,
        "a,x,Low,\n",
        &[("resolve", "none"), ("resolve", "all")],
    );
    assert!(matches!(twice.answer(), Err(RequestError::Malformed(_))));
    assert!(world.findings().is_empty());
}
