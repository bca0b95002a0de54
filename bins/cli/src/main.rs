//! `doorward`: parses the arguments, runs the command, and exits with its status.

use std::process::ExitCode;

use doorward_cli::{Arguments, completion, run};

fn main() -> ExitCode {
    completion::answer();
    run(Arguments::read())
}
