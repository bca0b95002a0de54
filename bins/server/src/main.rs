//! `doorward-server`: reads its configuration, serves, and exits with a status.

use std::process::ExitCode;

use doorward::store::StoreError;
use doorward_listen::Hangups;
use doorward_server::arguments::Arguments;
use doorward_server::config::Config;
use doorward_server::{Start, check, environment, logging, run};
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    // First: until the program listens for SIGHUP, that signal ends it.
    let (runtime, hangups) = match listen() {
        Ok(listening) => listening,
        Err(error) => return fail("the server cannot start", &error, 1),
    };
    let arguments = environment::arguments();
    if arguments.man {
        return match Arguments::manual(&mut std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail("the manual page cannot be written", &error.into(), 1),
        };
    }
    let config = match Config::new(arguments.clone()) {
        Ok(config) => config,
        Err(error) => return fail("the configuration cannot be used", &error, 2),
    };
    if arguments.check {
        return if runtime.block_on(check::run(&config)) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let run = || {
        let logging = logging::start(&config, &runtime)?;
        run(Start { arguments, config, hangups }, runtime, logging)
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("the server stopped", &error, status_of(&error)),
    }
}

/// Returns the exit status of a server that could not start or go on: 2 if a setting cannot work.
fn status_of(error: &anyhow::Error) -> u8 {
    if matches!(error.downcast_ref(), Some(StoreError::Settings(_))) { 2 } else { 1 }
}

fn listen() -> anyhow::Result<(Runtime, Hangups)> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let guard = runtime.enter();
    let hangups = Hangups::listen()?;
    drop(guard);
    Ok((runtime, hangups))
}

#[expect(clippy::print_stderr, reason = "the last word of a program, for the person who started it")]
fn fail(what: &str, error: &anyhow::Error, status: u8) -> ExitCode {
    eprintln!("doorward-server: {what}: {error:#}");
    ExitCode::from(status)
}
