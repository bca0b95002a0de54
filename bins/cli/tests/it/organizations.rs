//! Organizations from the command line: external ids, names, suspension and closing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn doorward(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(["--output", "json"]).args(arguments).current_dir(folder).env_remove("DOORWARD_STORE");
    command.stdin(Stdio::null()).output().unwrap()
}

fn done(folder: &Path, arguments: &[&str]) -> Value {
    let made = doorward(folder, arguments);
    assert!(made.status.success(), "{arguments:?}: {made:?}");
    serde_json::from_slice(&made.stdout).unwrap()
}

/// Returns whether the store knows a key, and whether the key's organization is suspended.
fn inspect(folder: &Path, value: &str) -> (Value, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(["--output", "json", "key", "inspect"]).current_dir(folder).env_remove("DOORWARD_STORE");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    let found: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    (found.get("known").cloned().unwrap(), found.get("suspended").cloned().unwrap())
}

fn status(folder: &Path, arguments: &[&str]) -> i32 {
    doorward(folder, arguments).status.code().unwrap()
}

#[test]
fn an_organization_is_found_by_its_external_id_and_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let create = ["org", "create", "Acme", "--external-id", "tenant-7"];
    let made = done(folder, &create);
    let text = |found: &Value, at: &str| found.pointer(at).unwrap().as_str().unwrap().to_owned();
    assert!(text(&made, "/production_key/value").starts_with("dw_prod_"));
    let again = done(folder, &create);
    assert_eq!((again.get("id"), again.get("production_key")), (made.get("id"), None));
    assert_eq!(status(folder, &["org", "create", "Acme"]), 6);
    done(folder, &["org", "create", "Acme", "--allow-duplicate-name"]);
    done(folder, &["org", "create", "Beta"]);

    let ids = |arguments: &[&str]| {
        let listed = done(folder, &[&["org", "list"], arguments].concat());
        listed.get("data").unwrap().as_array().unwrap().len()
    };
    assert_eq!([ids(&[]), ids(&["--query", "acm"]), ids(&["--external-id", "tenant-7"])], [3, 2, 1]);
    assert_eq!(ids(&["--external-id", "tenant-8"]), 0);
    let keys = done(folder, &["key", "list", "--external-id", "tenant-7"]);
    assert_eq!(text(&keys, "/data/0/id"), text(&made, "/production_key/id"));
    assert_eq!(status(folder, &["key", "list", "--external-id", "tenant-8"]), 5);

    let renamed = done(folder, &["org", "rename", "--org", "Beta", "Gamma", "--new-external-id", "tenant-9"]);
    assert_eq!((text(&renamed, "/name"), text(&renamed, "/external_id")), ("Gamma".into(), "tenant-9".into()));
    assert_eq!(status(folder, &["org", "rename", "--org", "Gamma", "Acme"]), 6);
    assert_eq!(status(folder, &["org", "rename", "--org", "Gamma"]), 2);
}

#[test]
fn an_organization_is_suspended_resumed_and_closed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = done(folder, &["org", "create", "Acme"]);
    let value = made.pointer("/production_key/value").unwrap().as_str().unwrap();
    // Without a terminal, consent must be given.
    for command in ["suspend", "close"] {
        assert_eq!(status(folder, &["org", command]), 3, "{command}");
    }
    let state = || done(folder, &["org", "list"]).pointer("/data/0/state").cloned().unwrap();
    let suspended = done(folder, &["org", "suspend", "--reason", "unpaid", "--yes"]);
    assert_eq!(
        (suspended.get("state"), suspended.pointer("/receipt/effective")),
        (Some(&json!("suspended")), Some(&json!("everywhere")))
    );
    assert_eq!((state(), status(folder, &["org", "suspend", "--yes"])), (json!("suspended"), 6));
    assert_eq!(inspect(folder, value), (json!(true), json!(true)));
    done(folder, &["org", "resume", "--yes"]);
    assert_eq!(inspect(folder, value), (json!(true), json!(false)));
    assert_eq!((state(), status(folder, &["org", "resume"])), (json!("active"), 6));
    let closed = done(folder, &["org", "close", "--erase-after-days", "7", "--yes"]);
    assert!(closed.get("erase_at").unwrap().is_string());
    assert_eq!((state(), status(folder, &["org", "close", "--yes"])), (json!("closed"), 6));
    assert_eq!(status(folder, &["key", "create", "--name", "ci"]), 6);
    assert_eq!(done(folder, &["key", "list"]).get("data"), Some(&json!([])));

    let list = ["audit", "list", "--environment", "production"];
    let events = done(folder, &list);
    let told: Vec<_> =
        events.get("data").unwrap().as_array().unwrap().iter().map(|event| event.get("action").unwrap()).collect();
    let expected = ["organization.closed", "organization.resumed", "organization.suspended"];
    assert!(told.iter().zip(expected).all(|(told, expected)| *told == expected), "{told:?}");
    // The trail of a closed organization still verifies.
    done(folder, &["audit", "verify", "--environment", "production"]);
}
