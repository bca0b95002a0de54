//! `doorward-server --check`: it says what a start would meet, and changes nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{self, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_doorward-server");

/// Returns the exit status and the lines.
fn check(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(BINARY);
    command.args(["--check", "--listen", "127.0.0.1:0"]).args(arguments).current_dir(folder);
    let done = command.env_remove("DOORWARD_STORE").stdin(Stdio::null()).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn an_empty_folder_is_fine_and_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    let (status, said) = check(folder.path(), &[]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("the first start makes it"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_running_server_and_its_files_are_checked() {
    let server = Server::start(Path::new(BINARY));
    let folder = server.folder.path();
    let (certificate, key) = support::certificate(folder, "localhost");
    let tls = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let (status, said) = check(folder, &[&tls[..], &["--metrics-listen", &server.metrics.to_string()]].concat());
    assert_eq!(status, 0, "{said}");
    for line in
        ["ok      store: sqlite:doorward.db, of version", "ok      sealing key", "ok      certificate: it ends at"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(said.contains("is in use: by the running server"), "{said}");
}

#[test]
fn what_would_end_a_start_is_told_before() {
    let server = Server::start(Path::new(BINARY));
    let folder = server.folder.path();
    std::fs::write(folder.join("no.pem"), "nothing").unwrap();
    let other = folder.join("other-key");
    support::write_secret(&other, &format!("{}=\n", "B".repeat(43)));
    let other = other.to_str().unwrap();
    for (arguments, line) in [
        (&["--tls-cert", "no.pem", "--tls-key", "no.pem"][..], "FAILED  certificate"),
        (&["--sealing-key-file", other], "FAILED  sealing key"),
        (&["--signing-key-file", "missing"], "FAILED  signing key"),
        (&["--store", "sqlite:no.pem"], "FAILED  store"),
        (&["--store", "postgres://127.0.0.1:1/keys?connect_timeout=1"], "FAILED  store"),
    ] {
        let (status, said) = check(folder, arguments);
        assert!(status == 1 && said.contains(line), "{arguments:?}: {status} {said}");
    }
    std::fs::write(folder.join("two.toml"), "[[sinks]]\nname = \"a\"\nstdout = true\n".repeat(2)).unwrap();
    std::fs::write(folder.join("hook.toml"), "[[sinks]]\nname = \"a\"\nwebhook = \"https://a.example\"\n").unwrap();
    std::fs::write(folder.join("file.toml"), "[[sinks]]\nname = \"a\"\nfile = \"nowhere/a.jsonl\"\n").unwrap();
    for (arguments, line) in [
        (&["--store", "sqlite:nowhere/keys.db"][..], "FAILED  store: there is no folder nowhere"),
        (&["--store", "sqlite:none.db?mode=rw"], "FAILED  store: there is none"),
        (&["--store", "sqlite:new.db", "--sealing-key-file", "no.pem"], "FAILED  sealing key"),
        (&["--config", "two.toml"], "FAILED  sinks: two sinks are called `a`"),
        (&["--config", "hook.toml"], "FAILED  sinks: the sink `a` cannot be used: a webhook needs `secret_file`"),
        (&["--config", "file.toml"], "FAILED  sinks: the sink `a` cannot be used: there is no folder nowhere"),
    ] {
        let (status, said) = check(folder, arguments);
        assert!(status == 1 && said.contains(line), "{arguments:?}: {status} {said}");
    }
    let (status, said) = check(folder, &["--public-url", "keys"]);
    assert!(status == 2 && said.contains("it has no scheme"), "{said}");
    drop(server);
}
