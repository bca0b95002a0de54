//! `doorward scan`: every source, the states of the store, the exit statuses and the forms of output.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::programs::{command, done, refused, run};

/// Returns a new production key of another store.
fn key() -> String {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["org", "create", "Elsewhere"])
}

fn locator(value: &str) -> &str {
    value.rsplit('_').nth(1).unwrap()
}

/// Returns the exit status and both outputs of a search. No value may be in them.
fn scanned(folder: &Path, arguments: &[&str], values: &[&str]) -> (i32, String, String) {
    told(&run(folder, &[&["scan"], arguments].concat()), values)
}

fn told(output: &Output, values: &[&str]) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    for value in values {
        let secret = value.rsplit('_').next().unwrap();
        assert!(!out.contains(secret) && !error.contains(secret), "{out}{error}");
    }
    (output.status.code().unwrap(), out, error)
}

/// Runs git in a folder, without the settings of the tests' user.
fn git(folder: &Path, arguments: &[&str]) -> Output {
    let mut git = Command::new("git");
    let git = git.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]);
    let git = git.args(["-c", "commit.gpgsign=false"]).args(arguments).current_dir(folder);
    let programs = Path::new(env!("CARGO_BIN_EXE_doorward")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let git = git.env("PATH", path).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    git.env_remove("DOORWARD_STORE").output().unwrap()
}

fn must(folder: &Path, arguments: &[&str]) {
    let done = git(folder, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_exit_status_says_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("clean.txt"), "nothing here\n").unwrap();
    let (status, out, error) = scanned(folder, &["."], &[]);
    assert_eq!((status, out.as_str()), (0, ""));
    assert_eq!(error, "0 values found in 1 text.\n");

    let value = key();
    std::fs::write(folder.join("app.env"), format!("A=1\nKEY={value}\n")).unwrap();
    let expected = format!("app.env:2: production key {}: unasked\n", locator(&value));
    let (status, out, _) = scanned(folder, &["app.env", "clean.txt"], &[&value]);
    assert_eq!((status, out.as_str()), (1, expected.as_str()));
    // Without a path, it is this folder.
    let (status, out, _) = scanned(folder, &[], &[&value]);
    assert_eq!((status, out), (1, format!("./{expected}")));

    // A file that cannot be read is said, and the rest is looked at.
    let (status, out, error) = scanned(folder, &["missing", "app.env"], &[&value]);
    assert_eq!((status, out), (2, expected));
    assert!(error.contains("doorward: missing: ") && error.contains("1 could not be looked at"), "{error}");
    assert_eq!(scanned(folder, &["--git", "."], &[&value]).0, 2);
    assert_eq!(scanned(folder, &["--git", "--staged"], &[&value]).0, 2);
}

#[test]
fn folders_respect_ignore_files_and_archives_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let value = key();
    std::fs::create_dir_all(folder.join("sub/.git")).unwrap();
    std::fs::write(folder.join(".gitignore"), "*.env\n").unwrap();
    for name in ["local.env", ".hidden", "sub/.git/config", "sub/a.txt"] {
        std::fs::write(folder.join(name), &value).unwrap();
    }
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("in.txt", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(STANDARD.encode(format!("user:{value}")).as_bytes()).unwrap();
    let zip = archive.finish().unwrap().into_inner();
    std::fs::write(folder.join("b.zip"), &zip).unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()));
    let mut header = tar::Header::new_gnu();
    header.set_size(zip.len() as u64);
    tar.append_data(&mut header, "deep/b.zip", &zip[..]).unwrap();
    std::fs::write(folder.join("c.tgz"), tar.into_inner().unwrap().finish().unwrap()).unwrap();

    let places = |arguments: &[&str]| -> Vec<String> {
        let (status, out, _) = scanned(folder, arguments, &[&value]);
        assert_eq!(status, 1);
        out.lines().map(|line| line.split(": ").next().unwrap().to_owned()).collect()
    };
    let found = ["./.hidden:1", "./b.zip!in.txt:1", "./c.tgz!c.tar!deep/b.zip!in.txt:1", "./sub/a.txt:1"];
    assert_eq!(places(&["."]), found);
    assert_eq!(places(&["--no-ignore", "."])[2..4], ["./c.tgz!c.tar!deep/b.zip!in.txt:1", "./local.env:1"]);
}

