//! The list of licences keeps up with the dependencies.

use std::collections::BTreeSet;
use std::process::Command;

/// The packages at the head of the list, as "name version".
fn listed() -> BTreeSet<String> {
    let text = include_str!("../licenses.txt");
    let head = text.split("\n## ").next().unwrap_or_default();
    let lines = head.lines().filter(|line| line.contains(" - "));
    lines
        .map(|line| line.split(" - ").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_package_in_the_program_is_listed_with_its_version() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "pulsewheel-app",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let listed = listed();
    assert!(tree.lines().count() > 20);
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let package = line
            .split(' ')
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
            .replace(" v", " ");
        assert!(
            listed.contains(&package),
            "{package} is not in licenses.txt: run `make licenses`"
        );
    }
}

#[test]
fn no_package_is_listed_that_is_not_used_any_more() {
    let lock = include_str!("../../Cargo.lock");
    for package in listed() {
        let (name, version) = package.split_once(' ').expect("name and version");
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(
            lock.contains(&entry),
            "{package} is not in Cargo.lock: run `make licenses`"
        );
    }
}
