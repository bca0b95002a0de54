//! `cargo xtask check-layers`: the allowed dependencies, as in the table of docs/ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use cargo_metadata::{DependencyKind, Metadata};

use crate::{circles, shell};

/// The layers. A layer may use the layers above it. It may use its neighbours only if a table below permits it.
const LAYERS: &[&[&str]] = &[
    &["doorward-test-postgres", "doorward-types"],
    &["doorward-key", "doorward-origin", "doorward-assertion", "doorward-audit", "doorward-client"],
    &["doorward-scan", "doorward-secret-scanning", "doorward-store"],
    &["doorward-auth", "doorward-records", "doorward-sink"],
    &["doorward-store-copy", "doorward-store-sql"],
    &["doorward-store-memory", "doorward-store-sqlite", "doorward-store-postgres"],
    &["doorward-http", "doorward-link", "doorward-secret-files", "doorward-store-conformance", "doorward-testing"],
    &["doorward-api", "doorward-dashboard", "doorward-listen"],
    &["doorward", "doorward-observe"],
];

/// The only crates that choose an engine.
const BINARIES: &[&str] = &["bins", "examples"];

/// External crates that a layer may not use, since they would leak into its interface.
const FOREIGN: &[(&str, &[&str])] = &[
    ("doorward-types", &["tokio", "http", "hyper", "rusqlite", "tokio-postgres"]),
    ("doorward-key", &["tokio", "http", "hyper", "rusqlite", "tokio-postgres"]),
    ("doorward-assertion", &["tokio", "http", "hyper", "rusqlite", "tokio-postgres"]),
    ("doorward-audit", &["tokio", "http", "hyper", "rusqlite", "tokio-postgres"]),
    ("doorward-origin", &["tokio", "http", "hyper", "rusqlite", "tokio-postgres"]),
    ("doorward-records", &["tokio", "http", "hyper", "rusqlite", "tokio-postgres"]),
    ("doorward-store", &["tokio", "http", "hyper", "rusqlite", "tokio-postgres"]),
    ("doorward-auth", &["http", "hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-client", &["tower", "rusqlite", "tokio-postgres"]),
    ("doorward-link", &["hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-scan", &["tokio", "http", "hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-secret-files", &["http", "hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-secret-scanning", &["hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-sink", &["hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-store-sql", &["tokio", "http", "hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-store-conformance", &["tokio", "http", "hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-store-copy", &["tokio", "http", "hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-store-memory", &["tokio", "http", "hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-store-sqlite", &["http", "hyper", "tower"]),
    ("doorward-store-postgres", &["http", "hyper", "tower", "rusqlite"]),
    ("doorward-testing", &["hyper", "tower", "rusqlite", "tokio-postgres"]),
    ("doorward-api", &["hyper", "axum", "rusqlite", "tokio-postgres"]),
    ("doorward-listen", &["axum", "rusqlite", "tokio-postgres"]),
    ("doorward-observe", &["hyper", "axum", "rusqlite", "tokio-postgres"]),
    ("doorward-dashboard", &["hyper", "axum", "rusqlite", "tokio-postgres"]),
    ("doorward-http", &["hyper", "axum", "rusqlite", "tokio-postgres"]),
];

/// Fails at the first dependency that is not in the table.
pub(crate) fn check() -> anyhow::Result<()> {
    let metadata = shell::metadata()?;
    let layer_of: BTreeMap<&str, usize> =
        LAYERS.iter().enumerate().flat_map(|(layer, names)| names.iter().map(move |name| (*name, layer))).collect();
    let root = shell::root();
    let mut arrows = 0;
    for package in &metadata.packages {
        let name = package.name.as_str();
        let folder = package.manifest_path.strip_prefix(&root).context("a member outside of the repository")?;
        let top = folder.iter().next().unwrap_or_default();
        let Some(layer) = layer_of.get(name) else {
            if BINARIES.contains(&top) {
                continue;
            }
            bail!("{name} is in no layer: add it to the table in bins/xtask/src/layers.rs and in docs/ARCHITECTURE.md");
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal) {
            let on = dependency.name.as_str();
            match layer_of.get(on) {
                Some(other) if other >= layer => bail!("{name} may not use {on}, which is beside or below it"),
                Some(_) => arrows += 1,
                None if on.starts_with("doorward") => bail!("{name} may not use {on}, which is a binary"),
                None => {}
            }
            if FOREIGN.iter().any(|(of, foreign)| *of == name && foreign.contains(&on)) {
                bail!("{name} may not use {on}: it would leak into a layer that does not know it");
            }
        }
    }
    check_circles(&metadata)?;
    let crates = LAYERS.iter().map(|names| names.len()).sum::<usize>();
    shell::say(&format!("layers hold: {crates} crates, {arrows} arrows, each to a layer above"));
    Ok(())
}

/// Prints every circle of files inside a crate, and fails if there is one.
fn check_circles(metadata: &Metadata) -> anyhow::Result<()> {
    let mut entangled = BTreeSet::new();
    for package in &metadata.packages {
        let source = package.manifest_path.with_file_name("src");
        for circle in circles::find(source.as_std_path())? {
            let files = Vec::from_iter(circle).join(", ");
            shell::say(&format!("{} has a circle of files: {files}", package.name));
            entangled.insert(package.name.as_str());
        }
    }
    if entangled.is_empty() {
        Ok(())
    } else {
        bail!("files need each other in {}", Vec::from_iter(entangled).join(", "))
    }
}