#[test]
fn standard_input_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let value = key();
    let mut scan = command(folder.path(), &["scan", "-"]);
    let mut child = scan.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "GET /?key={}", value.replace('_', "%5F")).unwrap();
    let (status, out, _) = told(&child.wait_with_output().unwrap(), &[&value]);
    assert_eq!((status, out), (1, format!("-:1: production key {}, in percent: unasked\n", locator(&value))));
}

#[test]
fn the_store_says_what_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let dead = done(folder, &["org", "create", "Acme"]);
    let live = done(folder, &["key", "regenerate", "--yes"]);
    let test = done(folder, &["key", "create", "--name", "ci"]);
    let token = done(folder, &["operator", "create", "ada"]);
    let other = key();
    let values = [&*dead, &*live, &*test, &*token, &*other];
    let text = |values: &[&str]| values.join("\n");
    std::fs::write(folder.join("all.txt"), text(&values)).unwrap();
    let (status, out, _) = scanned(folder, &["all.txt"], &values);
    assert_eq!(status, 1);
    let lines: Vec<_> = out.lines().collect();
    for (line, (value, (kind, state))) in lines.iter().zip(values.iter().zip([
        ("production key", "dead, of Acme (org_"),
        ("production key", "in force, of Acme (org_"),
        ("test key", "in force, of Acme (org_"),
        ("operator token", "in force, of ada (op_"),
        ("production key", "unknown"),
    ])) {
        assert!(line.contains(&format!(": {kind} {}: {state}", locator(value))), "{line}");
    }

    // A value that is not in force is shown, and is no failure.
    std::fs::write(folder.join("old.txt"), text(&[&dead, &other])).unwrap();
    assert_eq!(scanned(folder, &["old.txt"], &values).0, 0);
    // A suspended organization can be resumed.
    done(folder, &["org", "suspend", "--yes"]);
    let (status, out, _) = scanned(folder, &["all.txt"], &values);
    assert!(status == 1 && out.contains(": suspended, of Acme (org_"), "{out}");
    // A store that cannot be asked is said.
    std::fs::write(folder.join("broken.db"), "no database at all").unwrap();
    let (status, out, error) = scanned(folder, &["--store", "sqlite:broken.db", "all.txt"], &values);
    assert!(status == 2 && out.lines().count() == 5 && error.contains("the store: "), "{status} {out} {error}");
}

#[test]
fn the_prefix_is_that_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let value = done(folder, &["org", "create", "--prefix", "acme", "Acme"]);
    std::fs::write(folder.join("a.txt"), &value).unwrap();
    let (status, out, _) = scanned(folder, &["a.txt"], &[&value]);
    assert!(status == 1 && out.contains("in force"), "{out}");
    let elsewhere = ["--store", "sqlite:missing.db", "a.txt"];
    assert_eq!(scanned(folder, &elsewhere, &[&value]).0, 0);
    assert_eq!(scanned(folder, &[&["--prefix", "acme"], &elsewhere[..]].concat(), &[&value]).0, 1);
    assert!(done(folder, &["scan", "--rules", "gitleaks"]).contains(r"\bacme_(?:prod|test)_"));
}

#[test]
fn the_documents_have_their_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let value = key();
    std::fs::create_dir(folder.join("a b")).unwrap();
    std::fs::write(folder.join("a b/x.txt"), format!("\n{value}")).unwrap();
    let document = |arguments: &[&str]| -> Value {
        let (status, out, _) = scanned(folder, arguments, &[&value]);
        assert_eq!(status, 2);
        serde_json::from_str(&out).unwrap()
    };
    let json = document(&["--format", "json", ".", "missing"]);
    assert_eq!(json, document(&["--output", "json", ".", "missing"]));
    let found = &json["findings"][0];
    let expected = serde_json::json!({
        "file": "./a b/x.txt", "line": 2, "kind": "access_key", "environment": "production",
        "locator": locator(&value), "encoding": "plain", "state": "unasked",
    });
    assert_eq!(*found, expected);
    assert_eq!((json["texts"].as_u64(), json["unread"][0]["file"].as_str()), (Some(1), Some("missing")));

    let sarif = document(&["--format", "sarif", ".", "missing"]);
    assert_eq!((sarif["version"].as_str(), sarif["runs"].as_array().unwrap().len()), (Some("2.1.0"), 1));
    let run = &sarif["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let result = &run["results"][0];
    assert_eq!((result["ruleId"].as_str(), result["level"].as_str()), (Some("access_key"), Some("error")));
    let rule = result["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b/x.txt");
    assert_eq!(place["region"]["startLine"], 2);
    assert!(!result["message"]["text"].as_str().unwrap().is_empty());
}

