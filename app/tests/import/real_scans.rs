//! Real exports, where a folder with them is named by `PULSEWHEEL_SCANS`.

use std::path::PathBuf;

use crate::harness::{read, World};

/// The file of that name; `None`, and a line that says so, where there is none.
fn real_scan(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = std::env::var_os("PULSEWHEEL_SCANS") else {
        println!("SKIP {name}: PULSEWHEEL_SCANS names no folder with real scans");
        return None;
    };
    Some(read(&PathBuf::from(folder).join(name)))
}

/// New, unchanged, reopened, resolved, rejected.
fn import(world: &World, file: &[u8]) -> [u64; 5] {
    let recorder = world.import(file);
    let summary = recorder.completed_import().summary.clone();
    assert_eq!(
        (
            summary.updated_vulnerabilities,
            summary.skipped_duplicates,
            summary.encoding_replacements
        ),
        (0, 0, 0)
    );
    [
        summary.new_vulnerabilities,
        summary.unchanged,
        summary.reopened,
        summary.resolved_vulnerabilities,
        summary.validation_errors,
    ]
}

#[test]
fn a_tenable_export_gives_150_records_from_99_rows() {
    let Some(file) = real_scan("tenable_vm_findings_semicolon.csv") else {
        return;
    };
    let world = World::new();
    assert_eq!(import(&world, &file), [150, 0, 0, 0, 0]);
    assert_eq!(import(&world, &file), [0, 150, 0, 0, 0]);
    let rows = world.import(&file).completed_import().total_processed;
    assert_eq!(rows, 99);
    assert_eq!(world.findings().len(), 150);
}

#[test]
fn an_openvas_report_resolves_what_is_missing_and_reopens_what_comes_back() {
    let Some(file) = real_scan("openvas_report_cve.csv") else {
        return;
    };
    let world = World::new();
    assert_eq!(import(&world, &file), [43, 0, 0, 0, 0]);
    let mut reader = csv_records(&file);
    reader.truncate(reader.len() - 10);
    let shorter = reader.concat();
    assert_eq!(import(&world, &shorter), [0, 33, 0, 10, 0]);
    assert_eq!(import(&world, &file), [0, 33, 10, 0, 0]);
    let hosts: std::collections::BTreeSet<String> = world
        .findings()
        .into_iter()
        .map(|finding| finding.host)
        .collect();
    assert_eq!(hosts.len(), 1);
}

#[test]
fn a_catalogue_is_no_scan() {
    let Some(file) = real_scan("cisa_kev.csv") else {
        return;
    };
    let recorder = World::new().import(&file);
    let error = &recorder.failed_import().error;
    assert_eq!(error.code, "CSV_UNKNOWN_FORMAT");
    assert_eq!(
        error.details.as_ref().unwrap()["columns_found"]
            .as_array()
            .unwrap()
            .len(),
        11
    );
}

/// The records of a file as they stand, cut at line ends outside of quotes.
fn csv_records(file: &[u8]) -> Vec<Vec<u8>> {
    let mut records = vec![Vec::new()];
    let mut is_quoted = false;
    for byte in file {
        is_quoted ^= *byte == b'"';
        records.last_mut().unwrap().push(*byte);
        if *byte == b'\n' && !is_quoted {
            records.push(Vec::new());
        }
    }
    records.retain(|record| !record.is_empty());
    records
}
