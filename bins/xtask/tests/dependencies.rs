//! The facade without features needs few crates, so that a service which only verifies keys builds quickly.

use std::collections::BTreeSet;
use std::process::Command;

/// The maximum number of crates, with `doorward` and its own crates. A crate with two versions counts twice.
const MOST: usize = 60;

#[test]
fn the_facade_without_features_needs_few_crates() {
    let without = ["tree", "--locked", "--package", "doorward", "--no-default-features", "--edges", "normal"];
    let tree = Command::new(env!("CARGO"))
        .args(without)
        .args(["--prefix", "none", "--no-dedupe"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    // A line is `NAME vVERSION`, then a folder or a mark in parentheses.
    let crates: BTreeSet<_> = text
        .lines()
        .map(|line| line.split_once(" (").map_or(line, |(name, _)| name))
        .filter(|line| !line.is_empty())
        .collect();
    assert!(crates.iter().any(|name| name.starts_with("doorward-auth v")), "{text}");
    let all = Vec::from_iter(crates.iter().copied()).join(", ");
    assert!(crates.len() <= MOST, "{} crates, and not at most {MOST}: {all}", crates.len());
}
