//! Every statement of `docs/import.md` has a test or a case that bears its number, and no test bears another one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders that are looked through for tests and cases, and the endings of their files.
const FOLDERS: [(&str, &str); 4] = [
    ("app/src", "rs"),
    ("app/tests", "rs"),
    ("tests/data/cases", "txt"),
    ("tests/program", "mjs"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path, ending));
        } else if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files
}

/// The numbers that a name begins with: `fn i12_i13_name`, `=== I12 I13 name`, `test("I12 I13 name"`.
fn numbers(line: &str, ending: &str) -> Vec<u32> {
    let line = line.trim_start();
    let (name, letter, separator) = match ending {
        "rs" => (line.strip_prefix("fn "), 'i', '_'),
        "txt" => (line.strip_prefix("=== "), 'I', ' '),
        _ => {
            let title = line.strip_prefix("test(");
            (title.and_then(|rest| rest.get(1..)), 'I', ' ')
        }
    };
    let words = name.unwrap_or_default().split(separator);
    let numbers = words.map(|word| word.strip_prefix(letter)?.parse().ok());
    numbers.map_while(|number| number).collect()
}

/// Where each number stands in the name of a test or a case.
fn shown() -> BTreeMap<u32, Vec<String>> {
    let mut shown: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (folder, ending) in FOLDERS {
        for path in files(&root().join(folder), ending) {
            let text = std::fs::read_to_string(&path).unwrap();
            for (index, line) in text.lines().enumerate() {
                for number in numbers(line, ending) {
                    let place = format!("{}:{}", path.display(), index + 1);
                    shown.entry(number).or_default().push(place);
                }
            }
        }
    }
    shown
}

fn listed() -> Vec<u32> {
    let text = std::fs::read_to_string(root().join("docs/import.md")).unwrap();
    let marks = text.split("**I").skip(1);
    marks
        .filter_map(|mark| mark.split_once("** ")?.0.parse().ok())
        .collect()
}

#[test]
fn the_statements_count_from_one_without_a_gap() {
    let mut numbers = listed();
    numbers.sort_unstable();
    let expected: Vec<u32> = (1..=numbers.len() as u32).collect();
    assert_eq!(numbers, expected);
    assert!(numbers.len() > 130);
}

#[test]
fn every_statement_has_a_test_or_a_case_that_bears_its_number() {
    let shown = shown();
    let missing: Vec<u32> = listed()
        .into_iter()
        .filter(|number| !shown.contains_key(number))
        .collect();
    assert!(missing.is_empty(), "without a test: {missing:?}");
}

#[test]
fn no_test_bears_a_number_that_no_statement_has() {
    let listed = listed();
    let strays: Vec<_> = shown()
        .into_iter()
        .filter(|(number, _)| !listed.contains(number))
        .collect();
    assert!(strays.is_empty(), "{strays:#?}");
}
