//! Lists across organizations, of nodes, and for shells; files that appear when they are whole; the doctor.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::programs::{command, done, json, refused, server_binary};
use crate::support::{self, Server};

fn rows(listed: &Value) -> &[Value] {
    listed["data"].as_array().unwrap()
}

#[test]
fn keys_of_all_organizations_are_listed_by_age_and_use() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["Acme", "Other"] {
        done(folder, &["org", "create", name]);
    }
    done(folder, &["key", "create", "--org", "Acme", "--name", "ci"]);
    let all = json(folder, &["key", "list", "--all"]);
    let names: Vec<_> = rows(&all).iter().map(|key| key["organization"]["name"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| **name == "Acme").count(), 2, "{all}");
    assert_eq!(names.len(), 3);
    let table = done(folder, &["key", "list", "--all"]);
    assert!(table.contains("ORGANIZATION") && table.contains("Other"), "{table}");
    // DOORWARD_ORG does not narrow --all.
    let mut narrowed = command(folder, &["--output", "json", "key", "list", "--all"]);
    let narrowed = narrowed.env("DOORWARD_ORG", "Acme").output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&narrowed.stdout).unwrap(), all);

    assert!(rows(&json(folder, &["key", "list", "--all", "--due"])).is_empty());
    assert!(rows(&json(folder, &["key", "list", "--all", "--unused-for", "30d"])).is_empty(), "they are new");
    assert_eq!(rows(&json(folder, &["key", "list", "--all", "--unused-for", "0"])).len(), 3);
    let connection = rusqlite::Connection::open(folder.join("doorward.db")).unwrap();
    connection.execute("UPDATE secrets SET created_at = 1000 WHERE state = 'current'", []).unwrap();
    let due = json(folder, &["key", "list", "--all", "--due"]);
    assert_eq!(rows(&due).len(), 2, "{due}");
    assert!(rows(&due).iter().all(|key| key["environment"] == "production"));
    assert_eq!(rows(&json(folder, &["key", "list", "--all", "--unused-for", "90d"])).len(), 3);
    let (status, said) = refused(folder, &["key", "list", "--unused-for", "soon"]);
    assert!(status == 2 && said.contains("30d"), "{said}");
    let doctor = json(folder, &["doctor"]);
    let rotation = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "rotation").unwrap();
    assert!(rotation["state"] == "warning" && doctor["healthy"] == true, "{doctor}");
}

#[test]
fn audit_commands_cover_all_logs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["Acme", "Other"] {
        done(folder, &["org", "create", name]);
    }
    done(folder, &["key", "create", "--org", "Other", "--name", "ci"]);
    done(folder, &["operator", "create", "ada"]);
    let all = json(folder, &["audit", "list", "--all"]);
    assert_eq!(rows(&all)[0]["action"], "operator.created", "the newest comes first: {all}");
    let created = json(folder, &["audit", "list", "--all", "--action", "access_key.created", "--limit", "2"]);
    assert_eq!(rows(&created).len(), 2);
    assert_eq!(rows(&created)[0]["environment"], "test");
    let table = done(folder, &["audit", "list", "--all"]);
    assert!(table.contains("(installation)") && table.contains("Other"), "{table}");

    let key = done(folder, &["audit", "keygen"]);
    support::write_secret(&folder.join("signing.key"), &key);
    let signed = ["audit", "checkpoint", "--signing-key-file", "signing.key", "--all", "--folder", "notes"];
    let written = json(folder, &signed);
    let files = std::fs::read_dir(folder.join("notes")).unwrap().map(|entry| entry.unwrap().path());
    let notes: Vec<_> = files.filter(|file| file.extension().is_some_and(|kind| kind == "note")).collect();
    assert_eq!(notes.len(), rows(&written).len());
    let (status, said) = refused(folder, &signed);
    assert!(status == 6 && said.contains("exists"), "no note is replaced: {said}");
    // A key that others can read signs nothing.
    std::fs::write(folder.join("open.key"), &key).unwrap();
    std::fs::set_permissions(folder.join("open.key"), PermissionsExt::from_mode(0o644)).unwrap();
    let (status, said) = refused(folder, &["audit", "checkpoint", "--org", "Acme", "--signing-key-file", "open.key"]);
    assert!(status == 1 && said.contains("open.key"), "{said}");
    for note in notes {
        let verifier = std::fs::read_to_string(note.with_extension("verifier")).unwrap();
        let verifier = verifier.strip_suffix('\n').unwrap();
        let verify = ["audit", "verify", "--checkpoint", note.to_str().unwrap(), "--verifier-key", verifier];
        done(folder, &[&verify[..], &["--all"]].concat());
    }
}

