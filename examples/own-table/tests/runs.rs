//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../axum/tests/support/mod.rs"]
mod support;

use std::process::Command;

fn curl(key: &str, arguments: &[&str]) -> String {
    let header = format!("Authorization: Bearer {key}");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--write-out", " %{http_code}", "--header", &header]).args(arguments);
    String::from_utf8(curl.output().unwrap().stdout).unwrap()
}

#[test]
fn a_note_of_one_environment_does_not_exist_in_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("keys.db");
    let (example, mut lines) = support::start(env!("CARGO_BIN_EXE_example-own-table"), &store, "127.0.0.1:0");
    let mut after = |mark: &str| support::after(&mut lines, mark);
    let (production, test, url) = (after("one time: "), after("one time: "), after("on "));

    let notes = format!("{url}/notes");
    let note = format!("{notes}/1");
    assert_eq!(curl(&production, &[&notes, "--data", "for production"]), "1 200");
    assert_eq!(curl(&production, &[&note]), r#"{"id":1,"text":"for production"} 200"#);
    assert_eq!(curl(&test, &[&note]), " 404");
    assert_eq!(curl(&test, &[&format!("{notes}/2")]), " 404");
    assert!(curl("nonsense", &[&note]).ends_with(" 401"));
    support::ends(example, &store);
}
