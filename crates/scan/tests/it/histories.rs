//! The history of a repository, its index, and its hooks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use doorward_scan::{Report, hooks_folder};

use crate::{key, scanner, token};

/// Runs git in a folder, without the settings of the tests' user. Returns what it prints.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    let git = git.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]);
    let git = git.args(["-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false", "-c", "core.hooksPath=/dev/null"]);
    let git = git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let done = git.args(arguments).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", message]);
    git(folder, &["rev-parse", "HEAD"])
}

/// Returns the path, the line and the commit of each finding.
fn places(report: &Report) -> Vec<(String, u64, String)> {
    let place = |found: &doorward_scan::Finding| {
        (found.place.file.clone(), found.sighting.line, found.place.commit.clone().unwrap_or_default())
    };
    report.findings.iter().map(place).collect()
}

#[test]
fn every_version_of_every_branch_is_looked_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    git(folder.path(), &["init", "--quiet"]);
    std::fs::write(at("readme"), "nothing").unwrap();
    commit(folder.path(), "Begin");

    // A file that was deleted again, on another branch, in a folder.
    git(folder.path(), &["switch", "--quiet", "-c", "other"]);
    std::fs::create_dir(at("conf")).unwrap();
    std::fs::write(at("conf/deleted.env"), format!("\nKEY={}\n", key())).unwrap();
    let deleted = commit(folder.path(), "Add a file");
    std::fs::remove_file(at("conf/deleted.env")).unwrap();
    commit(folder.path(), "Remove the file");
    git(folder.path(), &["switch", "--quiet", "main"]);

    // A value that stays while other lines of its file change is one of each version.
    let value = key();
    std::fs::write(at("app.toml"), format!("key = {value}\n")).unwrap();
    let first = commit(folder.path(), "Add the app");
    std::fs::write(at("app.toml"), format!("# changed\nkey = {value}\n")).unwrap();
    let second = commit(folder.path(), "Change the app");
    // The same content under another name is looked at once.
    std::fs::copy(at("app.toml"), at("copy.toml")).unwrap();
    let message = commit(folder.path(), &format!("Copy\n\nwith {}", token()));
    git(folder.path(), &["tag", "-a", "v1", "-m", &format!("the tag\n\n{}", key()), "HEAD"]);

    let expected = [
        ("(the message of a commit)", 3, message.as_str()),
        ("(the message of a tag)", 3, ""),
        ("app.toml", 1, &first),
        ("app.toml", 2, &second),
        ("conf/deleted.env", 2, &deleted),
    ];
    let mut expected: Vec<_> =
        expected.into_iter().map(|(file, line, commit)| (file.to_owned(), line, commit.to_owned())).collect();
    expected.sort();
    let sorted = |report: &Report| {
        assert_eq!(report.unread, []);
        let mut places = places(report);
        places.sort();
        places
    };
    assert_eq!(sorted(&scanner().history(folder.path())), expected);
    // The same from packs, and from a folder within.
    git(folder.path(), &["gc", "--quiet"]);
    std::fs::create_dir(at("within")).unwrap();
    assert_eq!(sorted(&scanner().history(&at("within"))), expected);
    // The branch goes, and its file with it.
    git(folder.path(), &["branch", "--quiet", "-D", "other"]);
    expected.retain(|(_, _, commit)| *commit != deleted);
    assert_eq!(sorted(&scanner().history(folder.path())), expected);
    // A bare clone has the same history.
    let clone = tempfile::tempdir().unwrap();
    git(folder.path(), &["clone", "--quiet", "--bare", ".", &clone.path().join("c").display().to_string()]);
    assert_eq!(sorted(&scanner().history(&clone.path().join("c"))), expected);
    // A head on no branch.
    git(folder.path(), &["switch", "--quiet", "--detach"]);
    std::fs::write(at("loose"), key()).unwrap();
    let loose = commit(folder.path(), "On no branch");
    expected.push(("loose".to_owned(), 1, loose));
    expected.sort();
    assert_eq!(sorted(&scanner().history(folder.path())), expected);
}

