//! One small file per format, and one per trait that real exports have.

use std::path::Path;

use pulsewheel_app::generate::{write_scan, Size};
use serde_json::{json, Value};

use crate::harness::{form, form_with_part_behind, part, read, sample, Told, World};

fn summary(world: &World, name: &str) -> Value {
    let recorder = world.import(&sample(name));
    let completed = recorder.completed_import();
    let mut summary = serde_json::to_value(&completed.summary).unwrap();
    let fields = summary.as_object_mut().unwrap();
    fields.retain(|_, count| count.as_u64().is_some_and(|count| count != 0));
    fields.insert("rows".into(), json!(completed.total_processed));
    summary
}

#[test]
fn the_tenable_sample_gives_one_record_per_cve_and_none_for_what_is_fixed() {
    let world = World::new();
    assert_eq!(
        summary(&world, "tenable.csv"),
        json!({ "rows": 5, "new_vulnerabilities": 6 })
    );
    let findings = world.findings();
    let first = &findings[0];
    assert_eq!(
        (first.vendor.as_str(), first.host.as_str()),
        ("tenable", "3f1d6a10-0b7e-4c1e-9a55-000000000011")
    );
    assert_eq!(
        (first.ip.as_deref(), first.hostname.as_deref()),
        (Some("10.20.0.11"), Some("web-01"))
    );
    assert_eq!(
        (first.check.as_str(), first.cve.as_deref()),
        ("201194", Some("CVE-2024-6387"))
    );
    assert_eq!(
        (first.severity, first.cvss, first.status),
        ("High", Some(8.1), "active")
    );
    assert_eq!(first.first_seen, "2025-02-03T08:15:00.000Z");
    assert_eq!(first.last_seen, "2025-06-12T02:10:44.120Z");
    assert_eq!(serde_json::to_value(first).unwrap()["port"], 22);
    let cbc = findings
        .iter()
        .find(|finding| finding.check == "70658")
        .unwrap();
    assert_eq!(
        cbc.severity, "Low",
        "an empty severity gives way to definition.severity"
    );
    let last = findings.last().unwrap();
    assert_eq!((last.host.as_str(), last.ip.as_deref()), ("app-01", None));
    assert!(findings.iter().all(|finding| finding.check != "180123"));
    assert_eq!(world.history()[0].format.as_deref(), Some("tenable"));
}

#[test]
fn the_nessus_sample_skips_a_duplicate_and_rejects_an_unknown_risk() {
    let world = World::new();
    let expected = json!({ "rows": 5, "new_vulnerabilities": 4, "skipped_duplicates": 1, "validation_errors": 1 });
    assert_eq!(summary(&world, "nessus.csv"), expected);
    let findings = world.findings();
    assert_eq!(findings[0].severity, "Info");
    assert_eq!(findings[2].host, "files.example.org");
    assert_eq!(
        (findings[0].vendor.as_str(), findings[1].cvss),
        ("nessus", Some(6.5))
    );
}

#[test]
fn the_openvas_sample_falls_back_to_the_name_of_the_host_and_to_the_score() {
    let world = World::new();
    assert_eq!(
        summary(&world, "openvas.csv"),
        json!({ "rows": 4, "new_vulnerabilities": 6 })
    );
    let findings = world.findings();
    let printer = findings.last().unwrap();
    assert_eq!(
        (printer.host.as_str(), printer.severity),
        ("old-printer", "Critical")
    );
    assert_eq!(printer.hostname.as_deref(), Some("Old-Printer"));
    assert_eq!(findings[0].last_seen, "2025-03-18T21:29:42.000Z");
    assert_eq!(findings[4].severity, "Info");
    assert_eq!(
        (findings[4].cve.as_deref(), findings[4].port.as_ref()),
        (None, None)
    );
}

#[test]
fn the_generic_sample_uses_the_usual_names_of_columns() {
    let world = World::new();
    let expected = json!({ "rows": 4, "new_vulnerabilities": 4, "validation_errors": 1 });
    assert_eq!(summary(&world, "generic.csv"), expected);
    let findings = world.findings();
    let hosts: Vec<&str> = findings
        .iter()
        .map(|finding| finding.host.as_str())
        .collect();
    assert_eq!(hosts, ["switch-1", "switch-1", "camera-7", "camera-7"]);
    let severities: Vec<&str> = findings.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, ["High", "High", "Critical", "Critical"]);
    assert_eq!(findings[0].first_seen, "2025-01-02T00:00:00.000Z");
}

