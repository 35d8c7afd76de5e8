//! Small files and what becomes of them.
//!
//! A case begins with `=== `, the numbers of the statements of docs/import.md that it shows, and
//! its name. Its files stand behind one another with `---`
//! between them, each imported after the one before; a line `fields: a=b&c=d` before a file
//! has the fields of its upload. Behind `>>>` stands what the last import told, and all
//! findings afterwards.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use pulsewheel_app::clock;
use pulsewheel_app::store::FindingRow;
use serde_json::Value;

use crate::harness::{form, part, Recorder, Told, World};

struct Case<'a> {
    name: &'a str,
    files: Vec<(&'a str, &'a str)>,
    expected: &'a str,
}

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/cases");
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

fn cases(page: &str) -> Vec<Case<'_>> {
    let cases = page.split("=== ").filter(|case| !case.is_empty());
    let cases = cases.map(|case| {
        let (name, rest) = case.split_once('\n').unwrap();
        let (files, expected) = rest.split_once(">>>\n").expect(name);
        let files = files.split("---\n").map(|file| {
            let with_fields = file.strip_prefix("fields: ");
            with_fields.map_or(("", file), |file| file.split_once('\n').unwrap())
        });
        Case {
            name,
            files: files.collect(),
            expected,
        }
    });
    cases.collect()
}

/// Imports the files of a case, and writes down what came of them.
fn told(case: &Case<'_>) -> String {
    let world = World::new();
    let mut text = String::new();
    for (fields, file) in &case.files {
        let pairs = fields.split('&').filter_map(|pair| pair.split_once('='));
        let parts: String = pairs.map(|(name, value)| part(name, value)).collect();
        let recorder = world.import_form(&form(file.as_bytes(), &parts), true);
        text = outcome(&recorder);
    }
    let mut findings: Vec<String> = world.findings().iter().map(line).collect();
    findings.sort();
    for finding in findings {
        text += &finding;
    }
    text
}

/// The counts that are not zero, or the error; rejections and warnings.
fn outcome(recorder: &Recorder<'_>) -> String {
    let mut text = String::new();
    let completed = recorder.told.iter().find_map(|told| match told {
        Told::Completed(completed) => Some(completed),
        _ => None,
    });
    let details = if let Some(completed) = completed {
        let summary = serde_json::to_value(&completed.summary).unwrap();
        write!(text, "{} accepted", completed.total_processed).unwrap();
        for (field, word) in [
            ("skipped_rows", "skipped"),
            ("validation_errors", "rejected"),
            ("new_vulnerabilities", "new"),
            ("updated_vulnerabilities", "updated"),
            ("reopened", "reopened"),
            ("unchanged", "unchanged"),
            ("skipped_duplicates", "duplicates"),
            ("resolved_vulnerabilities", "resolved"),
            ("dates_corrected", "dates corrected"),
            ("dates_unread", "dates unread"),
        ] {
            match summary[field].as_u64().unwrap() {
                0 => {}
                count => write!(text, ", {count} {word}").unwrap(),
            }
        }
        text += "\n";
        for warning in summary["warnings"].as_array().into_iter().flatten() {
            writeln!(text, "{}", warning.as_str().unwrap()).unwrap();
        }
        summary
    } else {
        let error = &recorder.failed_import().error;
        writeln!(text, "{}", error.code).unwrap();
        error.details.clone().unwrap_or_default()
    };
    for rejection in details["rejections"].as_array().into_iter().flatten() {
        let word = |field: &str| rejection[field].as_str().unwrap().to_owned();
        let line = &rejection["line_number"];
        let (column, value, reason) = (word("column"), word("received_value"), word("reason"));
        writeln!(text, "line {line}: {column} {value:?} {reason}").unwrap();
    }
    text
}

fn line(finding: &FindingRow) -> String {
    let finding = serde_json::to_value(finding).unwrap();
    let today = clock::date(clock::now_ms());
    let cell = |field: &str| match &finding[field] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let day = |field: &str| {
        let day = cell(field).chars().take(10).collect::<String>();
        if day == today {
            "now".to_owned()
        } else {
            day
        }
    };
    format!(
        "{} {} {} {} {} | {} | {} | {} {} | {} {} | {} | {} {}\n",
        cell("vendor"),
        cell("site"),
        cell("host"),
        cell("ip"),
        cell("hostname"),
        cell("title"),
        cell("cve"),
        cell("port"),
        cell("protocol"),
        cell("severity"),
        cell("cvss"),
        cell("status"),
        day("firstSeen"),
        day("lastSeen"),
    )
}

#[test]
fn every_case_ends_as_it_should() {
    let mut names = BTreeSet::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for case in cases(&text) {
            assert_eq!(told(&case), case.expected, "{}", case.name);
            assert!(names.insert(case.name.to_owned()), "twice: {}", case.name);
        }
    }
    assert!(names.len() > 100);
}
