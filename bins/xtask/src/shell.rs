//! Running programs in the repository.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// A line about what happens.
#[expect(clippy::print_stderr, reason = "what this program is for")]
pub(crate) fn say(line: &str) {
    eprintln!("xtask: {line}");
}

/// Runs a program in the repository's root, and fails where it fails.
pub(crate) fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    say(&format!("{program} {}", arguments.join(" ")));
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .with_context(|| format!("{program} cannot be run"))?;
    if status.success() { Ok(()) } else { bail!("{program} {} ended with {status}", arguments.join(" ")) }
}

/// Whether a program is there.
pub(crate) fn has(program: impl AsRef<OsStr>) -> bool {
    let program = program.as_ref();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// Whether a program can be run, and says yes.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let silent = || std::process::Stdio::null();
    Command::new(program)
        .args(arguments)
        .stdout(silent())
        .stderr(silent())
        .status()
        .is_ok_and(|status| status.success())
}