#[test]
fn a_repository_with_longer_names_of_objects_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet", "--object-format=sha256"]);
    std::fs::write(folder.path().join("file"), key()).unwrap();
    git(folder.path(), &["add", "file"]);
    assert_eq!(places(&scanner().staged(folder.path(), None)).len(), 1);
    let first = commit(folder.path(), "Begin");
    assert_eq!(places(&scanner().history(folder.path())), [("file".to_owned(), 1, first)]);
    assert_eq!(places(&scanner().staged(folder.path(), None)), []);
}

#[test]
fn a_damaged_history_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let none = scanner().history(folder.path());
    assert_eq!((none.texts, none.unread.len()), (0, 1));
    git(folder.path(), &["init", "--quiet"]);
    assert_eq!(scanner().history(folder.path()).texts, 0);
    std::fs::write(folder.path().join("file"), key()).unwrap();
    std::fs::write(folder.path().join("other"), key()).unwrap();
    commit(folder.path(), "Begin");
    let blob = git(folder.path(), &["rev-parse", "HEAD:file"]);
    std::fs::remove_file(folder.path().join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let report = scanner().history(folder.path());
    assert_eq!((report.findings.len(), report.unread.len()), (1, 1));
    assert_eq!(report.unread[0].place.file, "file");
}

#[test]
fn what_is_staged_is_looked_at_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    git(folder.path(), &["init", "--quiet"]);
    std::fs::write(at("first"), key()).unwrap();
    git(folder.path(), &["add", "first"]);
    assert_eq!(places(&scanner().staged(folder.path(), None)).len(), 1);
    commit(folder.path(), "Begin");
    std::fs::write(at("staged"), key()).unwrap();
    std::fs::write(at("unstaged"), key()).unwrap();
    git(folder.path(), &["add", "staged"]);
    // The value is gone from the file, but not from the index.
    std::fs::write(at("staged"), "nothing").unwrap();
    git(folder.path(), &["mv", "first", "moved"]);
    let staged = scanner().staged(folder.path(), None);
    assert_eq!(places(&staged), [("staged".to_owned(), 1, String::new())]);

    std::fs::write(at("staged"), "nothing").unwrap();
    let index = at("another-index");
    std::fs::copy(at(".git/index"), &index).unwrap();
    git(folder.path(), &["add", "staged"]);
    assert_eq!(scanner().staged(folder.path(), None).findings, []);
    assert_eq!(scanner().staged(folder.path(), Some(&index)).findings.len(), 1);
}

#[test]
fn the_folder_of_hooks_is_the_one_that_git_uses() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet"]);
    let canonical = folder.path().canonicalize().unwrap();
    assert_eq!(hooks_folder(folder.path()).unwrap().canonicalize().unwrap(), canonical.join(".git/hooks"));
    git(folder.path(), &["config", "core.hooksPath", "tools/hooks"]);
    std::fs::create_dir_all(folder.path().join("tools/hooks")).unwrap();
    assert_eq!(hooks_folder(folder.path()).unwrap().canonicalize().unwrap(), canonical.join("tools/hooks"));
}

#[test]
fn every_stash_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet"]);
    commit(folder.path(), "Begin");
    for name in ["older.env", "newer.env"] {
        std::fs::write(folder.path().join(name), key()).unwrap();
        git(folder.path(), &["add", name]);
        git(folder.path(), &["-c", "user.name=Ada", "stash", "push", "--quiet"]);
    }
    let report = scanner().history(folder.path());
    assert!(report.unread.is_empty(), "{:?}", report.unread);
    let files: Vec<_> = places(&report).into_iter().map(|(file, ..)| file).collect();
    assert!(files.contains(&"older.env".to_owned()) && files.contains(&"newer.env".to_owned()), "{files:?}");
}
