//! `cargo xtask ci`: everything that must hold before a change lands.

use std::path::Path;

use anyhow::{Context, bail};

use crate::{layers, shell, tests};

/// The version of cargo-deny that `deny.toml` was written for.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run() -> anyhow::Result<()> {
    shell::run("cargo", &["fmt", "--all", "--check"], &[])?;
    members_inherit_lints()?;
    layers::check()?;
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"], &[])?;
    let strict = [("RUSTDOCFLAGS", "-D warnings")];
    shell::run("cargo", &["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items"], &strict)?;
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
