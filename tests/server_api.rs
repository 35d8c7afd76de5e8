//! The names that `docs/server-api.md` promises are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All sources of the library, tests left out.
fn sources() -> String {
    let mut text = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("the folder can be listed");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("listed").path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(&path).expect("it can be read"));
            }
        }
    }
    text
}

/// What the blocks of each type's own methods hold, by the type's name, and what its definition holds.
fn bodies(sources: &str) -> BTreeMap<String, String> {
    let mut bodies = BTreeMap::<String, String>::new();
    let mut name = None;
    for line in sources.lines() {
        if let Some(begun) = begun_by(line) {
            name = Some(begun);
        } else if line == "}" {
            name = None;
        }
        if let Some(name) = &name {
            let body = bodies.entry(name.clone()).or_default();
            body.push_str(line);
            body.push('\n');
        }
    }
    bodies
}

/// The type that a line begins a definition or a block of methods of.
fn begun_by(line: &str) -> Option<String> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let rest = ["struct ", "enum ", "trait "]
        .iter()
        .find_map(|word| line.strip_prefix(word));
    let rest = rest.or_else(|| {
        let rest = line.strip_prefix("impl")?;
        // Behind the parameters, which hold no block.
        let rest = match rest.starts_with('<') {
            true => rest.split_once("> ")?.1,
            false => rest.trim_start(),
        };
        (!rest.contains(" for ")).then_some(rest)
    })?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
    Some(rest[..end].to_owned())
}

#[test]
fn every_name_of_the_table_is_in_the_sources() {
    let table = fs::read_to_string(root().join("docs/server-api.md")).expect("it can be read");
    let bodies = bodies(&sources());
    let mut names = 0;
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let here = line.split(" | ").nth(1).expect("two columns");
        for name in here.split('`').skip(1).step_by(2) {
            let Some((owner, item)) = name.split_once("::") else {
                let is_ours = name.starts_with(char::is_uppercase);
                assert!(!is_ours || bodies.contains_key(name), "{name}: {line}");
                continue;
            };
            names += 1;
            let body = bodies
                .get(owner)
                .unwrap_or_else(|| panic!("{owner}: {line}"));
            let ways = [
                format!("pub fn {item}("),
                format!("pub fn {item}<"),
                format!("pub {item}:"),
                format!("    {item} {{"),
                format!("    {item}("),
                format!("    {item},"),
            ];
            let is_there = ways.iter().any(|way| body.contains(way));
            assert!(is_there, "{name}: {line}");
        }
    }
    assert!(names > 80, "only {names} names");
}

/// What a span of the first column is about: `on("close")`, `new Server(…)` and `adapter.sids` are about `close`, `Server` and
/// `sids`.
fn word_of(span: &str) -> &str {
    let span = span.strip_prefix("new ").unwrap_or(span);
    if let Some(event) = span
        .strip_prefix("on(\"")
        .or(span.strip_prefix("engine.on(\""))
    {
        return event.split('"').next().unwrap_or_default();
    }
    let name = span.split(['(', ' ']).next().unwrap_or_default();
    name.rsplit('.').next().unwrap_or_default()
}

#[test]
fn the_documentation_finds_every_name_that_has_a_counterpart() {
    let table = fs::read_to_string(root().join("docs/server-api.md")).expect("it can be read");
    let sources = sources();
    let mut unknown = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let (names, here) = line.split_once(" | ").expect("two columns");
        if !here.contains("::") {
            continue;
        }
        for span in names.split('`').skip(1).step_by(2) {
            let word = word_of(span);
            let mut snake = String::new();
            for letter in word.chars() {
                if letter.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(letter.to_ascii_lowercase());
            }
            // The search of rustdoc finds beginnings.
            let ways = [
                format!("doc(alias = \"{word}\")"),
                format!("pub fn {snake}"),
                format!("pub fn on_{snake}"),
                format!("pub {snake}"),
            ];
            if !ways.iter().any(|way| sources.contains(way)) {
                unknown.push(span.to_owned());
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_name_that_is_not_there_would_be_found_out() {
    let bodies = bodies(
        "pub struct A<S> {\n    pub x: u8,\n}\n\nimpl<S: 'static> A<S> {\n    pub fn f(&self) {}\n}\n\nimpl B for A<u8> {\n    fn g() {}\n}\n",
    );
    let body = &bodies["A"];
    assert!(body.contains("pub x:") && body.contains("pub fn f(") && !body.contains("fn g"));
    assert!(!bodies.contains_key("B"));
}
