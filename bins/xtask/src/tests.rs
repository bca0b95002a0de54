//! `cargo xtask test`, and `cargo xtask fuzz`.

use std::path::PathBuf;

use anyhow::bail;
use cargo_metadata::Artifact;
use clap::Args;
use doorward_test_postgres::Cluster;

use crate::times::Times;
use crate::{programs, runner, shell};

/// The tests to run.
#[derive(Args, Debug, Default)]
pub(crate) struct Arguments {
    /// Run only the tests with this text in their names; all by default
    name: Option<String>,
    /// Run the long tests too: the figures of docs/explanations/reliability.md
    #[arg(long)]
    long: bool,
}

/// The target to fuzz.
#[derive(Args, Debug)]
pub(crate) struct FuzzArguments {
    /// The crate of the fuzz target: key, http or origin
    krate: String,
    /// The target
    target: String,
    /// Seconds to fuzz
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs the tests with the programs that they need, and prints the time of each step.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let times = Times::default();
    let done = run_timed(arguments, &times);
    times.print("the seconds of each step:");
    done
}

fn run_timed(arguments: &Arguments, times: &Times) -> anyhow::Result<()> {
    times.of("programs for the tests", programs::ensure)?;
    let built = times.of("build of the tests", runner::build)?;
    run_built(&built.programs, arguments, times)
}

/// Runs built tests with their own PostgreSQL. The programs that they need must exist.
pub(crate) fn run_built(built: &[Artifact], arguments: &Arguments, times: &Times) -> anyhow::Result<()> {
    let cluster = Cluster::start(&[])?;
    let url = cluster.url();
    shell::say(&format!("a PostgreSQL for the tests runs at {url}"));
    let mut environment = vec![("DOORWARD_TEST_POSTGRES", url.as_str())];
    let older = arguments.long.then(older).transpose()?.map(|folder| folder.to_string_lossy().into_owned());
    if let Some(older) = &older {
        environment.extend([("DOORWARD_TEST_LONG", "1"), ("DOORWARD_TEST_OLDER", older)]);
    }
    runner::run(built, arguments.name.as_deref(), &environment, times)
}

/// The newest commit of the release before: its programs run beside those of this release.
const OLDER: &str = "1374340";

/// Builds the programs of the release before. Returns their folder.
fn older() -> anyhow::Result<PathBuf> {
    let (source, target) = (shell::root().join("target/older/source"), shell::root().join("target/older/target"));
    if !source.exists() {
        shell::run("git", &["worktree", "prune"], &[])?;
        shell::run("git", &["worktree", "add", "--detach", &source.to_string_lossy(), OLDER], &[])?;
    }
    let manifest = source.join("Cargo.toml").to_string_lossy().into_owned();
    let build = ["build", "--locked", "--bins", "--package", "doorward-server", "--package", "doorward-cli"];
    let arguments = [&build[..], &["--manifest-path", &manifest]].concat();
    shell::run("cargo", &arguments, &[("CARGO_TARGET_DIR", &*target.to_string_lossy())])?;
    Ok(target.join("debug"))
}

/// The folder for the page's screenshots.
const SCREENSHOTS: &str = "docs/screenshots";

/// Runs the test that visits every state of the page and takes screenshots.
pub(crate) fn screenshots() -> anyhow::Result<()> {
    programs::ensure()?;
    let folder = shell::root().join(SCREENSHOTS);
    std::fs::create_dir_all(&folder)?;
    let environment = [("DOORWARD_SCREENSHOTS", &*folder.to_string_lossy())];
    runner::run(&runner::build()?.programs, Some("every_state_is_accessible"), &environment, &Times::default())
}

/// Runs libFuzzer on one target. Stable Rust hides the compiler flag for the instrumentation.
pub(crate) fn fuzz(arguments: &FuzzArguments) -> anyhow::Result<()> {
    if !shell::has("cargo-fuzz") {
        bail!("cargo-fuzz is missing: cargo install cargo-fuzz");
    }
    let folder = format!("crates/{}/fuzz", arguments.krate);
    let time = format!("-max_total_time={}", arguments.seconds);
    // Doorward has no unsafe code, so a sanitizer would only slow the target down.
    let fuzz =
        ["fuzz", "run", "--sanitizer", "none", "--fuzz-dir", &folder, &arguments.target, "--", &time, "-max_len=512"];
    shell::run("cargo", &fuzz, &[("RUSTC_BOOTSTRAP", "1")])
}
