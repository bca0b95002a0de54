//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../axum/tests/support/mod.rs"]
mod support;

use std::process::{Command, Output};

const EXAMPLE: &str = env!("CARGO_BIN_EXE_example-grpc");

fn call(url: &str, key: &str) -> Output {
    Command::new(EXAMPLE).args(["call", url]).env("DOORWARD_KEY", key).output().unwrap()
}

#[test]
fn it_greets_the_owner_of_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("grpc.db");
    let (example, mut lines) = support::start(EXAMPLE, &store, "127.0.0.1:0");
    let key = support::after(&mut lines, "one time: ");
    let url = support::after(&mut lines, "on ");

    assert_eq!(String::from_utf8(call(&url, &key).stdout).unwrap(), "Hello my-service in production!\n");
    let refused = String::from_utf8(call(&url, "nonsense").stderr).unwrap();
    assert!(refused.to_lowercase().contains("unauthenticated"), "{refused}");
    support::ends(example, &store);
}
