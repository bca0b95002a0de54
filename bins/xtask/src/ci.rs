//! `cargo xtask ci`: everything that must hold before a change lands.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::{layers, shell, tests};

/// The version of cargo-deny that `deny.toml` was written for.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run() -> anyhow::Result<()> {
    shell::run("cargo", &["fmt", "--all", "--check"], &[])?;
    members_inherit_lints()?;
    nothing_strays_at_the_top()?;
    layers::check()?;
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"], &[])?;
    let strict = [("RUSTDOCFLAGS", "-D warnings")];
    // With the examples, and so with the features of tests: nothing is compiled once more.
    let of_what = ["--workspace", "--all-features", "--lib", "--bins", "--examples"];
    let doc = [&["doc", "--no-deps", "--document-private-items"], &of_what[..]].concat();
    shell::run("cargo", &doc, &strict)?;
    dependencies()?;
    tests::run(&tests::Arguments::default())
}

/// A `[workspace.lints]` table that no member inherits is inert, in silence.
fn members_inherit_lints() -> anyhow::Result<()> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(shell::root()).no_deps().exec()?;
    for package in &metadata.packages {
        let manifest = std::fs::read_to_string(&package.manifest_path)?;
        if !manifest.contains("[lints]\nworkspace = true\n") {
            bail!("{} does not inherit the workspace's lints", package.manifest_path);
        }
    }
    Ok(())
}

/// What the top level holds that is visible, and nothing else.
const TOP_LEVEL: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "bins",
    "crates",
    "deny.toml",
    "docs",
    "examples",
];

/// A download or a program's output that was committed by mistake lies at the top level.
fn nothing_strays_at_the_top() -> anyhow::Result<()> {
    let listed = Command::new("git").args(["ls-tree", "--name-only", "HEAD"]).current_dir(shell::root()).output()?;
    if !listed.status.success() {
        bail!("git cannot list the top level: {}", String::from_utf8_lossy(&listed.stderr));
    }
    let names = String::from_utf8(listed.stdout)?;
    match names.lines().find(|name| !name.starts_with('.') && !TOP_LEVEL.contains(name)) {
        Some(stray) => bail!("{stray} does not belong at the top level"),
        None => Ok(()),
    }
}

/// Licences, sources and versions, by `deny.toml`. Advisories need a database from outside, which a machine without the
/// open internet does not reach; the floors in Cargo.lock stand in for it.
fn dependencies() -> anyhow::Result<()> {
    if !shell::has("cargo-deny") && !home_has("cargo-deny") {
        let version = format!("cargo-deny@{CARGO_DENY}");
        shell::run("cargo", &["install", "--locked", "--quiet", &version], &[]).context("cargo-deny is needed")?;
    }
    shell::run("cargo", &["deny", "--all-features", "check", "bans", "licenses", "sources"], &[])
}

fn home_has(program: &str) -> bool {
    let home = std::env::var_os("CARGO_HOME").map(std::path::PathBuf::from);
    home.is_some_and(|home| Path::new(&home).join("bin").join(program).is_file())
}
