//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../axum/tests/support/mod.rs"]
mod support;

use std::process::Command;

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
fn a_tool_knows_its_caller() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("mcp.db");
    let (example, mut lines) = support::start(env!("CARGO_BIN_EXE_example-mcp-server"), &store, "127.0.0.1:0");
    let key = support::after(&mut lines, "one time: ");
    let url = support::after(&mut lines, "on ");

    let bearer = format!("Authorization: Bearer {key}");
    let greeted = call(&url, &[&bearer]);
    assert!(greeted.contains("Hello my-service in production!"), "{greeted}");
    let refused = call(&url, &[]);
    assert!(refused.starts_with("HTTP/1.1 401") && !refused.contains("resource_metadata"), "{refused}");
    assert!(call(&url, &[&bearer, "Host: evil.example"]).starts_with("HTTP/1.1 403"));
    support::ends(example, &store);
}
