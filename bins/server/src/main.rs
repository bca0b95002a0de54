//! `doorward-server`: reads its configuration, serves, and maps what came of it to an exit status.

use std::process::ExitCode;

use clap::Parser;
use doorward_server::config::{Arguments, Config};
use doorward_server::{logging, run};

fn main() -> ExitCode {
    let config = match Config::new(Arguments::parse()) {
        Ok(config) => config,
        Err(error) => return fail("the configuration cannot be used", &error, 2),
    };
    let run = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let logging = logging::start(&config, &runtime)?;
        run(config, runtime, logging)
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("the server stopped", &error, 1),
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a program, for whoever started it")]
fn fail(what: &str, error: &anyhow::Error, status: u8) -> ExitCode {
    eprintln!("doorward-server: {what}: {error:#}");
    ExitCode::from(status)
}
