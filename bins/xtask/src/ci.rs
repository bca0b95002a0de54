//! `cargo xtask ci`: all checks that must pass before a change is merged.

use std::thread::ScopedJoinHandle;

use anyhow::{anyhow, bail};

use crate::times::Times;
use crate::{commits, language, layers, package, programs, runner, shell, tests};

/// The version of cargo-deny that `deny.toml` was written for.
const CARGO_DENY: &str = "0.20.2";

/// The folder of what rustdoc compiles: in the tests' folder, it would wait for the tests of examples.
const FOLDER: (&str, &str) = ("CARGO_TARGET_DIR", "target/checks");

/// Runs all checks, the quickest first, and prints the time of each step.
pub(crate) fn run() -> anyhow::Result<()> {
    let times = Times::default();
    let done = times.of("all", || check(&times));
    times.print("the seconds of each step; some steps run side by side:");
    done
}

fn check(times: &Times) -> anyhow::Result<()> {
    times.of("what needs no build", without_build)?;
    std::thread::scope(|scope| {
        // Downloads wait for other machines, so a compiler runs meanwhile.
        let needed = scope.spawn(|| times.of("programs for the tests", programs::ensure));
        let built = times.of("build of the tests", runner::build)?;
        joined(needed)?;
        if built.warnings > 0 {
            bail!("the compiler warns {} times", built.warnings);
        }
        // Most tests wait, and the checks take only the time that the tests leave.
        let checks = scope.spawn(|| checks(times));
        let tested = tests::run_built(&built.programs, &tests::Arguments::default(), times);
        tested.and(joined(checks))
    })
}

fn joined(step: ScopedJoinHandle<'_, anyhow::Result<()>>) -> anyhow::Result<()> {
    step.join().unwrap_or_else(|_| Err(anyhow!("a step panicked")))
}

/// Runs the checks that compile, with the lowest priority.
fn checks(times: &Times) -> anyhow::Result<()> {
    times.of("documentation", documentation)?;
    times.of("cargo deny", dependencies)
}

fn without_build() -> anyhow::Result<()> {
    shell::run("cargo", &["fmt", "--all", "--check"], &[])?;
    members_inherit_lints()?;
    nothing_strays_at_the_top()?;
    commits::check()?;
    language::check()?;
    layers::check()?;
    package::run(&package::Arguments::default())
}

/// Checks that each member inherits `[workspace.lints]`: without that, the lints silently do nothing.
fn members_inherit_lints() -> anyhow::Result<()> {
    let metadata = shell::metadata()?;
    for package in &metadata.packages {
        let manifest = std::fs::read_to_string(&package.manifest_path)?;
        if !manifest.contains("[lints]\nworkspace = true\n") {
            bail!("{} does not inherit the workspace's lints", package.manifest_path);
        }
    }
    Ok(())
}

/// The permitted visible entries of the top level.
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

/// Finds files that were committed to the top level by mistake, such as a download or a program's output.
fn nothing_strays_at_the_top() -> anyhow::Result<()> {
    let names = shell::output("git", &["ls-tree", "--name-only", "HEAD"])?;
    match names.lines().find(|name| !name.starts_with('.') && !TOP_LEVEL.contains(name)) {
        Some(stray) => bail!("{stray} does not belong at the top level"),
        None => Ok(()),
    }
}

/// Builds the documentation of all items with warnings as errors, and the tests' features.
fn documentation() -> anyhow::Result<()> {
    let of_what = ["--workspace", "--all-features", "--lib", "--bins", "--examples"];
    let doc = [&["doc", "--no-deps", "--document-private-items"], &of_what[..]].concat();
    shell::run_idly("cargo", &doc, &[FOLDER, ("RUSTDOCFLAGS", "-D warnings")])
}

/// Checks licences, sources and versions by `deny.toml`. Advisories need a database from the internet, which this check must not
/// need. The minimum versions in Cargo.lock replace them.
fn dependencies() -> anyhow::Result<()> {
    let deny = match shell::has("cargo-deny") {
        true => "cargo-deny".into(),
        false => shell::tool("cargo-deny", CARGO_DENY, &[])?,
    };
    shell::run(&deny.to_string_lossy(), &["--all-features", "check", "bans", "licenses", "sources"], &[])
}
