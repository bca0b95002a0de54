//! The programs, started like a user starts them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Returns the path of the server beside the command line; `cargo xtask test` builds both.
pub(crate) fn server_binary() -> PathBuf {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_doorward")).with_file_name("doorward-server");
    assert!(binary.exists(), "build it first: cargo build --bins");
    binary
}

/// Returns the command line in a folder, without the environment variables of the tests' user.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(arguments).current_dir(folder).env_remove("DOORWARD_STORE").stdin(Stdio::null());
    command
}

/// Runs SQL on the tables of a store in PostgreSQL.
pub(crate) fn psql(url: &str, sql: &str) {
    let psql = doorward_test_postgres::programs().unwrap().join("psql");
    let mut psql = Command::new(psql);
    let psql = psql.env("PGOPTIONS", "-csearch_path=doorward");
    let done = psql.args(["-v", "ON_ERROR_STOP=1", "-q", "-c", sql, url]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Runs the command line to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Returns the standard output of a command that must succeed.
pub(crate) fn done(folder: &Path, arguments: &[&str]) -> String {
    let done = run(folder, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// Returns the JSON document of a command that must succeed.
pub(crate) fn json(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&done(folder, &[&["--output", "json"], arguments].concat())).unwrap()
}

/// Returns the exit status and the message of a command that must fail.
pub(crate) fn refused(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let done = run(folder, arguments);
    (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
}
