//! `cargo xtask test`, and `cargo xtask fuzz`.

use anyhow::bail;
use clap::Args;
use doorward_test_postgres::Cluster;

use crate::{programs, runner, shell};

/// What to run.
#[derive(Args, Debug, Default)]
pub(crate) struct Arguments {
    /// Only the tests with this in their names; all without it
    name: Option<String>,
    /// Run the long forms too: the figures of docs/reliability.md
    #[arg(long)]
    long: bool,
}

/// What to fuzz.
#[derive(Args, Debug)]
pub(crate) struct FuzzArguments {
    /// The crate whose fuzz targets to run: key or http
    krate: String,
    /// The target
    target: String,
    /// For how long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs the tests, with a PostgreSQL of their own.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    programs::ensure()?;
    let cluster = Cluster::start(&[])?;
    let url = cluster.url();
    shell::say(&format!("a PostgreSQL for the tests runs at {url}"));
    let mut environment = vec![("DOORWARD_TEST_POSTGRES", url.as_str())];
    environment.extend(arguments.long.then_some(("DOORWARD_TEST_LONG", "1")));
    runner::run(arguments.name.as_deref(), &environment)
}

/// Where the pictures of the page go.
const SCREENSHOTS: &str = "docs/screenshots";

/// The test that walks through every state of the page, and leaves pictures behind.
pub(crate) fn screenshots() -> anyhow::Result<()> {
    programs::ensure()?;
    let folder = shell::root().join(SCREENSHOTS);
    std::fs::create_dir_all(&folder)?;
    runner::run(Some("every_state_is_accessible"), &[("DOORWARD_SCREENSHOTS", &*folder.to_string_lossy())])
}

/// libFuzzer on one target. The instrumentation is a compiler flag that stable Rust hides.
pub(crate) fn fuzz(arguments: &FuzzArguments) -> anyhow::Result<()> {
    if !shell::has("cargo-fuzz") {
        bail!("cargo-fuzz is missing: cargo install cargo-fuzz");
    }
    let folder = format!("crates/{}/fuzz", arguments.krate);
    let time = format!("-max_total_time={}", arguments.seconds);
    // No code of ours is unsafe: a sanitizer would only make it slower.
    let fuzz =
        ["fuzz", "run", "--sanitizer", "none", "--fuzz-dir", &folder, &arguments.target, "--", &time, "-max_len=512"];
    shell::run("cargo", &fuzz, &[("RUSTC_BOOTSTRAP", "1")])
}
