//! The command line. It opens the store itself, through the same core as the server, while servers run on it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`arguments`] | every command, with the help that teaches it |
//! | [`commands`] | what each does: start here |
//! | [`output`] | tables for people, JSON for programs, values to standard output alone |
//! | [`confirm`] | asking before something of production dies |
//! | [`failure`] | what went wrong, and the exit status that says so |

pub mod arguments;
mod assertion_key;
mod audit;
pub mod commands;
pub mod confirm;
mod desk;
pub mod failure;
mod key_file;
mod origin;
pub mod output;
mod progress;
mod sealing_key;
mod store;

use std::io::IsTerminal;
use std::process::ExitCode;

pub use crate::arguments::Arguments;
use crate::output::Output;

/// Runs one command to its end.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    log_warnings();
    let output = Output::new(arguments.output);
    let outcome = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(commands::run(arguments, &output)),
        Err(error) => Err(failure::Failure::failed(format!("the program cannot start: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.status()
        }
    }
}

/// What the core warns of, a person should see; `DOORWARD_LOG` shows more.
fn log_warnings() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DOORWARD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .init();
}