#[test]
fn the_history_has_what_was_deleted_on_another_branch() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let value = key();
    must(folder, &["init", "--quiet"]);
    must(folder, &["commit", "--quiet", "--allow-empty", "-m", "Begin"]);
    must(folder, &["switch", "--quiet", "-c", "other"]);
    std::fs::write(folder.join("gone.env"), format!("\nKEY={value}")).unwrap();
    must(folder, &["add", "gone.env"]);
    must(folder, &["commit", "--quiet", "-m", "Add"]);
    let commit = String::from_utf8(git(folder, &["rev-parse", "HEAD"]).stdout).unwrap();
    must(folder, &["rm", "--quiet", "gone.env"]);
    must(folder, &["commit", "--quiet", "-m", "Remove"]);
    must(folder, &["switch", "--quiet", "main"]);
    assert_eq!(scanned(folder, &["."], &[&value]).0, 0);
    let (status, out, _) = scanned(folder, &["--git"], &[&value]);
    assert_eq!(
        (status, out),
        (1, format!("{}:gone.env:2: production key {}: unasked\n", &commit[..12], locator(&value)))
    );
    let (_, out, _) = scanned(folder, &["--git", "--format", "json"], &[&value]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["findings"][0]["commit"], commit.trim());
}

#[test]
fn the_hook_refuses_a_commit_that_adds_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let value = key();
    must(folder, &["init", "--quiet"]);
    let said = told(&run(folder, &["scan", "--hook"]), &[]);
    assert!(said.0 == 0 && said.2.contains("pre-commit"), "{said:?}");
    let hook = folder.join(".git/hooks/pre-commit");
    assert_eq!(hook.metadata().unwrap().permissions().mode() & 0o777, 0o755);

    std::fs::write(folder.join("clean.txt"), "nothing\n").unwrap();
    must(folder, &["add", "clean.txt"]);
    must(folder, &["commit", "--quiet", "-m", "Clean"]);
    std::fs::write(folder.join("app.env"), &value).unwrap();
    must(folder, &["add", "app.env"]);
    let refused_commit = git(folder, &["commit", "--quiet", "-m", "Leak"]);
    let (status, out, error) = told(&refused_commit, &[&value]);
    assert!(status != 0 && format!("{out}{error}").contains("app.env:1: production key"), "{out}{error}");
    // A commit of some files has an index of its own.
    std::fs::write(folder.join("clean.txt"), "still nothing\n").unwrap();
    must(folder, &["commit", "--quiet", "-m", "Clean again", "clean.txt"]);
    assert!(!git(folder, &["commit", "--quiet", "-m", "Leak", "app.env"]).status.success());
    must(folder, &["commit", "--quiet", "--no-verify", "-m", "Leak all the same"]);

    // A store that does not know the value is no reason to let it pass. A dead one harms nobody.
    let dead = done(folder, &["org", "create", "Acme"]);
    let (status, out, _) = scanned(folder, &["app.env"], &[&value]);
    assert!(status == 0 && out.contains(": unknown"), "{out}");
    std::fs::write(folder.join("more.env"), format!("KEY={value}\n")).unwrap();
    must(folder, &["add", "more.env"]);
    assert!(!git(folder, &["commit", "--quiet", "-m", "Leak", "more.env"]).status.success());
    done(folder, &["key", "regenerate", "--yes"]);
    std::fs::write(folder.join("more.env"), &dead).unwrap();
    must(folder, &["commit", "--quiet", "-m", "Add a dead key", "more.env"]);
    // No message shows a value in a path, and a hook has one repository.
    let nowhere = tempfile::tempdir().unwrap();
    let (status, _, _) = scanned(nowhere.path(), &["--hook", &value], &[&value]);
    assert_eq!(status, 5);
    assert_eq!(refused(folder, &["scan", "--hook", ".", "other"]).0, 2);

    // Installed again, it is the same; the hook of somebody else stays.
    done(folder, &["scan", "--hook", "--prefix", "acme", "."]);
    assert!(std::fs::read_to_string(&hook).unwrap().contains("--staged --prefix acme"));
    std::fs::write(&hook, "#!/bin/sh\nmake lint\n").unwrap();
    let (status, said) = refused(folder, &["scan", "--hook"]);
    assert!(status == 6 && said.contains("add the line `doorward scan --staged || exit 1`"), "{said}");
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), "#!/bin/sh\nmake lint\n");
    let none = tempfile::tempdir().unwrap();
    assert_eq!(refused(none.path(), &["scan", "--hook"]).0, 5);
}

