//! Rules that the sources themselves have to keep.

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

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
fn hosts_for_readers_need_no_locks_and_the_tour_fits_in_120_lines() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names = ["tour", "chat", "private_messaging", "todo"];
    let paths = names.map(|name| examples.join(format!("{name}.rs")));
    let words = [
        "Arc<", "Arc::", "Mutex", "RwLock", "RefCell", ".expect(", ".unwrap(",
    ];
    let found = occurrences(&paths, &words);
    assert!(found.is_empty(), "{found:#?}");
    let lines = code_lines(&paths[0]).len();
    assert!(lines < 120, "{lines} lines");
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

/// The modules at the top of the library that are layers, each with those that it may name beside the foundations, which are all
/// modules that are not in this table.
const LAYERS: &[(&str, &[&str])] = &[
    ("http", &[]),
    ("websocket", &[]),
    ("engine", &[]),
    ("socket", &[]),
    ("progress", &[]),
    ("transport", &["http", "websocket"]),
    // Of `net` it keeps, for handlers, the handle that leads back to it from other threads and what the loop counts.
    (
        "endpoint",
        &[
            "http",
            "websocket",
            "engine",
            "socket",
            "progress",
            "transport",
            "net",
        ],
    ),
    ("checks", &["endpoint"]),
    (
        "io",
        &["http", "engine", "socket", "progress", "endpoint", "net"],
    ),
    (
        "net",
        &[
            "http",
            "engine",
            "socket",
            "progress",
            "transport",
            "endpoint",
            "io",
        ],
    ),
];

/// Foundations that name layers all the same: every layer has its settings, and a frame is a WebSocket frame whatever carries it.
const EXCEPTIONS: &[(&str, &[&str])] = &[
    (
        "config",
        &["http", "engine", "socket", "progress", "endpoint"],
    ),
    ("frame", &["websocket"]),
];

/// Layers on top of the public interface, which may name what is exported at the top by that name.
const USERS: &[&str] = &["io", "net"];

/// Every path of a file that begins with `crate`, or with `super` as often as that leads to the top: the module that it names.
struct TopModules {
    /// How deep below the top the modules of this file are.
    depth: usize,
    named: Vec<String>,
}

impl TopModules {
    fn note(&mut self, path: &[String]) {
        let supers = path
            .iter()
            .take_while(|segment| *segment == "super")
            .count();
        let top = match path.first().map(String::as_str) {
            Some("crate") => path.get(1),
            Some("super") if supers == self.depth => path.get(supers),
            _ => None,
        };
        self.named.extend(top.cloned());
    }

    /// The paths of a tree of imports, `use crate::{a::B, c}` included.
    fn note_tree(&mut self, before: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.note_tree(before, &path.tree);
                before.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_tree(before, tree);
                }
            }
            syn::UseTree::Name(syn::UseName { ident })
            | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                before.push(ident.to_string());
                self.note(before);
                before.pop();
            }
            syn::UseTree::Glob(_) => self.note(before),
        }
    }
}

impl<'ast> Visit<'ast> for TopModules {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        let segments: Vec<String> = segments.map(|segment| segment.ident.to_string()).collect();
        self.note(&segments);
        syn::visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.depth += 1;
        syn::visit::visit_item_mod(self, module);
        self.depth -= 1;
    }
}

/// The modules at the top of the library that a source names; `depth` is how deep below the top its own module is.
fn top_modules(source: &str, depth: usize) -> Vec<String> {
    let file = syn::parse_file(source).expect("the sources can be parsed");
    let mut found = TopModules {
        depth,
        named: Vec::new(),
    };
    found.visit_file(&file);
    found.named
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    for source in [
        "use crate::engine::Session;",
        "use crate::{engine::Session, frame};",
        "use crate::{frame, engine};",
        "use crate::engine as other;",
        "use super::engine::Session;",
        "fn f() { crate::engine::f() }",
        "struct S { session: crate::engine::Session }",
        "mod inner { use super::super::engine::Session; }",
    ] {
        let named = top_modules(source, 1);
        assert!(named.iter().any(|name| name == "engine"), "{source}");
    }
    let others = "use super::super::engine; use other::engine::X; mod engine {}";
    assert!(top_modules(others, 1).is_empty());
}

#[test]
fn no_layer_names_one_above_or_beside_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_layer = |name: &str| LAYERS.iter().find(|(layer, _)| *layer == name);
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let below = path.strip_prefix(&root).expect("it is below");
        let mut parts: Vec<String> = below
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if parts.last().is_some_and(|name| name == "mod") {
            parts.pop();
        }
        if parts == ["lib"] || parts.iter().any(|part| part == "tests") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("the file can be read");
        // What is below a line that says so are tests, which may know everybody.
        let source = source.split("\n#[cfg(test)]\nmod tests {").next();
        let named = top_modules(source.unwrap_or_default(), parts.len());
        let mut rules = LAYERS.iter().chain(EXCEPTIONS);
        let rule = rules.find(|(name, _)| *name == parts[0]);
        let may_name = rule.map(|(_, others)| *others);
        for other in named {
            let is_allowed = match is_layer(&other) {
                Some(_) => may_name.is_some_and(|others| others.contains(&&*other)),
                // Something that is exported at the top comes from some layer.
                None if other.starts_with(char::is_uppercase) => USERS.contains(&&*parts[0]),
                None => true,
            };
            if other != parts[0] && !is_allowed {
                wrong.push(format!("{} names {other}", below.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What drives the endpoint, which no handler calls.
const DRIVING: &[&str] = &[
    "open",
    "on_ready",
    "on_polled",
    "next_work",
    "on_read",
    "write",
    "begin_turn",
    "poll_event",
];

/// What changes nothing of the endpoint itself: a view has verbs of its own.
const HARMLESS: &[&str] = &["recycle", "data_mut", "cluster", "progress"];

/// What first asks a function of the host's, whose panic is its own, and only then changes something.
const ASKING: &[&str] = &["decide"];

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
            let body = body.split("\n    }\n").next().unwrap_or_default();
            let lines = if ASKING.contains(&name) {
                usize::MAX
            } else {
                1
            };
            assert!(
                body.lines()
                    .take(lines)
                    .any(|line| line.contains("Verb::begin()")),
                "{}: {name}",
                path.display()
            );
        }
    }
    assert!(verbs > 40, "there are only {verbs}");
}
