//! `doorward`: parses the arguments, runs the command, and exits with its status.

use std::process::ExitCode;

use doorward_cli::{Arguments, run};

fn main() -> ExitCode {
    run(Arguments::read())
}
