//! Tests that documents name as evidence.

use std::fs;
use std::path::Path;

/// The text of a file of the project.
///
/// # Panics
///
/// When it cannot be read.
pub fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a test of this name is in a file. Numbers of behaviours in front of names are left out, as they may change. Files
/// for Node and for browsers also name tests in tables of cases, in front of them, and by texts with variables.
pub fn holds_test(path: &str, name: &str) -> bool {
    let text = read(path);
    let mut lines = text
        .lines()
        .map(|line| line.trim_start().trim_start_matches("async "))
        .map(|line| line.trim_start_matches("pub "));
    match path.rsplit('.').next() {
        Some("rs") => lines.any(|line| is_called(line, "fn ", name, "() {")),
        Some("py") => lines.any(|line| is_called(line, "def test_", name, "(self):")),
        _ => lines.any(|line| {
            is_called(line, "test(\"", name, "\", ")
                || is_called(line, "test(`", name, "`, ")
                || is_called(line, "pageTest(\"", name, "\", ")
                || is_called(line, "])(\"", name, "\", ")
                || is_called(line, "] as const)(\"", name, "\", ")
                || is_called(line, "[\"", name, "\", ")
                || is_called(line, "\"", name, "\": ")
        }),
    }
}

fn is_called(line: &str, before: &str, name: &str, behind: &str) -> bool {
    let Some(mut rest) = line.strip_prefix(before) else {
        return false;
    };
    while let Some(numbered) = rest.strip_prefix(['B', 'b']) {
        match numbered
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .strip_prefix([' ', '_'])
        {
            Some(unnumbered) if numbered.starts_with(|c: char| c.is_ascii_digit()) => {
                rest = unnumbered
            }
            _ => break,
        }
    }
    rest.strip_prefix(name)
        .is_some_and(|rest| rest.starts_with(behind))
}
