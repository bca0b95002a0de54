//! The example runs as its first lines say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

fn ask(address: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_greets_whoever_has_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut example = Command::new(env!("CARGO_BIN_EXE_embedded"))
        .args([folder.path().join("embedded.db").to_str().unwrap(), "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(example.stdout.take().unwrap()).lines().map_while(Result::ok);
    let after = |line: Option<String>, mark: &str| line.unwrap().split_once(mark).unwrap().1.to_owned();
    let key = after(lines.next(), "one time: ");
    let address = after(lines.next(), "http://");

    let greeted = ask(&address, &format!("Authorization: Bearer {key}\r\n"));
    assert!(greeted.ends_with("Hello my-service in production!\n"), "{greeted}");
    let refused = ask(&address, "");
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("missing_credential"), "{refused}");
    example.kill().unwrap();
    example.wait().unwrap();
}
