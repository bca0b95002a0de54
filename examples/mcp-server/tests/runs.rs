//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn call(url: &str, headers: &[&str]) -> String {
    let message =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{"word":"Hello"}}}"#;
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--include", "--data", message, "--header", "Content-Type: application/json"]);
    curl.args(["--header", "Accept: application/json, text/event-stream", url]);
    curl.args(headers.iter().flat_map(|header| ["--header", header]));
    String::from_utf8(curl.output().unwrap().stdout).unwrap()
}

#[test]
fn a_tool_knows_who_calls() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("mcp.db");
    let mut example = Command::new(env!("CARGO_BIN_EXE_example-mcp-server"))
        .args([store.to_str().unwrap(), "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(example.stdout.take().unwrap()).lines().map_while(Result::ok);
    let key = lines.next().unwrap().split_once("one time: ").unwrap().1.to_owned();
    let url = lines.next().unwrap().split_once("on ").unwrap().1.to_owned();

    let bearer = format!("Authorization: Bearer {key}");
    let greeted = call(&url, &[&bearer]);
    assert!(greeted.contains("Hello my-service in production!"), "{greeted}");
    let refused = call(&url, &[]);
    assert!(refused.starts_with("HTTP/1.1 401") && !refused.contains("resource_metadata"), "{refused}");
    assert!(call(&url, &[&bearer, "Host: evil.example"]).starts_with("HTTP/1.1 403"));
    example.kill().unwrap();
    example.wait().unwrap();
}
