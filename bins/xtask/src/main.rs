//! `cargo xtask`: the repository's own commands.

mod api;
mod bench;
mod book;
mod ci;
mod circles;
mod commits;
mod deb;
mod growth;
mod language;
mod layers;
mod package;
mod programs;
mod runner;
mod shell;
mod tests;
mod times;

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
    /// Run the tests with the programs that they need
    Test(tests::Arguments),
    /// Run all checks that must pass before a change is merged: format, lints, layers, docs, dependencies, tests
    Ci,
    /// Check the layer table of docs/ARCHITECTURE.md against the crates' dependencies, and find circles of files
    CheckLayers,
    /// Count the lines that break the language rule of docs/CONTRIBUTING.md, and fail if there are many
    CheckLanguage,
    /// Measure the figures, one JSON object on each line; both sides of each ratio in the same run
    Bench(bench::Arguments),
    /// Build docs/ as a book with search, by mdbook, and check its links
    Book,
    /// Check the types of other crates in public items against the list of permitted crates, and that public types can grow
    CheckApi,
    /// Package the crates for a registry, and check their descriptions
    Package(package::Arguments),
    /// Make a Debian package of the server and the command line
    Deb(deb::Arguments),
    /// Take the screenshots of docs/how-to/use-the-page.md with a real browser
    Screenshots,
    /// Fuzz a target of crates/*/fuzz for a while, with libFuzzer
    Fuzz(tests::FuzzArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => tests::run(&arguments),
        Command::Ci => ci::run(),
        Command::CheckLayers => layers::check(),
        Command::CheckLanguage => language::check(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Book => book::build(),
        Command::CheckApi => api::check(),
        Command::Package(arguments) => package::run(&arguments),
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
