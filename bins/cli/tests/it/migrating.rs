//! `doorward store migrate`, on a store that an older program made.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};

use doorward_test_postgres::Cluster;
use serde_json::Value;

use crate::programs::{done, psql, refused, run, server_binary};
use crate::support::Server;

/// Takes the newest migration of a store back.
fn make_older(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    connection
        .execute_batch("ALTER TABLE secrets DROP COLUMN reported_at; ALTER TABLE secrets DROP COLUMN quarantined_at")
        .unwrap();
    connection.pragma_update(None, "user_version", version - 1).unwrap();
}

fn migrated(folder: &Path, store: &str, more: &[&str]) -> Value {
    let arguments = [&["--store", store, "--output", "json", "store", "migrate"], more].concat();
    serde_json::from_str(&done(folder, &arguments)).unwrap()
}

#[test]
fn no_other_command_migrates_and_a_backup_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, store) = (folder.path(), "sqlite:doorward.db");
    let (status, said) = refused(folder, &["store", "migrate"]);
    assert!(status == 5 && said.contains("there is no store"), "{said}");
    let key = done(folder, &["org", "create", "acme"]);
    assert_eq!(migrated(folder, store, &[])["migrations"], 0);

    make_older(&folder.join("doorward.db"));
    for arguments in
        [&["key", "list"][..], &["org", "create", "other"], &["audit", "verify"], &["operator", "create", "ada"]]
    {
        let (status, said) = refused(folder, arguments);
        assert!(status == 1 && said.contains("run `doorward store migrate`"), "{arguments:?}: {said}");
    }
    let (status, said) = refused(folder, &["doctor"]);
    assert_eq!(status, 1, "{said}");
    done(folder, &["store", "backup", "before.db"]);
    let planned = migrated(folder, store, &["--dry-run"]);
    assert_eq!((&planned["migrations"], &planned["dry_run"]), (&1.into(), &true.into()));
    assert_eq!(migrated(folder, store, &["--dry-run"]), planned);
    let taken = migrated(folder, store, &[]);
    assert_eq!((&taken["migrations"], &taken["needed"]), (&1.into(), &planned["needed"]));
    assert_eq!(migrated(folder, store, &[])["migrations"], 0);
    let inspected = programs_inspect(folder, &key);
    assert!(inspected.contains("in force"), "{inspected}");
    // The backup from before is a store of the older version.
    assert_eq!(migrated(folder, "sqlite:before.db", &["--dry-run"])["migrations"], 1);
}

fn programs_inspect(folder: &Path, key: &str) -> String {
    use std::io::Write;
    let mut command = crate::programs::command(folder, &["key", "inspect"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// Starts a server that must end by itself, and returns its exit status and last words.
fn fails_to_start(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(server_binary());
    command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]).args(arguments).current_dir(folder);
    let ended = command.env_remove("DOORWARD_STORE").stdin(Stdio::null()).output().unwrap();
    (ended.status.code().unwrap(), String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap())
}

#[test]
fn a_server_migrates_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    done(path, &["org", "create", "acme"]);
    make_older(&path.join("doorward.db"));
    let (status, said) = fails_to_start(path, &["--migrate", "never"]);
    assert!(status == 1 && said.contains("run `doorward store migrate`"), "{said}");
    // An embedded store has one server, which brings it up to date.
    let server = Server::start_at(&server_binary(), path, &["--store", "sqlite:doorward.db"]);
    assert_eq!(migrated(path, "sqlite:doorward.db", &["--dry-run"])["migrations"], 0);
    drop(server);
}

#[test]
fn a_server_on_postgres_migrates_only_if_it_is_alone() {
    let cluster = Cluster::start(&[]).unwrap();
    let url = cluster.url();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    done(path, &["--store", &url, "org", "create", "acme"]);
    let make_older = || {
        psql(&url, "ALTER TABLE secrets DROP COLUMN quarantined_at; UPDATE schema_steps SET done = done - 1");
    };
    make_older();
    let server = Server::on(&server_binary(), &url, 0);
    assert_eq!(migrated(path, &url, &["--dry-run"])["migrations"], 0);
    // The node of the release before goes on, and a new one waits for the migration.
    make_older();
    let planned = migrated(path, &url, &["--dry-run"]);
    assert_eq!((&planned["migrations"], planned["nodes"].as_array().map(Vec::len)), (&1.into(), Some(1)), "{planned}");
    let key = path.join("sealing-key");
    crate::support::write_secret(&key, &format!("{}=\n", "A".repeat(43)));
    let arguments = ["--store", &url, "--sealing-key-file", key.to_str().unwrap()];
    let (status, said) = fails_to_start(path, &[&arguments[..], &["--check"]].concat());
    assert!(status == 1 && said.contains("and nodes are registered"), "{said}");
    assert!(said.contains("sealing key:") && said.contains("lost changes:"), "{said}");
    let (status, said) = fails_to_start(path, &arguments);
    assert!(status == 1 && said.contains("run `doorward store migrate`"), "{said}");
    let taken = run(path, &["--store", &url, "store", "migrate"]);
    let said = String::from_utf8(taken.stderr).unwrap();
    assert!(taken.status.success() && said.contains("Took 1 migrations"), "{said}");
    let second = Server::on(&server_binary(), &url, 0);
    drop((server, second));
}
