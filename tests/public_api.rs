//! The public interface is the one that `docs/public-api.txt` lists, so that no change of it goes unseen.
//!
//! The list comes from what rustdoc knows, as JSON: `make public-api` has it written and compared, `make public-api UPDATE=1` renews
//! the list. Without that JSON there is nothing to compare, which is said.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// What rustdoc has found out about the crate.
struct Docs {
    json: Value,
    lines: BTreeSet<String>,
}

impl Docs {
    fn item(&self, id: &Value) -> Option<Value> {
        self.json["index"]
            .get(id.to_string().trim_matches('"'))
            .cloned()
    }

    fn kind(item: &Value) -> Option<(&str, &Value)> {
        let (kind, inner) = item["inner"].as_object()?.iter().next()?;
        Some((kind, inner))
    }

    /// Everything that a module holds, what it only passes on too.
    fn module(&mut self, id: &Value, path: &str) {
        let Some(module) = self.item(id) else { return };
        for id in list(&module["inner"]["module"]["items"]) {
            let Some(item) = self.item(id) else { continue };
            let Some((kind, inner)) = Docs::kind(&item) else {
                continue;
            };
            match kind {
                "use" => {
                    let name = inner["name"].as_str().unwrap_or_default();
                    match self.item(&inner["id"]) {
                        Some(target) => {
                            self.named(&target, &inner["id"], &format!("{path}::{name}"))
                        }
                        // Of another crate.
                        None => self.note("use", &format!("{path}::{name}"), ""),
                    }
                }
                _ => {
                    let name = item["name"].as_str().unwrap_or_default();
                    self.named(&item, id, &format!("{path}::{name}"));
                }
            }
        }
    }

    /// One item by its public name, with all that it has of its own.
    fn named(&mut self, item: &Value, id: &Value, path: &str) {
        let Some((kind, inner)) = Docs::kind(item) else {
            return;
        };
        match kind {
            "module" => return self.module(id, path),
            "struct" | "trait" | "enum" => self.note(kind, path, ""),
            _ => self.note(kind, path, &signature(item)),
        }
        let parts = [
            &inner["kind"]["plain"]["fields"],
            &inner["kind"]["tuple"],
            &inner["variants"],
            &inner["items"],
        ];
        for id in parts.into_iter().flat_map(list) {
            self.part(id, path, kind == "trait");
        }
        for id in list(&inner["impls"]) {
            let Some(block) = self.item(id) else { continue };
            let block = &block["inner"]["impl"];
            if block["is_synthetic"] == true || !block["blanket_impl"].is_null() {
                continue;
            }
            match block["trait"]["path"].as_str() {
                Some(name) => self.note("impl", &format!("{name} for {path}"), ""),
                None => list(&block["items"]).for_each(|id| self.part(id, path, false)),
            }
        }
    }

    /// A field, a variant or a method.
    fn part(&mut self, id: &Value, path: &str, is_of_trait: bool) {
        let Some(item) = self.item(id) else { return };
        let is_variant = item["inner"].get("variant").is_some();
        if item["visibility"] != "public" && !is_variant && !is_of_trait {
            return;
        }
        let Some((kind, _)) = Docs::kind(&item) else {
            return;
        };
        let name = item["name"].as_str().unwrap_or_default();
        self.note(kind, &format!("{path}::{name}"), &signature(&item));
    }

    fn note(&mut self, kind: &str, path: &str, signature: &str) {
        let line = match signature {
            "" => format!("{kind} {path}"),
            signature => format!("{kind} {path}: {signature}"),
        };
        self.lines.insert(line);
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// How an item begins in the source: up to its body, in one line.
fn signature(item: &Value) -> String {
    let span = &item["span"];
    let number = |at: &Value| at.as_u64().map(|number| number as usize);
    let (Some(file), Some(begin), Some(end)) = (
        span["filename"].as_str(),
        number(&span["begin"][0]),
        number(&span["end"][0]),
    ) else {
        return String::new();
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().skip(begin - 1).take(end + 1 - begin);
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let text = words.join(" ");
    let is_data = item["inner"].get("variant").is_some() || item["inner"].get("constant").is_some();
    let head = match is_data {
        true => &text,
        false => text.split(" {").next().unwrap_or_default(),
    };
    head.trim_end_matches([',', ';'])
        .replace("( ", "(")
        .replace(", )", ")")
}

#[test]
fn the_public_interface_is_the_one_that_is_listed() {
    let Some(json) = env::var_os("PUBLIC_API_JSON") else {
        println!("skipped: PUBLIC_API_JSON names no file of rustdoc (see `make public-api`)");
        return;
    };
    let json = fs::read_to_string(json).expect("rustdoc has written it");
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    let root = json["root"].clone();
    let mut docs = Docs {
        json,
        lines: BTreeSet::new(),
    };
    docs.module(&root, "pulsewheel");
    assert!(docs.lines.len() > 500, "only {}", docs.lines.len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/public-api.txt");
    if env::var_os("UPDATE").is_some_and(|update| !update.is_empty()) {
        let lines: Vec<String> = docs.lines.iter().map(|line| format!("{line}\n")).collect();
        return fs::write(path, lines.concat()).expect("it can be written");
    }
    let listed = fs::read_to_string(path).expect("the list is there");
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let new: Vec<&String> = docs.lines.difference(&listed).collect();
    let gone: Vec<&String> = listed.difference(&docs.lines).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "`make public-api UPDATE=1` renews the list, where this is meant.\nnew: {new:#?}\ngone: {gone:#?}"
    );
}
