//! Holds the page `docs/scanners.md` to the tables in here.

use super::known::SCANNERS;
use super::{Role, Scanner, PLAIN};
use crate::severity::NumberScale;

const PAGE: &str = include_str!("../../../../docs/scanners.md");

/// The rows of a section's table, as they should be.
fn rows(scanner: &Scanner) -> Vec<(String, String)> {
    let names = |names: &[&str], between: &str| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        match names.is_empty() {
            true => "no column".to_owned(),
            false => names.join(between),
        }
    };
    let mut rows = Vec::new();
    let mut row = |name: &str, cell: String| rows.push((name.to_owned(), cell));
    let lists = scanner.signature.iter().map(|list| names(list, " or "));
    row("recognised by", lists.collect::<Vec<_>>().join("; "));
    for (role, columns) in scanner.columns {
        row(role.field(), names(columns, ", "));
    }
    match scanner.scale {
        NumberScale::ZeroToFour => {}
        NumberScale::OneToFive => row("numbers of the severity", "1 to 5".to_owned()),
        NumberScale::ZeroToTen => row("numbers of the severity", "0 to 10".to_owned()),
    }
    if scanner.skipped_states != PLAIN.skipped_states {
        row("skipped states", names(scanner.skipped_states, ", "));
    }
    if scanner.gone_states != PLAIN.gone_states {
        row("states of what is gone", names(scanner.gone_states, ", "));
    }
    rows
}

/// The sections of the page: their titles, and the rows of their tables.
fn sections() -> Vec<(&'static str, Vec<(String, String)>)> {
    let sections = PAGE.split("\n## ").skip(1).map(|section| {
        let title = section.lines().next().unwrap_or_default();
        let cells = section.lines().filter_map(|line| {
            let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
            let (name, cell) = cells.split_once(" | ")?;
            Some((name.to_owned(), cell.to_owned()))
        });
        (title, cells.collect())
    });
    sections.collect()
}

#[test]
fn the_page_of_scanners_has_every_table_as_it_is() {
    let mut expected: Vec<(String, Vec<(String, String)>)> = SCANNERS
        .iter()
        .map(|scanner| (format!("`{}`", scanner.label), rows(scanner)))
        .collect();
    let usual = Role::ALL.into_iter().filter(|role| *role != Role::Cvss);
    let columns: Vec<_> = usual.map(|role| (role, super::usual(role))).collect();
    let usual = columns.iter().map(|(role, names)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        (role.field().to_owned(), names.join(", "))
    });
    expected.push(("Usual names".to_owned(), usual.collect()));
    let found = sections();
    for ((title, rows), (expected_title, expected_rows)) in found.iter().zip(&expected) {
        assert_eq!(title, expected_title);
        assert_eq!(rows, expected_rows, "{title}");
    }
    assert_eq!(found.len(), expected.len());
}
