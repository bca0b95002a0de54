//! `doorward-server`: reads its configuration, serves, and maps what came of it to an exit status.

use std::process::ExitCode;

use doorward_server::config::Config;
use doorward_server::reload::Hangups;
use doorward_server::{Start, environment, logging, run};
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    // First of all: before somebody listens for it, SIGHUP ends a process.
    let (runtime, hangups) = match listen() {
        Ok(listening) => listening,
        Err(error) => return fail("the server cannot start", &error, 1),
    };
    let arguments = environment::arguments();
    let config = match Config::new(arguments.clone()) {
        Ok(config) => config,
        Err(error) => return fail("the configuration cannot be used", &error, 2),
    };
    let run = || {
        let logging = logging::start(&config.log, config.log_format, config.otlp_endpoint(), &runtime)?;
        run(Start { arguments, config, hangups }, runtime, logging)
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("the server stopped", &error, 1),
    }
}

fn listen() -> anyhow::Result<(Runtime, Hangups)> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let guard = runtime.enter();
    let hangups = Hangups::listen()?;
    drop(guard);
    Ok((runtime, hangups))
}

#[expect(clippy::print_stderr, reason = "the last word of a program, for whoever started it")]
fn fail(what: &str, error: &anyhow::Error, status: u8) -> ExitCode {
    eprintln!("doorward-server: {what}: {error:#}");
    ExitCode::from(status)
}
