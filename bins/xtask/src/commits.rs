//! The form of commit messages, which `git log` shows as documentation.

use anyhow::bail;

use crate::shell;

/// The longest subject that `git log --oneline` shows completely on 80 columns.
const SUBJECT: usize = 72;

/// The maximum number of commits to check since the last tag. Older commits were checked when they were new.
const LATEST: &str = "-50";

/// Separators that no message contains: between subject and body, and after each commit.
const FIELD: char = '\u{1f}';
const RECORD: char = '\u{1e}';

/// Fails if a commit since the last tag has a long subject or no body. Merges are left out, and so are commits from before this
/// check. A checkout without history has nothing to check, and a shallow checkout has its newest commits.
pub(crate) fn check() -> anyhow::Result<()> {
    let range = match shell::output("git", &["describe", "--tags", "--abbrev=0"]).or_else(|_| first_checked()) {
        Ok(commit) if !commit.trim().is_empty() => format!("{}..HEAD", commit.trim()),
        _ => "HEAD".to_owned(),
    };
    let Ok(log) = shell::output("git", &["log", "--no-merges", LATEST, "--format=%h %s%x1f%b%x1e", &range]) else {
        shell::say("no commits to check: this checkout has no history");
        return Ok(());
    };
    let faults = faults(&log);
    if faults.is_empty() { Ok(()) } else { bail!("these commits need `git commit --amend`:\n{}", faults.join("\n")) }
}

/// Returns the commit that brought this file.
fn first_checked() -> anyhow::Result<String> {
    shell::output("git", &["log", "--diff-filter=A", "--format=%h", "-1", "--", file!()])
}

fn faults(log: &str) -> Vec<String> {
    let commits = log.split(RECORD).filter_map(|commit| commit.trim_start().split_once(FIELD));
    let faults = commits.filter_map(|(line, body)| {
        let length = line.split_once(' ')?.1.chars().count();
        if length > SUBJECT {
            Some(format!("{line}: the subject has {length} characters, at most {SUBJECT} are allowed"))
        } else if body.trim().is_empty() {
            Some(format!("{line}: the body, which says why, is missing"))
        } else {
            None
        }
    });
    faults.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_short_and_bodies_say_why() {
        assert!(faults("").is_empty());
        assert!(faults("a1b2c3d Limit the page's scans\u{1f}They had no budget.\n\u{1e}\n").is_empty());
        let long = format!("a1b2c3d {}\u{1f}Why.\n\u{1e}\n", "x".repeat(SUBJECT + 1));
        assert!(faults(&long).first().unwrap().contains("73 characters"));
        let bare = "a1b2c3d Fix it\u{1f}\n\u{1e}\nd4e5f6a Say why\u{1f}Since.\n\u{1e}\n";
        assert_eq!(faults(bare).len(), 1);
    }
}
