//! Runs programs in the repository.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// Returns the repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Returns cargo's metadata of the workspace's members.
pub(crate) fn metadata() -> anyhow::Result<Metadata> {
    Ok(MetadataCommand::new().current_dir(root()).no_deps().exec()?)
}

/// Prints a progress line.
#[expect(clippy::print_stderr, reason = "this program prints its results")]
pub(crate) fn say(line: &str) {
    eprintln!("xtask: {line}");
}

/// Prints a text of another program.
#[expect(clippy::print_stderr, reason = "this program prints its results")]
pub(crate) fn say_as_it_is(text: &str) {
    eprint!("{text}");
}

/// Returns cargo, with clippy as the compiler of the workspace's members. `cargo clippy` sets the same variable, but
/// here the compiler makes programs too.
pub(crate) fn linting_cargo() -> anyhow::Result<Command> {
    let driver = Path::new(output("rustc", &["--print", "sysroot"])?.trim()).join("bin/clippy-driver");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).env("RUSTC_WORKSPACE_WRAPPER", driver);
    Ok(cargo)
}

/// Runs a program in the repository's root. Fails if the program fails.
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

/// Runs a program like [`run`], with the lowest priority.
pub(crate) fn run_idly(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    run("nice", &[&["-n", "19", program], arguments].concat(), environment)
}

/// Returns the standard output of a program that runs in the repository's root. Fails if the program fails.
pub(crate) fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> anyhow::Result<String> {
    let program = program.as_ref();
    let shown = || format!("{} {}", program.to_string_lossy(), arguments.join(" "));
    let run = Command::new(program).args(arguments).current_dir(root()).output();
    let output = run.with_context(|| format!("{} cannot be run", shown()))?;
    if !output.status.success() {
        bail!("{} ended with {}: {}", shown(), output.status, String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} prints bytes that are not UTF-8", shown()))
}

/// The folder of programs that only this repository uses.
const TOOLS: &str = "target/tools";

/// Returns a program of cargo's registry. Installs it if this version is missing.
pub(crate) fn tool(name: &str, version: &str, options: &[&str]) -> anyhow::Result<PathBuf> {
    let program = root().join(TOOLS).join("bin").join(name);
    if !output(&program, &["--version"]).is_ok_and(|printed| printed.contains(version)) {
        let package = format!("{name}@{version}");
        // Unoptimized: it compiles in a fraction of the time, and runs for seconds.
        let install = [&["install", "--locked", "--quiet", "--debug", "--root", TOOLS], options, &[&package]].concat();
        run_idly("cargo", &install, &[("CARGO_PROFILE_DEV_DEBUG", "0")])
            .with_context(|| format!("{name} is needed"))?;
    }
    Ok(program)
}

/// Returns true if a folder of the path, or cargo's own folder of programs, has the program.
pub(crate) fn has(program: impl AsRef<OsStr>) -> bool {
    let program = program.as_ref();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let cargo = std::env::var_os("CARGO_HOME").map(|home| Path::new(&home).join("bin"));
    std::env::split_paths(&paths).chain(cargo).any(|folder| folder.join(program).is_file())
}

/// Returns true if the program can be run and succeeds.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let silent = || std::process::Stdio::null();
    Command::new(program)
        .args(arguments)
        .stdout(silent())
        .stderr(silent())
        .status()
        .is_ok_and(|status| status.success())
}