#[test]
fn a_name_of_a_file_can_neither_show_a_value_nor_move_the_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let value = key();
    std::fs::write(folder.join(format!("{value}.txt")), "").unwrap();
    std::fs::write(folder.join("a\u{1b}[2J\n\u{202e}b.txt"), &value).unwrap();
    let (status, out, error) = scanned(folder, &["."], &[&value]);
    let named = format!("./{}_….txt (its name): production key", locator(&value));
    assert!(status == 1 && out.contains(&named) && out.lines().count() == 2, "{out}");
    for moves in ['\u{1b}', '\u{202e}'] {
        assert!(!out.contains(moves) && !error.contains(moves), "{out:?}");
    }
    // Nor the name of a file that does not exist.
    for arguments in [&[&*value][..], &["--git", &value], &["--staged", &value]] {
        assert_eq!(scanned(folder, arguments, &[&value]).0, 2);
    }
}

#[test]
fn detect_secrets_takes_the_plugin_and_finds_keys_and_no_look_alikes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (value, token) = (key(), done(folder, &["operator", "create", "ada"]));
    std::fs::write(folder.join("doorward.py"), done(folder, &["scan", "--rules", "detect-secrets"])).unwrap();
    let last = if value.ends_with('0') { "1" } else { "0" };
    let look_alike = format!("{}{last}", &value[..value.len() - 1]);
    std::fs::write(folder.join("app.txt"), format!("first\nKEY={value}\n{token}\n{look_alike}\n")).unwrap();
    let mut scan = crate::support::python("detect-secrets");
    let scanned = scan.args(["scan", "--plugin", "doorward.py", "app.txt"]).current_dir(folder).output().unwrap();
    assert!(scanned.status.success(), "{}", String::from_utf8_lossy(&scanned.stderr));
    let found: Value = serde_json::from_slice(&scanned.stdout).unwrap();
    let ours = found["results"]["app.txt"].as_array().unwrap().iter();
    let ours = ours.filter(|finding| finding["type"].as_str().unwrap().starts_with("Doorward"));
    let mut lines: Vec<_> = ours.map(|finding| finding["line_number"].as_u64().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, [2, 3]);
}

#[test]
fn trufflehog3_takes_the_rules_and_finds_keys() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (value, token) = (key(), done(folder, &["operator", "create", "ada"]));
    std::fs::write(folder.join("rules.yaml"), done(folder, &["scan", "--rules", "trufflehog3"])).unwrap();
    std::fs::create_dir(folder.join("app")).unwrap();
    std::fs::write(folder.join("app/app.txt"), format!("first\nKEY={value}\n{token}\ndw_prod_short_x\n")).unwrap();
    let mut scan = crate::support::python("trufflehog3");
    let scan = scan.args(["--zero", "--no-history", "--rules", "rules.yaml", "--format", "JSON", "app"]);
    let scanned = scan.current_dir(folder).output().unwrap();
    let found: Value = serde_json::from_slice(&scanned.stdout).unwrap_or_else(|_| panic!("{scanned:?}"));
    let place = |finding: &Value| (finding["rule"]["id"].clone(), finding["line"].clone());
    let mut found: Vec<_> = found.as_array().unwrap().iter().map(place).collect();
    found.sort_by_key(|(_, line)| line.to_string());
    let expected = [("doorward.access-key", "2"), ("doorward.operator-token", "3")];
    assert_eq!(found, expected.map(|(rule, line)| (rule.into(), line.into())));
}

#[test]
fn the_rules_for_trufflehog_are_yaml() {
    let folder = tempfile::tempdir().unwrap();
    let rules = done(folder.path(), &["scan", "--rules", "trufflehog"]);
    let mut python = crate::support::python("python");
    let read = python.args(["-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])))", &rules]);
    let read: Value = serde_json::from_slice(&read.output().unwrap().stdout).unwrap();
    let detectors = read["detectors"].as_array().unwrap();
    assert_eq!(detectors[0]["keywords"], serde_json::json!(["dw_prod_", "dw_test_"]));
    assert_eq!(detectors[0]["regex"]["key"], r"\bdw_(?:prod|test)_[0-9A-Za-z]{10}_[0-9A-Za-z]{36}\b");
    assert_eq!(detectors[1]["regex"]["token"], r"\bdwo_[0-9A-Za-z]{10}_[0-9A-Za-z]{36}\b");
    assert!(done(folder.path(), &["scan", "--rules", "github"]).contains("doorward key inspect"));
}
