//! Rules that the sources themselves have to keep.

use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files below a folder of the project.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be listed") {
            let path = entry.expect("the folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no sources in {folder}");
    files
}

/// Lines of code of a file, comments left out, with their numbers.
fn code_lines(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("the file can be read");
    let code = text.lines().enumerate().map(|(index, line)| {
        let code = line.split("//").next().unwrap_or_default();
        (index + 1, code.to_owned())
    });
    code.collect()
}

/// Places where any of these words occurs in code.
fn occurrences(files: &[PathBuf], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files {
        for (number, line) in code_lines(path) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    found
}

#[test]
fn no_code_is_unsafe() {
    let word = ["un", "safe"].concat();
    for folder in ["src", "app/src", "examples"] {
        let found: Vec<String> = occurrences(&rust_files(folder), &[&word])
            .into_iter()
            .filter(|line| !line.contains("unsafe_code"))
            .collect();
        assert!(found.is_empty(), "{found:#?}");
    }
    for root in ["src/lib.rs", "app/src/main.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        let text = fs::read_to_string(path).expect("the file can be read");
        assert!(text.contains("#![forbid(unsafe_code)]"), "{root}");
    }
}

#[test]
fn only_the_net_folder_knows_sockets_clocks_files_and_threads() {
    let core: Vec<PathBuf> = rust_files("src")
        .into_iter()
        .filter(|path| !path.components().any(|part| part.as_os_str() == "net"))
        // It asks whether a panic is under way, which is a thread's matter.
        .filter(|path| !path.ends_with("src/panics.rs"))
        .collect();
    let found = occurrences(
        &core,
        &[
            "Instant::",
            "SystemTime",
            "/proc",
            "/sys/",
            "std::fs",
            "std::thread",
            "std::process",
            "std::env",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "getrandom",
            "mio::",
            "println!",
        ],
    );
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_of_the_core_depends_on_the_order_of_a_hash_map() {
    let word = ["Random", "State"].concat();
    let iterating = [
        ".keys()",
        ".values()",
        ".values_mut()",
        ".drain()",
        ".into_values()",
    ];
    for path in rust_files("src") {
        let lines = code_lines(&path);
        assert!(!lines.iter().any(|(_, line)| line.contains(&word)));
        if lines.iter().any(|(_, line)| line.contains("HashMap<")) {
            let file = [path];
            let found = occurrences(&file, &iterating);
            let in_tests = |line: &String| line.contains("model");
            assert!(found.iter().all(in_tests), "{found:#?}");
        }
    }
}

#[test]
fn layers_do_not_import_their_neighbours() {
    for (layer, neighbours) in [
        (
            "src/http",
            ["engine", "socket", "progress", "websocket", "endpoint"],
        ),
        (
            "src/websocket",
            ["engine", "socket", "progress", "http", "endpoint"],
        ),
        (
            "src/engine",
            ["http", "socket", "progress", "websocket", "endpoint"],
        ),
        (
            "src/socket",
            ["http", "engine", "progress", "websocket", "endpoint"],
        ),
        (
            "src/progress",
            ["http", "engine", "socket", "websocket", "endpoint"],
        ),
    ] {
        for neighbour in neighbours {
            let import = format!("crate::{neighbour}::");
            let found = occurrences(&rust_files(layer), &[&import]);
            assert!(found.is_empty(), "{found:#?}");
        }
    }
}

/// What drives the endpoint, which no handler calls.
const DRIVING: &[&str] = &[
    "open",
    "on_readable",
    "on_half_close",
    "on_writable",
    "on_polled",
    "next_work",
    "would_block",
    "feed",
    "read_closed",
    "hang_up",
    "begin_turn",
    "poll_event",
    "wrote",
];

/// What changes nothing of the endpoint itself.
const HARMLESS: &[&str] = &["recycle", "data_mut"];

#[test]
fn every_verb_notes_a_panic_that_passes_through_it() {
    let mut verbs = 0;
    let files = rust_files("src/endpoint").into_iter();
    for path in files.filter(|path| !path.iter().any(|part| part == "tests")) {
        let text = fs::read_to_string(&path).expect("the file can be read");
        for function in text.split("\n    pub fn ").skip(1) {
            let (signature, body) = function.split_once(" {\n").expect("a body");
            let end = |letter: char| !letter.is_alphanumeric() && letter != '_';
            let name = signature.split(end).next().unwrap_or_default();
            if !signature.contains("&mut self") || [DRIVING, HARMLESS].concat().contains(&name) {
                continue;
            }
            verbs += 1;
            let first = body.lines().next().unwrap_or_default();
            assert!(
                first.contains("Verb::begin()"),
                "{}: {name}",
                path.display()
            );
        }
    }
    assert!(verbs > 40, "there are only {verbs}");
}
