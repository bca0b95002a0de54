//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

const EXAMPLE: &str = env!("CARGO_BIN_EXE_example-grpc");

fn call(url: &str, key: &str) -> Output {
    Command::new(EXAMPLE).args(["call", url]).env("DOORWARD_KEY", key).output().unwrap()
}

#[test]
fn it_greets_whoever_has_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("grpc.db");
    let mut example =
        Command::new(EXAMPLE).args([store.to_str().unwrap(), "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(example.stdout.take().unwrap()).lines().map_while(Result::ok);
    let key = lines.next().unwrap().split_once("one time: ").unwrap().1.to_owned();
    let url = lines.next().unwrap().split_once("on ").unwrap().1.to_owned();

    assert_eq!(String::from_utf8(call(&url, &key).stdout).unwrap(), "Hello my-service in production!\n");
    let refused = String::from_utf8(call(&url, "nonsense").stderr).unwrap();
    assert!(refused.to_lowercase().contains("unauthenticated"), "{refused}");
    example.kill().unwrap();
    example.wait().unwrap();
}
