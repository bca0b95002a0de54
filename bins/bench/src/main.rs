//! The program behind `cargo xtask bench`: the figures of docs/explanations/performance.md, one JSON object on each line.
//!
//! Absolute times mean little, since machines are shared and their speed drifts. So both sides of a ratio are measured in turns
//! in the same run, and the ratio is the median over the rounds.

mod bare;
mod changes;
mod harness;
mod log;
mod moving;
mod nodes;
mod programs;
mod rows;
mod scale;
mod scan;
mod server;
mod verify;

use clap::{Parser, Subcommand};

/// The figures of docs/explanations/performance.md.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Only the figures of this name; all by default
    #[arg(value_parser = ["verify", "scale", "changes", "moving", "nodes", "log", "scan", "server"])]
    name: Option<String>,
    /// Rounds per figure
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Keys of `scale`, `moving`, `nodes` and `server`, events of `log`
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one fixed answer, the baseline of `server`
    #[command(hide = true)]
    Bare(bare::Bare),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::Bare(bare)) = arguments.command {
        return bare::run(bare);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let wanted = |name: &str| arguments.name.as_deref().is_none_or(|wanted| wanted == name);
    if wanted("verify") {
        runtime.block_on(verify::run(arguments.rounds))?;
    }
    if wanted("scale") {
        runtime.block_on(scale::run(arguments.keys, arguments.rounds))?;
    }
    if wanted("changes") {
        runtime.block_on(changes::run(arguments.rounds))?;
    }
    if wanted("moving") {
        runtime.block_on(moving::run(arguments.keys, arguments.rounds.min(3)))?;
    }
    if wanted("log") {
        runtime.block_on(log::run(arguments.keys, arguments.rounds.min(5)))?;
    }
    if wanted("scan") {
        scan::run(arguments.rounds.min(5))?;
    }
    if wanted("nodes") {
        runtime.block_on(nodes::run(arguments.keys))?;
    }
    if wanted("server") {
        runtime.block_on(server::run(arguments.keys, arguments.rounds.min(5)))?;
    }
    Ok(())
}
