//! Tests of the documentation, in one program.

/// Prints a line that the harness does not keep back: people see how much ran.
macro_rules! say {
    ($($said:tt)*) => {
        drop(std::io::Write::write_all(&mut std::io::stderr(), format!("{}\n", format_args!($($said)*)).as_bytes()))
    };
}

mod documented;
mod form;
mod links;
mod monitoring;
mod parser;
mod reference;
mod session;
