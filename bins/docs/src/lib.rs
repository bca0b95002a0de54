//! The documentation as tests see it. `cargo xtask test` runs what the pages print, and follows their links.
//!
//! | block | what happens to it |
//! |---|---|
//! | `console` | each line that begins with `$ ` runs, in one bash for the whole page, in an empty folder; the lines below it are what it must print, with `…` for anything within a line, and a line `…` for any lines |
//! | `console server` | its one command starts in the background, and stops at the end of the page |
//! | `python`, `js`, `go` | runs as a program, with the variables that the commands above it have exported |
//! | `rust` | is a doctest of this crate |
//! | `toml` | the server reads it as its configuration; with a table of Cargo's, it must be TOML |
//! | `json`, `yaml` | must be JSON, YAML |
//! | `text` | nothing |
//!
//! A line `<!-- not run: REASON -->` above a block leaves the block out.

pub mod page;

#[cfg(doctest)]
include!(concat!(env!("OUT_DIR"), "/doctests.rs"));
