//! Every behaviour of `docs/behaviours.md` has a test that bears its number, and no test bears another one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are looked through for tests, and the endings of their files.
const FOLDERS: &[(&str, &str)] = &[
    ("src", "rs"),
    ("tests", "rs"),
    ("tests", "mjs"),
    ("tests", "py"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be listed") {
            let path = entry.expect("the folder can be listed").path();
            let is_foreign = path.ends_with("node_modules") || path.ends_with("target");
            if path.is_dir() && !is_foreign {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                files.push(path);
            }
        }
    }
    files
}

/// The number at the beginning of a text, behind this mark.
fn number_after(text: &str, mark: &str) -> Option<(u32, usize)> {
    let digits = text.strip_prefix(mark)?;
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let number = digits[..end].parse().ok()?;
    Some((number, mark.len() + end))
}

/// The numbers that the title of a Node test begins with, as in `test("B14 B20 the open packet", ...)`.
fn numbers_in_title(line: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    let line = line.trim_start();
    let title = ["test(", "describe("]
        .iter()
        .find_map(|call| line.strip_prefix(call))
        .and_then(|rest| rest.strip_prefix(['"', '`', '\'']));
    let mut rest = title.unwrap_or_default();
    while let Some((number, length)) = number_after(rest, "B") {
        numbers.push(number);
        rest = rest[length..].trim_start_matches([' ', ',', ':']);
    }
    numbers
}

fn numbers_of_tests(line: &str, ending: &str) -> Vec<u32> {
    let mark = match ending {
        "rs" => "fn b",
        "py" => "def test_b",
        _ => return numbers_in_title(line),
    };
    let line = line.trim_start().trim_start_matches("async ");
    match number_after(line, mark) {
        Some((number, length)) if line[length..].starts_with('_') => vec![number],
        _ => Vec::new(),
    }
}

/// Where each number stands in the name of a test.
fn tested() -> BTreeMap<u32, Vec<String>> {
    let mut tested: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (folder, ending) in FOLDERS {
        for path in files(folder, ending) {
            let text = fs::read_to_string(&path).expect("the file can be read");
            for (index, line) in text.lines().enumerate() {
                for number in numbers_of_tests(line, ending) {
                    let place = format!("{}:{}", path.display(), index + 1);
                    tested.entry(number).or_default().push(place);
                }
            }
        }
    }
    tested
}

fn listed() -> Vec<u32> {
    let text = fs::read_to_string(root().join("docs/behaviours.md")).expect("the list can be read");
    let numbers = text
        .lines()
        .filter_map(|line| number_after(line, "- **B"))
        .map(|(number, _)| number);
    numbers.collect()
}

#[test]
fn the_list_counts_from_one_without_a_gap() {
    let mut numbers = listed();
    numbers.sort_unstable();
    let expected: Vec<u32> = (1..=numbers.len() as u32).collect();
    assert_eq!(numbers, expected);
    assert!(numbers.len() >= 106);
}

#[test]
fn every_behaviour_has_a_test_that_bears_its_number() {
    let tested = tested();
    let missing: Vec<u32> = listed()
        .into_iter()
        .filter(|number| !tested.contains_key(number))
        .collect();
    assert!(missing.is_empty(), "without a test: {missing:?}");
}

#[test]
fn no_test_bears_a_number_that_is_not_listed() {
    let listed = listed();
    let strays: Vec<_> = tested()
        .into_iter()
        .filter(|(number, _)| !listed.contains(number))
        .collect();
    assert!(strays.is_empty(), "{strays:#?}");
}
