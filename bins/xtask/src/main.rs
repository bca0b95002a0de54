//! `cargo xtask`: the repository's own commands.

mod bench;
mod ci;
mod circles;
mod deb;
mod layers;
mod programs;
mod runner;
mod shell;
mod tests;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The repository's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the tests, with the programs that they need
    Test(tests::Arguments),
    /// Run everything that must hold before a change lands: format, lints, layers, docs, dependencies, tests
    Ci,
    /// Hold the layer table of docs/ARCHITECTURE.md against what the crates depend on, and find circles of files
    CheckLayers,
    /// Measure the figures, one JSON object a line; both sides of every ratio in the same run
    Bench(bench::Arguments),
    /// Make a Debian package of the server and the command line
    Deb(deb::Arguments),
    /// Take the pictures of docs/dashboard.md, of a page that a real browser shows
    Screenshots,
    /// Fuzz a target of crates/*/fuzz for a while, with libFuzzer
    Fuzz(tests::FuzzArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => tests::run(&arguments),
        Command::Ci => ci::run(),
        Command::CheckLayers => layers::check(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Deb(arguments) => deb::run(&arguments),
        Command::Screenshots => tests::screenshots(),
        Command::Fuzz(arguments) => tests::fuzz(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
