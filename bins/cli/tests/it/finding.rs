//! Names, notes and owners of keys: `key rename`, `key find`, `key inspect`, and the report of a leak.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::programs::{command, done, json, refused, run};

fn text(found: &Value, at: &str) -> String {
    found.pointer(at).and_then(Value::as_str).unwrap_or_else(|| panic!("{at} of {found}")).to_owned()
}

/// Returns the exit status and the lines of a command.
fn answered(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = run(folder, arguments);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn inspected(folder: &Path, value: &str) -> (i32, String) {
    let mut inspect = command(folder, &["key", "inspect"]);
    let mut child = inspect.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_locator_and_a_dead_key_name_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let value = done(folder, &["org", "create", "Acme"]);
    let locator = value.split('_').nth(2).unwrap();
    let (status, lines) = answered(folder, &["key", "find", locator]);
    assert!(status == 0 && lines.contains("in force (current)") && lines.contains("Acme (org_"), "{lines}");
    assert_eq!(answered(folder, &["key", "find", &format!("dw_prod_{locator}_…")]).0, 0);

    let next = done(folder, &["key", "regenerate", "--leaked", "--note", "ticket 4711", "--yes"]);
    let (status, lines) = answered(folder, &["key", "find", locator]);
    assert!(status == 1 && lines.contains("dead since") && lines.contains("Acme (org_"), "{lines}");
    let (status, lines) = inspected(folder, &value);
    assert!(status == 1 && lines.contains("dead since") && lines.contains("Acme (org_"), "{lines}");
    assert_eq!(inspected(folder, &next).0, 0);
    let found: Value =
        serde_json::from_slice(&run(folder, &["--output", "json", "key", "find", locator]).stdout).unwrap();
    assert_eq!((found["in_force"].as_bool(), found["refused"].as_u64()), (Some(false), Some(0)));
    assert_eq!(answered(folder, &["key", "find", "0123456789"]).0, 1);
    assert_eq!(answered(folder, &["key", "find", "no locator"]).0, 2);

    let log = json(folder, &["audit", "list", "--environment", "production"]);
    let events: Vec<_> = log["data"].as_array().unwrap().iter().map(|event| text(event, "/action")).collect();
    assert_eq!(events.get(..2).unwrap(), ["access_key.regenerated", "access_key.reported_leaked"]);
    assert_eq!(text(&log, "/data/1/detail/note"), "ticket 4711");
}

#[test]
fn a_key_is_renamed_and_noted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["org", "create", "Acme"]);
    done(folder, &["key", "create", "--name", "ci"]);
    let renamed = json(folder, &["key", "rename", "ci", "billing", "--note", "team 7"]);
    assert_eq!((text(&renamed, "/name"), text(&renamed, "/note")), ("billing".into(), "team 7".into()));
    let keys = json(folder, &["key", "list"]);
    assert_eq!((text(&keys, "/data/1/name"), text(&keys, "/data/1/note")), ("billing".into(), "team 7".into()));
    let without = json(folder, &["key", "rename", "billing", "--note", ""]);
    assert!(without.get("note").is_none(), "{without}");
    let (status, said) = refused(folder, &["key", "rename", "billing", "billing"]);
    assert!(status == 6 && said.contains("in this state already"), "{said}");
    assert_eq!(refused(folder, &["key", "rename", "billing"]).0, 2);
    assert_eq!(refused(folder, &["key", "rename", "nobody", "x"]).0, 5);
    let log = json(folder, &["audit", "list", "--environment", "test"]);
    assert_eq!(text(&log, "/data/1/action"), "access_key.renamed");
    assert_eq!(
        (text(&log, "/data/1/detail/name_before"), text(&log, "/data/1/detail/note")),
        ("ci".into(), "team 7".into())
    );
}
