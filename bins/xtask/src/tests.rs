//! `cargo xtask test`, and `cargo xtask fuzz`.

use anyhow::bail;
use clap::Args;
use doorward_test_postgres::Cluster;

use crate::{programs, shell};

/// What to run.
#[derive(Args, Debug, Default)]
pub(crate) struct Arguments {
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

/// Every test. The binaries are built first, since some tests run them as people do.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    programs::ensure()?;
    let cluster = Cluster::start(&[])?;
    let url = cluster.url();
    shell::say(&format!("a PostgreSQL for the tests runs at {url}"));
    let mut environment = vec![("DOORWARD_TEST_POSTGRES", url.as_str())];
    environment.extend(arguments.long.then_some(("DOORWARD_TEST_LONG", "1")));
    // With the features of the tests, which then find it all made.
    shell::run("cargo", &["build", "--workspace", "--bins", "--examples", "--all-features"], &[])?;
    // One run names all that is broken.
    shell::run("cargo", &["test", "--workspace", "--all-features", "--no-fail-fast"], &environment)
}

/// Where the pictures of the page go.
const SCREENSHOTS: &str = "docs/screenshots";

/// The test that walks through every state of the page, and leaves pictures behind.
pub(crate) fn screenshots() -> anyhow::Result<()> {
    programs::ensure()?;
    let folder = shell::root().join(SCREENSHOTS);
    std::fs::create_dir_all(&folder)?;
    let environment = [("DOORWARD_SCREENSHOTS", &*folder.to_string_lossy())];
    let test = ["test", "-p", "doorward-server", "--test", "it", "every_state_is_accessible"];
    shell::run("cargo", &test, &environment)
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
