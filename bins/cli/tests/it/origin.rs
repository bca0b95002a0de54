//! `doorward origin`: added, explained, removed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Output;

use serde_json::{Value, json};

use crate::programs::run;

fn said(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_origin_is_added_explained_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(run(folder, &["org", "create", "Acme"]).status.success());

    let (status, text) = said(&run(folder, &["origin", "check", "https://app.example.com/callback"]));
    assert_eq!(status, 1);
    assert!(text.contains("the entry that allows it is `app.example.com`"), "{text}");
    let (status, text) = said(&run(folder, &["origin", "add", "https://app.example.com/callback"]));
    assert_eq!(status, 2);
    assert!(text.contains("did you mean `app.example.com`?"), "{text}");

    let (status, text) = said(&run(folder, &["origin", "add", "app.example.com"]));
    assert!(status == 0 && text.contains("Callbacks of Acme may go to https://app.example.com."), "{text}");
    let (status, text) = said(&run(folder, &["origin", "add", "app.example.com:443"]));
    assert!(status == 0 && text.contains("is on the list of Acme already"), "{text}");
    let (status, text) = said(&run(folder, &["origin", "check", "https://app.example.com/callback"]));
    assert!(status == 0 && text.starts_with("Yes:"), "{text}");
    let (status, text) = said(&run(folder, &["origin", "check", "http://app.example.com/callback"]));
    assert!(status == 1 && text.contains("has another scheme"), "{text}");
    let refused = run(folder, &["--output", "json", "origin", "check", "https://evil.example/"]);
    let document: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((&document["allowed"], &document["origin"]), (&json!(false), &json!("https://evil.example")));

    assert_eq!(said(&run(folder, &["origin", "add", "com.example.app://callback"])).0, 2);
    assert_eq!(said(&run(folder, &["origin", "add", "--allow-custom-scheme", "com.example.app://callback"])).0, 0);
    let list = run(folder, &["--output", "json", "origin", "list"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    let origins: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|entry| entry["origin"].as_str().unwrap()).collect();
    assert_eq!(origins, ["https://app.example.com", "com.example.app://callback"]);

    assert_eq!(said(&run(folder, &["origin", "remove", "localhost:3000", "--yes"])).0, 5);
    assert_eq!(said(&run(folder, &["origin", "remove", "app.example.com"])).0, 3);
    assert_eq!(said(&run(folder, &["origin", "remove", "app.example.com", "--yes"])).0, 0);
    assert_eq!(said(&run(folder, &["origin", "check", "https://app.example.com/callback"])).0, 1);
    assert!(run(folder, &["audit", "verify"]).status.success());
    let log = run(folder, &["audit", "list"]);
    assert!(String::from_utf8_lossy(&log.stdout).contains("allowed_origin.removed"));
}
