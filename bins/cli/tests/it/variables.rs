//! Environment variables of the command line: an empty variable counts as unset, and a store's URL can come from a file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn list(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    for name in ["DOORWARD_STORE", "DOORWARD_STORE_FILE", "DOORWARD_OUTPUT"] {
        command.env_remove(name);
    }
    let command = command.args(arguments).args(["org", "list"]).envs(variables.iter().copied());
    command.current_dir(folder).output().unwrap()
}

#[test]
fn a_stores_url_comes_from_a_file_and_an_empty_variable_counts_as_unset() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (store, name) in [("sqlite:doorward.db", "Default"), ("sqlite:other.db", "Other")] {
        let mut create = Command::new(env!("CARGO_BIN_EXE_doorward"));
        let made = create.args(["--store", store, "org", "create", name]).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    }
    std::fs::write(folder.join("url"), "sqlite:other.db\n").unwrap();
    let names = |arguments: &[&str], variables: &[(&str, &str)]| {
        let listed = list(folder, arguments, variables);
        assert!(listed.status.success(), "{variables:?}: {listed:?}");
        let text = String::from_utf8(listed.stdout).unwrap();
        (text.contains("Default"), text.contains("Other"))
    };
    let (default, other) = ((true, false), (false, true));
    assert_eq!(names(&[], &[("DOORWARD_STORE", ""), ("DOORWARD_OUTPUT", ""), ("DOORWARD_STORE_FILE", "")]), default);
    assert_eq!(names(&[], &[("DOORWARD_STORE_FILE", "url")]), other);
    // The more explicit setting wins.
    assert_eq!(names(&["--store", "sqlite:doorward.db"], &[("DOORWARD_STORE_FILE", "url")]), default);
    assert_eq!(names(&[], &[("DOORWARD_STORE_FILE", "url"), ("DOORWARD_STORE", "sqlite:doorward.db")]), default);

    std::fs::write(folder.join("url"), "mysql://s3cret@x").unwrap();
    for file in ["url", "none"] {
        let refused = list(folder, &[], &[("DOORWARD_STORE_FILE", file)]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(2) && said.contains("DOORWARD_STORE_FILE"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

/// The manual can be read, and a shell started, whatever the variables are.
#[test]
fn a_wrong_variable_keeps_nobody_from_the_manual() {
    for command in [&["man"][..], &["completions", "bash"]] {
        for (name, value) in [("DOORWARD_STORE", "bad"), ("DOORWARD_STORE_FILE", "none")] {
            let mut doorward = Command::new(env!("CARGO_BIN_EXE_doorward"));
            let done = doorward.args(command).env(name, value).output().unwrap();
            assert!(done.status.success() && !done.stdout.is_empty(), "{command:?} {name}: {done:?}");
        }
    }
}
