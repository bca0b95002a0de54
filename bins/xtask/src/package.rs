//! `cargo xtask package`: packages the crates for a registry.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{bail, ensure};
use cargo_metadata::{DependencyKind, Metadata, Package};
use clap::Args;
use serde_json::Value;

use crate::shell;

/// The checks of the packages.
#[derive(Args, Debug, Default)]
pub(crate) struct Arguments {
    /// Also build each crate from its package alone
    #[arg(long)]
    verify: bool,
}

/// Files that each package has beside its sources.
const FILES: [&str; 4] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let metadata = shell::metadata()?;
    let published: Vec<_> = published(&metadata).collect();
    for package in &published {
        describes_itself(package)?;
        needs_published_crates(package, &published)?;
    }
    let mut command = vec!["package", "--quiet", "--locked", "--allow-dirty"];
    // A package's lock file takes seconds, since cargo asks the registry for each dependency. Only a build needs it.
    command.extend(if arguments.verify { &[][..] } else { &["--no-verify", "--exclude-lockfile"] });
    command.extend(published.iter().flat_map(|package| ["--package", package.name.as_str()]));
    shell::run("cargo", &command, &[])?;
    shell::say(&format!("{} crates package", published.len()));
    Ok(())
}

/// Returns the packages that go to a registry.
pub(crate) fn published(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata.packages.iter().filter(|package| package.publish.is_none())
}

/// Fails if a package lacks the metadata by which people find and judge it.
fn describes_itself(package: &Package) -> anyhow::Result<()> {
    let name = &package.name;
    let folder = package.manifest_path.parent().map_or(Path::new("."), |folder| folder.as_std_path());
    for file in FILES {
        ensure!(folder.join(file).is_file(), "{name} has no {file}");
    }
    ensure!(package.description.is_some() && package.license.is_some(), "{name} lacks a description or a licence");
    ensure!(package.documentation.is_some() && package.readme.is_some(), "{name} lacks a link to its documentation");
    ensure!((1..=5).contains(&package.keywords.len()), "{name} has no keywords, or more than the registry takes");
    ensure!(!package.categories.is_empty(), "{name} is in no category");
    ensure!(package.rust_version.is_some(), "{name} does not say the oldest Rust that it builds with");
    let all_features = package.metadata.pointer("/docs/rs/all-features").and_then(Value::as_bool);
    ensure!(all_features == Some(true), "{name} shows only its default features on docs.rs");
    Ok(())
}

/// Fails if a package needs a crate that no registry has. Packaging leaves out dependencies of tests that have no version.
fn needs_published_crates(package: &Package, published: &[&Package]) -> anyhow::Result<()> {
    let names: BTreeSet<_> = published.iter().map(|package| package.name.as_str()).collect();
    for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
        let is_left_out = dependency.kind == DependencyKind::Development && dependency.req.comparators.is_empty();
        if !is_left_out && !names.contains(dependency.name.as_str()) {
            bail!("{} needs {}, which is not published", package.name, dependency.name);
        }
    }
    Ok(())
}
