//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn curl(url: &str, authorization: Option<&str>) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--write-out", "%{http_code}", url]);
    if let Some(key) = authorization {
        curl.args(["--header", &format!("Authorization: Bearer {key}")]);
    }
    String::from_utf8(curl.output().unwrap().stdout).unwrap()
}

#[test]
fn it_greets_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("axum.db");
    let mut example = Command::new(env!("CARGO_BIN_EXE_example-axum"))
        .args([store.to_str().unwrap(), "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(example.stdout.take().unwrap()).lines().map_while(Result::ok);
    let key = lines.next().unwrap().split_once("one time: ").unwrap().1.to_owned();
    let url = lines.next().unwrap().split_once("on ").unwrap().1.to_owned();

    assert_eq!(curl(&url, Some(&key)), "Hello my-service in production!\n200");
    assert_eq!(curl(&format!("{url}/billing"), Some(&key)), "Hello my-service in production!\n200");
    assert_eq!(curl(&format!("{url}/public"), Some(&key)), "Hello my-service!\n200");
    assert_eq!(curl(&format!("{url}/public"), None), "Hello!\n200");
    for (path, key) in [("", None), ("/billing", None), ("/public", Some("nonsense"))] {
        assert!(curl(&format!("{url}{path}"), key).ends_with("401"), "{path}");
    }
    example.kill().unwrap();
    example.wait().unwrap();
}
