//! On a terminal, a command that kills a production key asks for the organization's name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::{Expect, Session};

fn doorward(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(arguments).current_dir(folder).env_remove("DOORWARD_STORE");
    command
}

/// Runs a command on a terminal, answers its question, and returns its exit status.
fn answer(folder: &Path, arguments: &[&str], question: &str, answer: &str) -> i32 {
    let mut terminal = Session::spawn(doorward(folder, arguments)).unwrap();
    terminal.set_expect_timeout(Some(Duration::from_secs(600)));
    terminal.expect(question).unwrap();
    terminal.send_line(answer).unwrap();
    let _ = terminal.expect(expectrl::Eof);
    match terminal.get_process().wait().unwrap() {
        WaitStatus::Exited(_, status) => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn killing_a_production_key_needs_the_organizations_name() {
    let folder = tempfile::tempdir().unwrap();
    let made = doorward(folder.path(), &["org", "create", "Acme"]).output().unwrap();
    let key = String::from_utf8(made.stdout).unwrap();
    let is_known = || {
        let inspect = "\"$0\" --output json key inspect <<< \"$1\"";
        let told = Command::new("bash")
            .args(["-c", inspect, env!("CARGO_BIN_EXE_doorward"), key.trim()])
            .current_dir(folder.path())
            .output()
            .unwrap();
        String::from_utf8(told.stdout).unwrap().contains("\"known\": true")
    };
    for wrong in ["", "y", "yes", "acme", "Acme Inc"] {
        assert_eq!(answer(folder.path(), &["key", "regenerate"], "Type Acme to continue", wrong), 3, "{wrong}");
        assert!(is_known());
    }
    assert_eq!(answer(folder.path(), &["key", "regenerate"], "Type Acme to continue", "Acme"), 0);
    assert!(!is_known());
}

#[test]
fn killing_a_test_key_needs_a_yes() {
    let folder = tempfile::tempdir().unwrap();
    doorward(folder.path(), &["org", "create", "Acme"]).output().unwrap();
    let made = doorward(folder.path(), &["--output", "json", "key", "create", "--name", "ci"]).output().unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let id = made.get("id").unwrap().as_str().unwrap();
    // Another key's use says nothing of this one.
    let connection = rusqlite::Connection::open(folder.path().join("doorward.db")).unwrap();
    let used = "INSERT INTO last_uses SELECT locator, 1700000000000 FROM secrets WHERE environment = 'production'";
    assert_eq!(connection.execute(used, []).unwrap(), 1);
    drop(connection);
    assert_eq!(answer(folder.path(), &["key", "delete", id], "was never used", "n"), 3);
    assert_eq!(answer(folder.path(), &["key", "delete", id], "[y/N]", "n"), 3);
    assert_eq!(answer(folder.path(), &["key", "delete", id], "[y/N]", "y"), 0);
    let gone = doorward(folder.path(), &["key", "delete", id]).output().unwrap();
    assert_eq!(gone.status.code(), Some(5));
}
