//! `cargo xtask bench`: runs `bins/bench` in release form, and the peers.

use anyhow::ensure;
use clap::Args;

use crate::{programs, shell};

/// The peers in other languages, which run as programs.
const BETTER_AUTH: &str = "bins/bench/peers/better-auth";
const DJANGO_PACKAGES: &str = "bins/bench/peers/djangorestframework-api-key/requirements.txt";
const DJANGO: &str = "bins/bench/peers/target/python";

/// The figures to measure.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Measure only the figures with this name: verify, scale, changes, moving, nodes, log, server or peers; all by
    /// default
    name: Option<String>,
    /// Rounds per figure
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Keys of `scale`, `moving`, `nodes` and `server`, events of `log`; ten million need 8 GiB of memory and of disk
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let name = arguments.name.as_deref();
    if name != Some("peers") {
        let (rounds, keys) = (arguments.rounds.to_string(), arguments.keys.to_string());
        let bench = ["run", "--release", "--quiet", "--package", "doorward-bench", "--"];
        let options = ["--rounds", &rounds, "--keys", &keys];
        shell::run("cargo", &[&bench, name.as_slice(), &options].concat(), &[])?;
    }
    if name.is_none_or(|name| name == "peers") { peers() } else { Ok(()) }
}

/// Runs the peers, which have their own workspace and dependencies.
fn peers() -> anyhow::Result<()> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm"), ("python3", "python3-venv")] {
        ensure!(shell::has(program), "{program} is missing: install the Debian package {package}, or its like");
    }
    programs::install_node_packages(BETTER_AUTH)?;
    programs::install_python_packages(DJANGO, DJANGO_PACKAGES)?;
    let peers = ["run", "--release", "--quiet", "--manifest-path", "bins/bench/peers/Cargo.toml"];
    shell::run("cargo", &peers, &[])
}
