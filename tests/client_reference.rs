//! The statements of docs/client-reference.md: a test shows each of them.

mod evidence;

use evidence::{holds_test, read};

/// The rows: the number of a statement, the statement, and the tests that show it.
fn rows() -> Vec<[String; 3]> {
    let page = read("docs/client-reference.md");
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("| C")?.strip_suffix(" |"));
    let cells = lines.map(|line| line.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    let rows = cells.map(|cells| match <[String; 3]>::try_from(cells) {
        Ok(row) => row,
        Err(cells) => panic!("a row has three cells: {cells:?}"),
    });
    rows.collect()
}

#[test]
fn the_statements_are_counted_without_a_gap() {
    let numbers: Vec<String> = rows().into_iter().map(|[number, ..]| number).collect();
    let expected: Vec<String> = (1..=numbers.len()).map(|n| n.to_string()).collect();
    assert_eq!(numbers, expected);
    assert!(numbers.len() >= 58);
}

#[test]
fn a_test_shows_each_statement() {
    for [number, statement, shown_by] in rows() {
        let mut named = 0;
        for of_a_file in shown_by.split("; ") {
            let names: Vec<&str> = of_a_file.split('`').skip(1).step_by(2).collect();
            let (file, tests) = names.split_first().expect("a file and its tests");
            for test in tests {
                named += 1;
                assert!(
                    holds_test(file, test),
                    "C{number}: no {test:?} in {file}, which is to show: {statement}"
                );
            }
        }
        assert!(named > 0, "C{number} names no test");
    }
}
