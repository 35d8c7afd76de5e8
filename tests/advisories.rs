//! The advisories of docs/advisories.md and the attacks of docs/attacks.md: for each of them a test shows that it can't happen
//! here, or what it comes to.

mod evidence;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use evidence::{holds_test, read};

/// The rows of a page's tables, but for those that begin with this word.
fn rows<const CELLS: usize>(page: &str, head: &str) -> Vec<[String; CELLS]> {
    let page = read(page);
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = lines.map(|line| line.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    let rows = cells.map(|cells| match <[String; CELLS]>::try_from(cells) {
        Ok(row) => row,
        Err(cells) => panic!("a row has {CELLS} cells: {cells:?}"),
    });
    rows.filter(|row| row[0] != head).collect()
}

/// The tests that a cell names: behind each file its tests, all of them in backticks.
fn tests(cell: &str) -> Vec<(String, String)> {
    let mut file = None;
    let mut tests = Vec::new();
    for name in cell.split('`').skip(1).step_by(2) {
        if name.ends_with(".rs") || name.ends_with(".mjs") {
            file = Some(name.to_owned());
        } else {
            let file = file.clone();
            tests.push((
                file.expect("a file stands before its tests"),
                name.to_owned(),
            ));
        }
    }
    tests
}

#[test]
fn each_attack_has_a_test() {
    let rows = rows::<2>("docs/attacks.md", "attack");
    assert!(rows.len() >= 45, "only {} rows were found", rows.len());
    for [attack, cell] in &rows {
        let tests = tests(cell);
        assert!(!tests.is_empty(), "{attack}: no test is named");
        for (file, name) in tests {
            assert!(holds_test(&file, &name), "{attack}: no {name:?} in {file}");
        }
    }
}

#[test]
fn each_advisory_has_a_test_or_cannot_apply() {
    // An advisory, what has happened, and why it can't happen here.
    let rows = rows::<3>("docs/advisories.md", "advisory");
    assert!(rows.len() >= 45, "only {} rows were found", rows.len());
    let ids: BTreeSet<&str> = rows.iter().map(|[id, ..]| id.as_str()).collect();
    assert_eq!(ids.len(), rows.len(), "an advisory stands there twice");
    for [id, _, why] in &rows {
        let tests = tests(why);
        let cannot_apply = why.starts_with("Can't apply: ");
        assert!(cannot_apply || !tests.is_empty(), "{id} names no test");
        for (file, name) in tests {
            assert!(holds_test(&file, &name), "{id}: no {name:?} in {file}");
        }
    }
}

/// Its keys are random for each map, so peers can't choose texts that fall together.
#[test]
fn maps_hash_as_the_standard_library_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("app/src")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    assert!(files.len() > 100, "only {} files were found", files.len());
    for file in files {
        let text = fs::read_to_string(&file).expect("a source in UTF-8");
        for other in ["BuildHasher", "with_hasher", "FxHash", "AHash", "FnvHash"] {
            assert!(!text.contains(other), "{}: {other}", file.display());
        }
    }
}
