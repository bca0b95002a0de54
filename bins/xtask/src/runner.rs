//! The programs of tests, several at a time: tests that wait, wait side by side.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use cargo_metadata::{Artifact, Message};

use crate::shell;

/// Programs that run at the same time, and the tests that each of them runs at the same time. Most tests wait for other
/// programs and for time to pass, so that these are more than a small machine has cores.
const PROGRAMS: usize = 3;
const THREADS: &str = "4";

/// The packages of the programs that take longest. They begin first.
const LONGEST: [&str; 4] = ["server", "cli", "store-postgres", "auth"];

/// Tests that load every core, fill a disk or look at time as people see it: one at a time, after all others.
const ALONE: [&str; 6] = [
    "broken_premises::",
    "dashboard_browser::",
    "failover_postgres::",
    "full_disk::",
    "under_fire::",
    "under_fire_postgres::",
];

/// A command that runs tests, and its name in the list of failures.
struct Job {
    name: String,
    command: Command,
}

/// Runs the tests with `filter` in their names, or all.
pub(crate) fn run(filter: Option<&str>, environment: &[(&str, &str)]) -> anyhow::Result<()> {
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for artifact in programs()? {
        let mut job = job(&artifact, environment)?;
        job.command.args(filter).args(["--test-threads", THREADS]);
        job.command.args(ALONE.iter().flat_map(|name| ["--skip", name]));
        together.push(job);
        for test in tests(&artifact)? {
            if ALONE.iter().any(|name| test.contains(name)) && filter.is_none_or(|filter| test.contains(filter)) {
                let mut job = self::job(&artifact, environment)?;
                job.command.args(["--exact", &test]);
                alone.push(job);
            }
        }
    }
    let mut documentation = Command::new("cargo");
    documentation.args(["test", "--workspace", "--all-features", "--no-fail-fast", "--doc"]).args(filter);
    documentation.current_dir(shell::root());
    together.push(Job { name: "documentation".into(), command: documentation });
    let mut failed = run_jobs(together, PROGRAMS);
    failed.extend(run_jobs(alone, 1));
    if failed.is_empty() { Ok(()) } else { bail!("these tests failed:\n{}", Vec::from_iter(failed).join("\n")) }
}

/// Builds all tests, and what they run: with the features of every other build of the workspace.
fn programs() -> anyhow::Result<Vec<Artifact>> {
    let build = ["test", "--workspace", "--all-features", "--no-run", "--message-format", "json-render-diagnostics"];
    shell::say(&format!("cargo {}", build.join(" ")));
    let mut build = Command::new("cargo").args(build).current_dir(shell::root()).stdout(Stdio::piped()).spawn()?;
    let output = build.stdout.take().context("no output of cargo")?;
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.profile.test
            && artifact.executable.is_some()
        {
            programs.push(artifact);
        }
    }
    if !build.wait()?.success() {
        bail!("the tests do not build");
    }
    programs.sort_by_key(|artifact| {
        let folder = artifact.manifest_path.parent().and_then(|folder| folder.file_name());
        LONGEST.iter().position(|longest| Some(*longest) == folder).unwrap_or(LONGEST.len())
    });
    Ok(programs)
}

/// The command that runs a program of tests as cargo does.
fn job(artifact: &Artifact, environment: &[(&str, &str)]) -> anyhow::Result<Job> {
    let program = artifact.executable.as_ref().context("no program")?;
    let folder = artifact.manifest_path.parent().context("a manifest is in a folder")?;
    let mut command = Command::new(program);
    command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder).envs(environment.iter().copied());
    let from = folder.strip_prefix(shell::root())?;
    Ok(Job { name: format!("{from}: {}", artifact.target.name), command })
}

/// The names of a program's tests.
fn tests(artifact: &Artifact) -> anyhow::Result<Vec<String>> {
    let mut list = job(artifact, &[])?.command;
    let listed = String::from_utf8(list.args(["--list", "--format", "terse"]).output()?.stdout)?;
    Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// Runs so many at a time, prints the output of each as a whole, and returns the names of what failed.
fn run_jobs(jobs: Vec<Job>, at_a_time: usize) -> BTreeSet<String> {
    let (jobs, failed) = (Mutex::new(jobs.into_iter()), Mutex::new(BTreeSet::new()));
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(mut job) = next() {
                    let names = failures(&mut job);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::print_stdout, reason = "what this program is for")]
fn failures(job: &mut Job) -> Vec<String> {
    let output = match job.command.output() {
        Ok(output) => output,
        Err(error) => return vec![format!("{} cannot be run: {error}", job.name)],
    };
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() && said.starts_with("\nrunning 0 tests\n") {
        return vec![];
    }
    println!("{}\n{said}{errors}", job.name);
    if output.status.success() {
        return vec![];
    }
    let failed = said.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    let mut names: Vec<_> = failed.map(|test| format!("{}: {test}", job.name)).collect();
    if names.is_empty() {
        names.push(format!("{} ended with {}", job.name, output.status));
    }
    names
}
