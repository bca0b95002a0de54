//! `doorward import`, with keys as other services store them, and a server that the old keys are sent to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::programs::{command, done, refused, run, server_binary};
use crate::support::{Server, waits_for};

// Every hash here was computed by another implementation (Python's hashlib).
const PLAIN: &str = "sk_live_51H8zTqLw0p9vYbN3cXe2Rk7";
const PLAIN_SHA256: &str = "699fbfc5b9ebbb742ea4cb0fa2f5d9b2be20cfc7f2f16cfafb7ebc27a7d510bc";
const UNKEY: &str = "proj_3ZHwqjX7pHcyJSpHcDsFbmKT";
const UNKEY_SHA256: &str = "obWSF8FgALoWmA/HSfyQGb4OJ8MwUASb2HG1wu08/Jk=";
const BETTER_AUTH: &str = "NlnPqBXVLKcRZkZqJmEoWvTsYhUaGdFbXcQeRtYuIoPaSdFgHjKlZxCvBnMqWeRt";
const BETTER_AUTH_SHA256: &str = "IexHpBJgFVnawYHbNLy2xBugfb9bnNA-zzfz2_-lMu4";
const DJANGO: &str = "aPdWuRbN.kJ3mQx8vZc2tYh6nLs9fGw1pEr5uTb7D";
const DJANGO_SHA512: &str = "sha512$$fa0ff5c1b6539b298e62b2c97d0c3f5baa91659ff7c9270c899fedf64fca53475b4329c28416f6d501b1f80fcf6b08c9f9d992cda83f0a348255ba4a08467fed";
const PREFIXED: &str = "mycompany_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG";
const PREFIXED_SHA256: &str = "d70d981d87b449c107327c2a2afbf00d4b58070d6ba571aac35d7ea3e7c79f37";

fn key(organization: &str, environment: &str, format: &str, digest: &str) -> Value {
    json!({"organization": organization, "environment": environment, "format": format, "digest": digest})
}

fn file(folder: &Path, keys: &[Value]) {
    let lines: Vec<_> = keys.iter().map(Value::to_string).collect();
    write(folder.join("keys.jsonl"), lines.join("\n")).unwrap();
}

fn counts(folder: &Path, arguments: &[&str]) -> (u64, u64, u64) {
    let arguments = [&["--output", "json", "import"], arguments].concat();
    let summary: Value = serde_json::from_str(&done(folder, &arguments)).unwrap();
    let count = |name: &str| summary.get(name).unwrap().as_u64().unwrap();
    (count("imported"), count("already_imported"), count("revoked_since"))
}

#[test]
fn keys_of_other_services_work_until_they_are_rotated() {
    let server = Server::start(&server_binary());
    let folder = server.folder.path();
    let prefixed = json!({"organization": "acme", "environment": "test", "format": "prefixed-api-key", "name": "ci",
        "handle": "mycompany_BRTRKFsL", "digest": PREFIXED_SHA256, "created_at": "2024-03-01T00:00:00Z"});
    // The test key comes first in the file, and its organization is new.
    file(
        folder,
        &[
            prefixed,
            key("acme", "production", "sha256", PLAIN_SHA256),
            key("beta", "production", "sha256", UNKEY_SHA256),
            key("beta", "production", "sha256", BETTER_AUTH_SHA256),
            key("gamma", "production", "sha512", DJANGO_SHA512),
        ],
    );
    let all = [PLAIN, UNKEY, BETTER_AUTH, DJANGO, PREFIXED];
    let statuses = || all.map(|key| server.call(key, "GET", "/v1/whoami", None).status);
    assert_eq!(counts(folder, &["keys.jsonl", "--dry-run"]), (5, 0, 0));
    assert_eq!(statuses(), [401; 5]);
    assert_eq!(counts(folder, &["keys.jsonl"]), (5, 0, 0));
    assert_eq!(statuses(), [200; 5]);
    assert_eq!(counts(folder, &["keys.jsonl"]), (0, 5, 0));
    let who = server.call(PREFIXED, "GET", "/v1/whoami", None);
    assert_eq!(
        (who.text("/organization/name"), who.text("/environment"), who.text("/key/name")),
        ("acme".to_owned(), "test".to_owned(), "ci".to_owned())
    );
    let wrong = server.call("sk_live_51H8zTqLw0p9vYbN3cXe2Rk8", "GET", "/v1/whoami", None);
    assert_eq!((wrong.status, wrong.code().as_str()), (401, "invalid_key"));
    let listed = done(folder, &["key", "list", "--org", "acme"]);
    assert_eq!(listed.matches("(imported)").count(), 2, "{listed}");

    done(folder, &["key", "regenerate", "--org", "acme", "--yes"]);
    assert_eq!(statuses(), [401, 200, 200, 200, 200]);
    assert_eq!(counts(folder, &["keys.jsonl"]), (0, 4, 1));
    assert_eq!(statuses(), [401, 200, 200, 200, 200], "a revoked key was brought back");
    let listed = done(folder, &["key", "list", "--org", "acme"]);
    assert_eq!(listed.matches("(imported)").count(), 1, "{listed}");
}

