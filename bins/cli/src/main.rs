//! `doorward`: parses, runs, and maps what came of it to an exit status.

use std::process::ExitCode;

use doorward_cli::{Arguments, run};

fn main() -> ExitCode {
    run(Arguments::read())
}
