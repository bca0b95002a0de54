//! Values that are shown once: their form on standard output, and an interruption while the command waits for a server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Output, Stdio};

use doorward_types::{IdSeed, SessionId, Timestamp};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};

use crate::programs::{command, done, run};

/// The length of the value of a test key with the usual prefix.
const TEST_KEY: usize = 55;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["org", "create", "Acme"]);
    folder
}

/// Adds a server that has hung: every change waits until its lease has ended.
fn add_a_hung_server(folder: &Path) {
    let session = SessionId::new(IdSeed::new(Timestamp::from_millis(1), [7; 10])).to_string();
    let store = Connection::open(folder.join("doorward.db")).unwrap();
    store.execute("INSERT INTO sessions (id, lease_ms) VALUES (?1, 10000)", [&session]).unwrap();
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    command(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: Child) -> Output {
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    child.wait_with_output().unwrap()
}

/// Returns the names of the test keys.
fn keys(folder: &Path) -> Vec<String> {
    let store = Connection::open(folder.join("doorward.db")).unwrap();
    let mut keys = store.prepare("SELECT name FROM access_keys WHERE environment = 'test' ORDER BY name").unwrap();
    keys.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_value_has_no_line_feed_off_a_terminal() {
    let folder = folder();
    let folder = folder.path();
    let shown = |arguments: &[&str]| String::from_utf8(run(folder, arguments).stdout).unwrap();
    let value = shown(&["key", "create", "--name", "ci"]);
    assert_eq!((value.len(), value.trim().len(), &value[..8]), (TEST_KEY, TEST_KEY, "dw_test_"));
    assert_eq!(shown(&["key", "stage"]).lines().count(), 1);
    let line = shown(&["key", "create", "--name", "env", "--format", "env"]);
    assert_eq!(line.strip_prefix("DOORWARD_ACCESS_KEY=").map(str::len), Some(TEST_KEY + 1), "{line}");
    assert!(line.ends_with('\n'));
    let document = shown(&["key", "create", "--name", "json", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document.pointer("/value").and_then(|value| value.as_str()).map(str::len), Some(TEST_KEY));
    let token = shown(&["operator", "create", "ada", "--format", "env"]);
    assert!(token.starts_with("DOORWARD_OPERATOR_TOKEN=dwo_"), "{token}");
}

#[test]
fn an_interrupted_wait_keeps_the_value_and_says_what_was_done() {
    let folder = folder();
    let folder = folder.path();
    add_a_hung_server(folder);
    let mut child = start(folder, &["key", "create", "--name", "ci"]);
    let mut value = [0; TEST_KEY];
    child.stdout.as_mut().unwrap().read_exact(&mut value).unwrap();
    let ended = interrupt(child);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("was made and stays"), "{said}");
    assert_eq!(keys(folder), ["ci"]);
}

#[test]
fn an_interrupted_document_says_that_its_value_is_lost() {
    let folder = folder();
    let folder = folder.path();
    add_a_hung_server(folder);
    let child = start(folder, &["key", "create", "--name", "ci", "--format", "json"]);
    while keys(folder).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // The program hears of its commit a moment after the commit.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let ended = interrupt(child);
    let said = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("may have been made") || said.contains("was not written and is lost"), "{said}");
}

#[test]
fn a_value_that_nobody_reads_is_called_lost_and_a_list_ends_quietly() {
    let folder = folder();
    let folder = folder.path();
    let unread = |arguments: &[&str]| {
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        command(folder, arguments).stdout(write).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
    };
    let list = unread(&["key", "list"]);
    assert_eq!((list.status.code(), String::from_utf8(list.stderr).unwrap()), (Some(0), String::new()));
    for arguments in [&["key", "create", "--name", "ci"][..], &["key", "create", "--name", "json", "--format", "json"]]
    {
        let lost = unread(arguments);
        let said = String::from_utf8(lost.stderr).unwrap();
        assert_eq!(lost.status.code(), Some(1), "{said}");
        assert!(said.contains("its new value is lost: delete the key"), "{said}");
    }
    assert_eq!(keys(folder), ["ci", "json"]);
    done(folder, &["operator", "create", "grace"]);
    for arguments in [&["operator", "create", "ada"][..], &["operator", "login-link", "grace"], &["audit", "keygen"]] {
        let lost = unread(arguments);
        let said = String::from_utf8(lost.stderr).unwrap();
        assert_eq!((lost.status.code(), said.contains("the output is lost")), (Some(1), true), "{arguments:?}: {said}");
    }
}

/// Runs the command line with this redirection. Returns its exit status, and what it said on standard error.
fn redirected(folder: &Path, to: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("exec \"$0\" \"$@\" {to}"), env!("CARGO_BIN_EXE_doorward")]).args(arguments);
    let ended = shell.current_dir(folder).env_remove("DOORWARD_STORE").stdin(Stdio::null()).output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn without_standard_output_no_value_is_made() {
    let folder = folder();
    let folder = folder.path();
    for arguments in [
        &["org", "create", "Beta"][..],
        &["key", "create", "--name", "ci"],
        &["key", "create", "--name", "ci", "--format", "json"],
        &["key", "stage"],
        &["key", "regenerate", "--yes"],
        &["operator", "create", "ada"],
        &["operator", "login-link", "ada"],
    ] {
        let (status, said) = redirected(folder, ">&-", arguments);
        assert_eq!((status, said.contains("nothing was changed")), (Some(1), true), "{arguments:?}: {said}");
    }
    let events = done(folder, &["--output", "json", "audit", "list", "--environment", "production"]);
    let events: serde_json::Value = serde_json::from_str(&events).unwrap();
    assert_eq!(events.pointer("/data").and_then(|data| data.as_array()).map(Vec::len), Some(2), "{events}");
    // A person who throws a value away by hand wants that.
    assert_eq!(redirected(folder, "> /dev/null", &["key", "create", "--name", "ci"]).0, Some(0));
}

#[test]
fn a_lost_staged_key_is_not_to_be_rolled_out() {
    let folder = folder();
    let folder = folder.path();
    let (status, said) = redirected(folder, "> /dev/full", &["key", "stage"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("`doorward key unstage`") && !said.contains("roll this one out"), "{said}");
    let (status, said) = redirected(folder, "> /dev/full", &["key", "new"]);
    assert_eq!((status, said.contains("make another with `doorward key new`")), (Some(1), true), "{said}");
    done(folder, &["key", "unstage", "--yes"]);
    let (status, said) = redirected(folder, "> /dev/full", &["key", "stage", "--format", "json"]);
    assert_eq!((status, said.contains("`doorward key unstage`")), (Some(1), true), "{said}");
}