#[test]
fn a_file_with_faults_changes_nothing_and_names_every_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let with = |more: Value| {
        let mut line = key("acme", "production", "sha256", PLAIN_SHA256);
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    };
    let lines = [
        key("acme", "production", "sha256", UNKEY_SHA256),
        key("acme", "production", "sha256", UNKEY_SHA256),
        key("acme", "staging", "sha256", PLAIN_SHA256),
        key("acme", "production", "md5", PLAIN_SHA256),
        key("acme", "production", "sha256", "pbkdf2_sha256$870000$c2FsdA$aGFzaA=="),
        key("acme", "production", "prefixed-api-key", PREFIXED_SHA256),
        key("", "production", "sha256", BETTER_AUTH_SHA256),
        with(json!({"start": "dw_test_"})),
        with(json!({"handle": "x"})),
        with(json!({"created_at": "yesterday"})),
        with(json!({"secret": "x"})),
        with(json!({"digest": {"a": PLAIN_SHA256}})),
        json!(PLAIN_SHA256),
    ];
    file(folder, &lines);
    let (status, told) = refused(folder, &["import", "keys.jsonl"]);
    assert_eq!(status, 2);
    for line in 2..=13 {
        assert!(told.contains(&format!("line {line}: ")), "{line}: {told}");
    }
    assert!(!told.contains("line 1:"), "{told}");
    for part in ["the same key as in line 1", "too slow", "another prefix", "needs a handle", "unknown field `secret`"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    for digest in [PLAIN_SHA256, UNKEY_SHA256, "pbkdf2_sha256", PREFIXED_SHA256] {
        assert!(!told.contains(digest), "a digest was printed: {told}");
    }
    assert_eq!(done(folder, &["org", "list"]).lines().count(), 1, "the header alone");
    // Not more than twenty are listed.
    write(folder.join("many.csv"), format!("environment\n{}", "x\n".repeat(30))).unwrap();
    let (_, told) = refused(folder, &["import", "many.csv"]);
    assert!(told.matches("line ").count() == 20 && told.contains("and 10 more"), "{told}");
}

#[test]
fn keys_that_the_store_refuses_are_named_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    file(folder, &[key("acme", "production", "sha256", PLAIN_SHA256)]);
    assert_eq!(counts(folder, &["keys.jsonl"]), (1, 0, 0));
    let future = json!({"organization": "delta", "environment": "production", "format": "sha256",
        "digest": BETTER_AUTH_SHA256, "created_at": "9000-01-01T00:00:00Z"});
    file(
        folder,
        &[
            key("beta", "production", "sha256", PLAIN_SHA256),
            key("gamma", "test", "sha256", UNKEY_SHA256),
            future,
            key("org_01h455vb4pex5vsknk084sn02q", "test", "sha512", DJANGO_SHA512),
            key("epsilon", "production", "sha512", PLAIN_SHA256.repeat(2).as_str()),
        ],
    );
    for more in [&["import", "keys.jsonl"][..], &["import", "keys.jsonl", "--dry-run"]] {
        let (status, told) = refused(folder, more);
        assert_eq!(status, 6, "{told}");
        for line in 1..=4 {
            assert!(told.contains(&format!("line {line}: ")), "{line}: {told}");
        }
        assert!(!told.contains("line 5:"), "{told}");
    }
    assert_eq!(done(folder, &["org", "list"]).lines().count(), 2);
}

#[test]
fn a_csv_file_and_standard_input_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let csv = format!(
        "environment,format,digest,name,handle\nproduction,sha256,{UNKEY_SHA256},,\ntest,prefixed-api-key,{PREFIXED_SHA256},ci,mycompany_BRTRKFsL\n"
    );
    write(folder.join("keys.csv"), csv).unwrap();
    let mut process = command(folder, &["import", "-", "--organization", "acme", "--prefix", "acme"]);
    let file = std::fs::File::open(folder.join("keys.csv")).unwrap();
    assert!(process.stdin(file).stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(counts(folder, &["keys.csv", "--organization", "acme"]), (0, 2, 0));
    assert!(done(folder, &["key", "create", "--org", "acme", "--name", "ours"]).starts_with("acme_test_"));
    assert_eq!(refused(folder, &["import", "no-such-file"]).0, 1);
    assert_eq!(refused(folder, &["import", "keys.csv"]).0, 2, "no organization");
    for (text, known) in [(UNKEY, true), (PREFIXED, true), (PLAIN, false)] {
        write(folder.join("key"), text).unwrap();
        let mut inspect = command(folder, &["key", "inspect"]);
        let told = inspect.stdin(std::fs::File::open(folder.join("key")).unwrap()).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        assert_eq!(told.contains("in force"), known, "{text}: {told}");
    }
}

#[test]
fn an_import_that_is_killed_has_whole_keys_and_goes_on() {
    const KEYS: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let keys: Vec<_> = (0..KEYS)
        .map(|number| key(&format!("customer {number}"), "production", "sha256", &format!("{number:064x}")))
        .collect();
    file(folder, &keys);
    done(folder, &["org", "create", "first"]);
    let mut process = command(folder, &["import", "keys.jsonl"]).stderr(Stdio::null()).spawn().unwrap();
    let organizations = || {
        let listed = run(folder, &["org", "list"]);
        String::from_utf8(listed.stdout).unwrap().lines().filter(|line| line.contains("customer")).count() as u64
    };
    waits_for("the first keys", || organizations() > 0);
    process.kill().unwrap();
    process.wait().unwrap();
    let before = organizations();
    let (imported, known, revoked) = counts(folder, &["keys.jsonl"]);
    assert_eq!((imported + known, revoked), (KEYS, 0));
    assert!(known >= before && known > 0, "{known} of {before}");
    assert_eq!((organizations(), counts(folder, &["keys.jsonl"])), (KEYS, (0, KEYS, 0)));
    done(folder, &["audit", "verify"]);
}
