//! The command line. It opens the store itself, through the same core as the server, also while servers run on it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`arguments`] | every command, with the help that teaches it |
//! | [`commands`] | the commands: start here |
//! | [`completion`] | the proposals of a shell |
//! | [`output`] | tables for people, JSON for programs, values to standard output alone |
//! | [`confirm`] | asking before something of production dies |
//! | [`failure`] | failed commands, and their exit statuses |

pub mod arguments;
mod assertion_key;
mod audit;
mod change;
pub mod commands;
pub mod completion;
pub mod confirm;
mod context;
mod doctor;
pub mod failure;
mod find;
mod import;
mod inspect;
mod key_list;
mod man;
mod new_file;
mod new_key;
mod node;
mod org;
mod origin;
pub mod output;
mod people;
mod progress;
mod rotate;
mod scan;
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
    let value = arguments.command.shown_value();
    let output = Output::new(arguments.output, value);
    if value.is_some() && output::is_closed() {
        let closed = failure::CliError::failed(
            "standard output is closed, so that the new value would be lost: nothing was changed. Send it to a program or a file"
                .to_owned(),
        );
        output.failure(&closed);
        return closed.status();
    }
    let outcome = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                outcome = commands::run(arguments, &output) => outcome,
                interrupted = output.interrupted() => Err(interrupted),
            }
        }),
        Err(error) => Err(failure::CliError::failed(format!("the program cannot start: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.status()
        }
    }
}

/// Shows the core's warnings; `DOORWARD_LOG` shows more.
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