#[test]
fn i7_i8_traits_of_real_exports_are_survived() {
    let table = [
        ("bom.csv", json!({ "rows": 2, "new_vulnerabilities": 2 })),
        (
            "preamble.csv",
            json!({ "rows": 3, "new_vulnerabilities": 4 }),
        ),
        (
            "windows-1252.csv",
            json!({ "rows": 2, "new_vulnerabilities": 2, "encoding_replacements": 7 }),
        ),
        ("ragged.csv", json!({ "rows": 3, "new_vulnerabilities": 3 })),
        ("tabs.csv", json!({ "rows": 2, "new_vulnerabilities": 2 })),
    ];
    for (name, expected) in table {
        assert_eq!(summary(&World::new(), name), expected, "{name}");
    }
}

#[test]
fn i8_windows_1252_is_read_as_what_it_was() {
    let world = World::new();
    let recorder = world.import(&sample("windows-1252.csv"));
    let summary = &recorder.completed_import().summary;
    assert!(summary.warnings[0].starts_with("Some letters may be wrong"));
    let findings = world.findings();
    assert_eq!(findings[0].host, "büro-1");
    assert_eq!(findings[0].title, "Schwache Verschlüsselung – “TLS 1.0”");
}

#[test]
fn ragged_rows_are_padded_and_a_second_column_of_a_name_is_used() {
    let world = World::new();
    world.import(&sample("ragged.csv"));
    let findings = world.findings();
    let titles: Vec<&str> = findings
        .iter()
        .map(|finding| finding.title.as_str())
        .collect();
    assert_eq!(titles, ["Only three", "Many", "Second column"]);
}

#[test]
fn qualys_severities_count_from_one_to_five() {
    let world = World::new();
    world.import(&sample("preamble.csv"));
    let severities: Vec<&str> = world
        .findings()
        .iter()
        .map(|finding| finding.severity)
        .collect();
    assert_eq!(severities, ["Medium", "Critical", "Critical", "Info"]);
}

#[test]
fn files_that_cannot_be_imported_say_why_and_leave_nothing() {
    let table = [
        ("catalogue.csv", "CSV_UNKNOWN_FORMAT"),
        ("open-quote.csv", "CSV_PARSING_ERROR"),
        ("header-only.csv", "CSV_EMPTY"),
    ];
    for (name, code) in table {
        let world = World::new();
        let recorder = world.import(&sample(name));
        assert_eq!(recorder.failed_import().error.code, code, "{name}");
        assert!(
            recorder.answer().is_ok(),
            "{name}: the request itself was good"
        );
        assert!(world.findings().is_empty(), "{name}");
        let entry = &world.history()[0];
        assert_eq!(entry.error.as_ref().unwrap()["code"], code);
    }
}

#[test]
fn the_sample_of_the_readme_imports_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/sample-scan.csv");
    let world = World::new();
    let recorder = world.import(&read(&path));
    let completed = recorder.completed_import();
    assert_eq!(
        (
            completed.total_processed,
            completed.summary.new_vulnerabilities
        ),
        (40, 65)
    );
    assert_eq!(completed.summary.validation_errors, 0);
    assert_eq!(completed.change.hosts.len(), 8);
    let scan_date = recorder.told.iter().find_map(|told| match told {
        Told::Progress { scan_date, .. } => scan_date.clone(),
        _ => None,
    });
    assert_eq!(scan_date.as_deref(), Some("2025-07-14"));
}

#[test]
fn i17_the_label_of_the_form_wins_over_the_format_wherever_it_stands() {
    let file = sample("bom.csv");
    let before = form(&file, &part("vendor", "Acme"));
    let after = form_with_part_behind(&file, &part("vendor", "Acme"));
    for form in [before, after] {
        let world = World::new();
        let recorder = world.import_form(&form, true);
        assert_eq!(recorder.answer().as_ref().unwrap().vendor, "Acme");
        assert!(world
            .findings()
            .iter()
            .all(|finding| finding.vendor == "Acme"));
        assert_eq!(
            (
                world.history()[0].vendor.as_str(),
                world.history()[0].format.as_deref()
            ),
            ("Acme", Some("generic"))
        );
    }
}

#[test]
fn a_generated_scan_imports_whole_and_without_duplicates() {
    let mut file = Vec::new();
    let written = write_scan(&mut file, Size::Rows(3_000), 42).unwrap();
    let recorder = World::new().import(&file);
    let completed = recorder.completed_import();
    assert_eq!(completed.total_processed, written.rows);
    assert_eq!(completed.summary.new_vulnerabilities, written.records);
    assert_eq!(completed.summary.skipped_duplicates, 0);
}
