//! One file for each form of an export that is recognised: what is expected of it, and
//! behind a line `---` the export itself.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::harness::World;

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/scanners");
    let files = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

/// What an import made of a file: the label, the counts, and a line for each finding.
fn told(file: &str) -> (String, String) {
    let world = World::new();
    let recorder = world.import(file.as_bytes());
    let completed = recorder.completed_import();
    let summary = &completed.summary;
    let label = recorder.answer().as_ref().unwrap().vendor.clone();
    let mut text = format!(
        "{label}: {} accepted, {} skipped, {} rejected\n",
        completed.total_processed, summary.skipped_rows, summary.validation_errors
    );
    for f in world.findings() {
        let port = match (&f.port, &f.protocol) {
            (None, None) => "-".to_owned(),
            (port, protocol) => {
                let port = serde_json::to_string(port).unwrap().replace("null", "");
                format!("{port}/{}", protocol.clone().unwrap_or_default())
            }
        };
        let or_dash = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
        writeln!(
            text,
            "{} | {} | {} | {} | {} | {} | {port} | {} {} | {}",
            f.host,
            or_dash(&f.ip),
            or_dash(&f.hostname),
            f.check,
            f.title,
            or_dash(&f.cve),
            f.severity,
            f.cvss.map_or("-".to_owned(), |cvss| cvss.to_string()),
            or_dash(&f.scanner_state),
        )
        .unwrap();
    }
    (label, text)
}

#[test]
fn i16_i17_i24_every_export_is_read_as_its_sample_says() {
    let mut labels = BTreeSet::new();
    for path in samples() {
        let text = std::fs::read_to_string(&path).unwrap();
        let (expected, file) = text.split_once("---\n").unwrap();
        let (label, told) = told(file);
        assert_eq!(told, expected, "{}", path.display());
        labels.insert(label);
    }
    let unsampled: Vec<&str> = pulsewheel_app::import::scanner_labels()
        .into_iter()
        .filter(|label| !labels.contains(*label))
        .collect();
    assert!(unsampled.is_empty(), "no sample of {unsampled:?}");
}

#[test]
fn a_second_import_of_a_sample_changes_nothing() {
    for path in samples() {
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, file) = text.split_once("---\n").unwrap();
        let world = World::new();
        let first = world
            .import(file.as_bytes())
            .completed_import()
            .summary
            .clone();
        let second = world
            .import(file.as_bytes())
            .completed_import()
            .summary
            .clone();
        assert_eq!(
            second.unchanged,
            first.new_vulnerabilities,
            "{}",
            path.display()
        );
        assert_eq!(
            (
                second.new_vulnerabilities,
                second.updated_vulnerabilities,
                second.reopened
            ),
            (0, 0, 0)
        );
        assert_eq!(second.resolved_vulnerabilities, 0);
    }
}

#[test]
fn i19_the_document_names_every_label() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/import.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| label | export |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let labels = table.lines().filter_map(|line| {
        let (label, _) = line.strip_prefix("| `")?.split_once('`')?;
        Some(label)
    });
    let labels: BTreeSet<&str> = labels.collect();
    let known = pulsewheel_app::import::scanner_labels();
    assert_eq!(labels, known.into_iter().chain(["generic"]).collect());
}