#[test]
fn an_export_has_its_name_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["org", "create", "Acme"]);
    done(folder, &["audit", "export", "-f", "audit.jsonl"]);
    let exported = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    assert!(exported.contains("organization.created"), "{exported}");
    let (status, said) = refused(folder, &["audit", "export", "-f", "audit.jsonl"]);
    assert!(status == 1 && said.contains("audit.jsonl"), "{said}");
    // An event that cannot be read ends the export in the middle.
    let connection = rusqlite::Connection::open(folder.join("doorward.db")).unwrap();
    connection.execute("UPDATE audit_events SET detail = 'damaged' WHERE environment = 'production'", []).unwrap();
    assert_eq!(refused(folder, &["audit", "export", "-f", "broken.jsonl"]).0, 1);
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = names.filter(|name| name.starts_with("broken")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn nodes_are_listed_with_their_machines_and_the_doctor_looks_at_them() {
    let server = Server::start(&server_binary());
    let folder = server.folder.path();
    let nodes = || json(folder, &["node", "list"]);
    support::waits_for("the node describes itself", || rows(&nodes())[0]["host"].is_string());
    let nodes = nodes();
    let node = &rows(&nodes)[0];
    assert!(node["program"].as_str().unwrap().starts_with("doorward-server "), "{node}");
    assert_eq!((&node["retired"], &node["lease_ms"]), (&false.into(), &3_000.into()));
    assert!(node["clock_ahead_ms"].as_i64().unwrap().abs() < 60_000, "{node}");
    let table = done(folder, &["node", "list"]);
    assert!(table.contains("serving") && table.contains("HOST"), "{table}");

    let healthy = done(folder, &["doctor"]);
    for line in [
        "ok      permissions",
        "ok      schema",
        "ok      nodes: 1 are registered",
        "ok      clocks",
        "ok      rotation",
    ] {
        assert!(healthy.contains(line), "{line}: {healthy}");
    }
    std::fs::set_permissions(server.store(), PermissionsExt::from_mode(0o644)).unwrap();
    let ill = crate::programs::run(folder, &["doctor"]);
    let said = String::from_utf8(ill.stdout).unwrap();
    assert!(ill.status.code() == Some(1) && said.contains("FAILED  permissions: others can read"), "{said}");
    let (status, _) = refused(folder, &["--store", "sqlite:none.db", "doctor"]);
    assert_eq!(status, 5);
}

#[test]
fn one_organization_and_all_of_them_are_not_asked_for_together() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["org", "create", "Acme"]);
    for all in [&["key", "list", "--all"][..], &["audit", "list", "--all"], &["audit", "verify", "--all"]] {
        for one in [["--org", "Acme"], ["--external-id", "acme-1"]] {
            let (status, said) = refused(folder, &[all, &one].concat());
            assert!(status == 2 && said.contains(one[0]), "{all:?} {one:?}: {said}");
        }
        // The variable is set for all commands.
        let beside = command(folder, all).env("DOORWARD_ORG", "Other").output().unwrap();
        assert!(beside.status.success(), "{all:?}: {}", String::from_utf8_lossy(&beside.stderr));
    }
}

#[test]
fn a_node_that_nobody_saw_for_long_is_no_healthy_node() {
    let server = Server::start(&server_binary());
    let folder = server.folder.path();
    support::waits_for("the node describes itself", || rows(&json(folder, &["node", "list"]))[0]["host"].is_string());
    // A node that is described and then hangs keeps its old time of the store.
    assert!(Command::new("kill").args(["-9", &server.process_id().to_string()]).status().unwrap().success());
    let connection = rusqlite::Connection::open(folder.join("doorward.db")).unwrap();
    connection.execute("UPDATE sessions SET store_time = store_time - 120000", []).unwrap();
    drop(connection);
    let table = done(folder, &["node", "list"]);
    assert!(table.contains("not seen"), "{table}");
    let ill = crate::programs::run(folder, &["doctor"]);
    let said = String::from_utf8(ill.stdout).unwrap();
    assert!(ill.status.code() == Some(1) && said.contains("FAILED  nodes: all 1 are silent"), "{said}");
}

/// Returns what a shell would propose for the last word of a line.
fn proposed(folder: &Path, line: &[&str]) -> String {
    let mut asked = command(folder, &[&["--"], line].concat());
    let index = (line.len() - 1).to_string();
    asked.env("DOORWARD_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", index).env("_CLAP_IFS", "\n");
    String::from_utf8(asked.output().unwrap().stdout).unwrap()
}

#[test]
fn a_shell_proposes_organizations_keys_and_words() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["org", "create", "Acme"]);
    done(folder, &["org", "create", "Other"]);
    done(folder, &["key", "create", "--org", "Acme", "--name", "ci"]);
    let key =
        rows(&json(folder, &["key", "list", "--org", "Acme"])).iter().find(|key| key["name"] == "ci").unwrap()["id"]
            .clone();
    assert!(proposed(folder, &["doorward", "key", "li"]).contains("list"));
    // A customer may have chosen a name that a shell would run.
    done(folder, &["org", "create", "$(touch PWNED)"]);
    let id = rows(&json(folder, &["org", "list", "--query", "touch"]))[0]["id"].as_str().unwrap().to_owned();
    let organizations = proposed(folder, &["doorward", "key", "list", "--org", ""]);
    assert!(organizations.contains(&id) && !organizations.contains("touch"), "{organizations}");
    assert!(organizations.contains("Acme") && organizations.contains("Other"), "{organizations}");
    assert!(!proposed(folder, &["doorward", "key", "list", "--org", "A"]).contains("Other"));
    let keys = proposed(folder, &["doorward", "key", "delete", "--org", "Acme", ""]);
    assert!(keys.contains(key.as_str().unwrap()), "{keys}");
    assert!(
        proposed(folder, &["doorward", "audit", "list", "--action", "access_key.reg"])
            .contains("access_key.regenerated")
    );
    assert!(proposed(folder, &["doorward", "audit", "list", "--environment", ""]).contains("test"));
    // A store that cannot be read has no proposals, and says nothing.
    let nothing = proposed(folder, &["doorward", "--store", "sqlite:none.db", "key", "list", "--org", ""]);
    assert!(!nothing.contains("Acme") && !folder.join("none.db").exists(), "{nothing}");
}
