//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn curl(key: &str, arguments: &[&str]) -> String {
    let header = format!("Authorization: Bearer {key}");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--write-out", " %{http_code}", "--header", &header]).args(arguments);
    String::from_utf8(curl.output().unwrap().stdout).unwrap()
}

#[test]
fn what_one_environment_wrote_does_not_exist_for_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("keys.db");
    let mut example = Command::new(env!("CARGO_BIN_EXE_example-own-table"))
        .args([store.to_str().unwrap(), "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(example.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut after = |mark: &str| lines.next().unwrap().split_once(mark).unwrap().1.to_owned();
    let (production, test, url) = (after("one time: "), after("one time: "), after("on "));

    let notes = format!("{url}/notes");
    let note = format!("{notes}/1");
    assert_eq!(curl(&production, &[&notes, "--data", "for production"]), "1 200");
    assert_eq!(curl(&production, &[&note]), r#"{"id":1,"text":"for production"} 200"#);
    assert_eq!(curl(&test, &[&note]), " 404");
    assert_eq!(curl(&test, &[&format!("{notes}/2")]), " 404");
    assert!(curl("nonsense", &[&note]).ends_with(" 401"));
    example.kill().unwrap();
    example.wait().unwrap();
}
