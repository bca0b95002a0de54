//! `doorward store copy` with real stores and servers: keys and data keep working on the other engine, an interrupted copy
//! continues, and an untrustworthy copy is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use doorward::key::KeyPrefix;
use doorward::sqlite::SqliteStore;
use doorward::store::copy::{Cell, Rows};
use doorward::store::{OpenMode, Revision};
use doorward::types::Incarnation;
use doorward_test_postgres::Cluster;
use serde_json::Value;

use crate::programs::{command, done, refused, server_binary};
use crate::support::Server;

/// Everything that people see of a store.
fn view(folder: &Path, store: &str) -> Vec<String> {
    let list = |arguments: &[&str]| done(folder, &[&["--store", store, "--output", "json"], arguments].concat());
    vec![
        list(&["org", "list"]),
        list(&["key", "list", "--org", "default"]),
        list(&["audit", "list", "--org", "default"]),
        list(&["audit", "list", "--org", "default", "--environment", "test"]),
        list(&["audit", "list", "--installation"]),
        list(&["operator", "list"]),
    ]
}

#[test]
fn a_store_moves_to_postgres_and_back_and_its_keys_keep_working() {
    let server = Server::start_quiet(&server_binary(), tempfile::tempdir().unwrap());
    let folder = server.folder.path().to_owned();
    let old = server.production_key.clone();
    let test = done(&folder, &["key", "create", "--name", "ci"]);
    let staged = done(&folder, &["key", "stage"]);
    done(&folder, &["operator", "create", "ada"]);
    done(&folder, &["org", "create", "Zweite \"GmbH\", =1+1; 東京"]);
    let mut users = Vec::new();
    for key in [&old, &test] {
        let made = server.call(key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u-1"}"#));
        users.push(made.text("/id"));
        let path = format!("/v1/registered-users/{}/credentials/github", users.last().unwrap());
        assert_eq!(server.call(key, "PUT", &path, Some(r#"{"secret":"hunter2"}"#)).status, 204);
    }
    done(&folder, &["key", "regenerate", "--org", "default", "--yes"]);
    // Uses are written when the server stops.
    let (_, kept) = server.stop();
    let sealing_key = folder.join("doorward.db.sealing-key");

    let cluster = Cluster::start(&[]).unwrap();
    let url = cluster.url();
    let copied = done(&folder, &["--output", "json", "store", "copy", "--from", "sqlite:doorward.db", "--to", &url]);
    let copied: Value = serde_json::from_str(&copied).unwrap();
    assert_eq!(copied["to"], url.split_once('?').unwrap().0, "{copied}");
    assert!(copied["rows"].as_u64().unwrap() > 10, "{copied}");
    assert_eq!(view(&folder, &url), view(&folder, "sqlite:doorward.db"));
    assert!(view(&folder, &url)[1].contains(r#""last_used_at": "2"#), "{}", view(&folder, &url)[1]);

    let server = Server::on_with(&server_binary(), &url, &sealing_key);
    for (key, status) in [(&old, 401), (&staged, 200), (&test, 200)] {
        assert_eq!(server.call(key, "GET", "/v1/whoami", None).status, status);
    }
    for (key, user) in [(&staged, &users[0]), (&test, &users[1])] {
        let path = format!("/v1/registered-users/{user}");
        assert_eq!(server.call(key, "GET", &path, None).status, 200);
        assert_eq!(server.call(key, "GET", &format!("{path}/credentials/github"), None).status, 200);
        let other = users.iter().find(|other| *other != user).unwrap();
        assert_eq!(server.call(key, "GET", &format!("/v1/registered-users/{other}"), None).status, 404);
    }
    // The copy continues from the revision of the source.
    let fresh = done(&folder, &["--store", &url, "key", "regenerate", "--org", "default", "--yes"]);
    assert_eq!(server.call(&staged, "GET", "/v1/whoami", None).status, 401);
    assert_eq!(server.call(&fresh, "GET", "/v1/whoami", None).status, 200);
    drop(server);

    done(&folder, &["store", "copy", "--from", &url, "--to", "sqlite:back.db"]);
    assert_eq!(view(&folder, "sqlite:back.db"), view(&folder, &url));
    drop(kept);
}

/// Creates a store with an organization and many test keys.
fn make_large(path: &Path, keys: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(path, OpenMode::Create).await.unwrap();
        store.begin_copy("nowhere").await.unwrap();
        let text = |text: &str| Cell::Text(text.to_owned());
        let organization = text("org_01h455vb4pex5vsknk084sn02q");
        let crockford = |number: u32| format!("{number:025}0");
        let (mut access_keys, mut secrets) = (Vec::new(), Vec::new());
        for number in 0..keys {
            let id = text(&format!("key_{}", crockford(number)));
            let environment = text(if number == 0 { "production" } else { "test" });
            let slot = if number == 0 { environment.clone() } else { id.clone() };
            let (one, time) = (Cell::Number(1), Cell::Number(1_700_000_000_000));
            access_keys.push(vec![
                organization.clone(),
                environment.clone(),
                id.clone(),
                text("a key"),
                time.clone(),
                text("ada"),
                slot,
                one.clone(),
                Cell::Null,
            ]);
            let (locator, digest) = (text(&format!("{number:010}")), Cell::Bytes(vec![7; 32]));
            let current = text("current");
            let (no_format, no_marks) = (Cell::Null, [Cell::Null, Cell::Null]);
            let row = vec![organization.clone(), environment, id, current, locator, digest, one, time, no_format];
            secrets.push(row.into_iter().chain(no_marks).collect());
        }
        let rows = [
            vec![vec![organization, text("Acme"), Cell::Number(1), Cell::Null, text("active"), Cell::Null]],
            access_keys,
            secrets,
        ];
        for (table, rows) in store.tables().iter().zip(rows) {
            store.add_rows(table, rows, String::new()).await.unwrap();
        }
        store.finish_copy(Revision(7), Some(&KeyPrefix::default()), Incarnation::FIRST).await.unwrap();
    });
}

#[test]
fn a_killed_copy_continues_and_is_unusable_until_complete() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let keys = 10_000;
    make_large(&folder.join("large.db"), keys);
    let cluster = Cluster::start(&[]).unwrap();
    for target in [cluster.url(), "sqlite:small.db".to_owned()] {
        let copy = ["store", "copy", "--from", "sqlite:large.db", "--to", &target];
        let (mut kills, mut patience, mut whole) = (0, Duration::from_millis(100), false);
        while !whole {
            let mut child = command(folder, &copy).stderr(Stdio::null()).spawn().unwrap();
            // A little longer each time, so that the copy finishes in the end.
            std::thread::sleep(patience);
            patience = patience * 5 / 4;
            whole = child.try_wait().unwrap().is_some_and(|status| status.success());
            if !whole {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                let (status, said) = refused(folder, &["--store", &target, "key", "create", "--name", "early"]);
                // The copy may have ended just before the kill.
                assert!(status == 0 || status == 5 || said.contains("unfinished"), "{said}");
                if status == 0 {
                    break;
                }
            }
        }
        assert!(kills > 0, "the copy ended before it could be interrupted");
        let list = done(folder, &["--store", &target, "--output", "json", "key", "list"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        let count = list["data"].as_array().unwrap().len();
        assert!(count == keys as usize || count == keys as usize + 1, "{count} keys after {kills} kills");
    }
}

/// A program that does not know quarantines would accept the key from the copy.
#[test]
fn a_key_in_quarantine_stays_there_and_excludes_older_programs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["org", "create", "Acme"]);
    let connection = rusqlite::Connection::open(folder.join("doorward.db")).unwrap();
    connection.execute("UPDATE secrets SET reported_at = 1, quarantined_at = 2", []).unwrap();
    drop(connection);
    let cluster = Cluster::start(&[]).unwrap();
    for target in ["sqlite:copy.db".to_owned(), cluster.url()] {
        done(folder, &["store", "copy", "--from", "sqlite:doorward.db", "--to", &target]);
        let list = done(folder, &["--store", &target, "--output", "json", "key", "list"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        let secret = list.pointer("/data/0/secrets/0").unwrap();
        assert!(secret["reported_at"].is_string() && secret["quarantined_at"].is_string(), "{secret}");
        assert!(done(folder, &["--store", &target, "key", "list"]).contains("current, quarantined"));
    }
    let oldest = |file: &str| -> u32 {
        let store = rusqlite::Connection::open(folder.join(file)).unwrap();
        store.query_row("SELECT oldest_schema FROM store", [], |row| row.get(0)).unwrap()
    };
    assert!(oldest("copy.db") > oldest("doorward.db"), "{} {}", oldest("copy.db"), oldest("doorward.db"));
}

#[test]
fn an_untrustworthy_copy_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_large(&folder.join("large.db"), 20_000);
    done(folder, &["--store", "sqlite:other.db", "org", "create", "Other"]);
    let copy = |from: &str, to: &str, more: &[&str]| {
        refused(folder, &[&["store", "copy", "--from", from, "--to", to], more].concat())
    };
    let (status, said) = copy("sqlite:nowhere.db", "sqlite:new.db", &[]);
    assert!(status == 5 && said.contains("there is no store at sqlite:nowhere.db"), "{said}");
    let (status, said) = copy("sqlite:large.db", "sqlite:other.db", &[]);
    assert!(status == 6 && said.contains("sqlite:other.db is in use"), "{said}");
    let (status, said) = copy("sqlite:large.db", "sqlite:other.db", &["--restart"]);
    assert!(status == 2 && said.contains("no unfinished copy"), "{said}");

    // A log with tampered events is not copied.
    done(folder, &["--store", "sqlite:tampered.db", "org", "create", "Tampered"]);
    let tampered = rusqlite::Connection::open(folder.join("tampered.db")).unwrap();
    tampered.execute("UPDATE audit_events SET actor = 'eve' WHERE sequence = 2", []).unwrap();
    let (status, said) = copy("sqlite:tampered.db", "sqlite:carried.db", &[]);
    assert!(status == 1 && said.contains("does not verify: event 2 was changed"), "{said}");
    let (status, said) = refused(folder, &["--store", "sqlite:carried.db", "key", "create", "--name", "early"]);
    assert!(status == 1 && said.contains("unfinished"), "{said}");

    // A change during a copy: here, between two attempts.
    let mut child = command(folder, &["store", "copy", "--from", "sqlite:large.db", "--to", "sqlite:new.db"]);
    let mut child = child.stderr(Stdio::null()).spawn().unwrap();
    let has_secrets = || {
        let new = rusqlite::Connection::open(folder.join("new.db")).ok()?;
        new.query_row("SELECT count(*) FROM secrets", [], |row| row.get::<_, u32>(0)).ok().filter(|count| *count > 0)
    };
    while has_secrets().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "the copy ended before its start was seen");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (status, said) = copy("sqlite:other.db", "sqlite:new.db", &[]);
    assert!(status == 6 && said.contains("a copy of sqlite:large.db into sqlite:new.db was begun"), "{said}");
    // The first key in the copy's order, which is already copied.
    done(folder, &["--store", "sqlite:large.db", "key", "delete", "key_00000000000000000000000010", "--yes"]);
    let (status, said) = copy("sqlite:large.db", "sqlite:new.db", &[]);
    assert!(status == 6 && said.contains("the source was changed meanwhile"), "{said}");
    let (status, said) = refused(folder, &["--store", "sqlite:new.db", "key", "create", "--name", "early"]);
    assert!(status == 1 && said.contains("unfinished"), "{said}");
    let (status, said) = copy("sqlite:large.db", "sqlite:new.db", &["--restart"]);
    assert_eq!(status, 0, "{said}");
    let server =
        std::panic::catch_unwind(|| Server::on(&server_binary(), &format!("sqlite:{}/new.db", folder.display()), 0));
    assert!(server.is_ok());
}
