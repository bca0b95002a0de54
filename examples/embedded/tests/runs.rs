//! The example runs as its first lines say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../axum/tests/support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

fn ask(address: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_greets_the_owner_of_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("embedded.db");
    let (example, mut lines) = support::start(env!("CARGO_BIN_EXE_embedded"), &store, "127.0.0.1:0");
    let (key, address) = (support::after(&mut lines, "one time: "), support::after(&mut lines, "http://"));

    let greeted = ask(&address, &format!("Authorization: Bearer {key}\r\n"));
    assert!(greeted.ends_with("Hello my-service in production!\n"), "{greeted}");
    let refused = ask(&address, "");
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("missing_credential"), "{refused}");
    support::ends(example, &store);
}
