//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::Command;

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
    let (example, mut lines) = support::start(env!("CARGO_BIN_EXE_example-axum"), &store, "127.0.0.1:0");
    let key = support::after(&mut lines, "one time: ");
    let url = support::after(&mut lines, "on ");

    assert_eq!(curl(&url, Some(&key)), "Hello my-service in production!\n200");
    assert_eq!(curl(&format!("{url}/billing"), Some(&key)), "Hello my-service in production!\n200");
    assert_eq!(curl(&format!("{url}/public"), Some(&key)), "Hello my-service!\n200");
    assert_eq!(curl(&format!("{url}/public"), None), "Hello!\n200");
    for (path, key) in [("", None), ("/billing", None), ("/public", Some("nonsense"))] {
        assert!(curl(&format!("{url}{path}"), key).ends_with("401"), "{path}");
    }
    support::ends(example, &store);
}
