//! Runs the test programs in parallel, so that waiting tests wait at the same time.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use cargo_metadata::{Artifact, Message};

use crate::shell;
use crate::times::Times;

/// The number of programs that run at the same time, and the number of tests that each runs at the same time. Most tests wait for
/// other programs or for time to pass, so both are more than a small machine's cores.
const PROGRAMS: usize = 3;
const THREADS: &str = "4";

/// The packages with the slowest test programs. They start first.
const SLOW: [&str; 5] = ["server", "store-postgres", "cli", "auth", "docs"];

/// Tests that ask programs that give up after seconds, such as browsers. They run after most others, in two lanes, each one at
/// a time: the pages of the documentation need the same ports.
const LANES: [&str; 2] = ["dashboard_browser::", "documented::pages::"];

/// Tests that load every core, fill a disk, or stop databases. They run one at a time, after all others.
const ALONE: [&str; 5] =
    ["broken_premises::", "failover_postgres::", "full_disk::", "under_fire::", "under_fire_postgres::"];

/// The number of test programs in the list of the slowest.
const SLOWEST: usize = 10;

/// A command that runs tests, and its name in the list of failures.
struct Job {
    name: String,
    command: Command,
}

/// Runs built tests with `filter` in their names, or all tests.
pub(crate) fn run(
    built: &[Artifact],
    filter: Option<&str>,
    environment: &[(&str, &str)],
    times: &Times,
) -> anyhow::Result<()> {
    let Jobs { together, lanes, alone } = jobs(built, filter, environment)?;
    let programs = Times::default();
    let mut failed = times.of("tests side by side", || run_jobs(together, PROGRAMS, &programs));
    failed.extend(times.of("tests in two lanes", || {
        std::thread::scope(|scope| {
            let lanes = lanes.map(|lane| scope.spawn(|| run_jobs(lane, 1, &programs)));
            lanes
                .map(|lane| lane.join().unwrap_or_else(|_| ["a lane panicked".to_owned()].into()))
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        })
    }));
    failed.extend(times.of("tests one at a time", || run_jobs(alone, 1, &programs)));
    programs.print_slowest("the seconds of the slowest test programs:", SLOWEST);
    if failed.is_empty() { Ok(()) } else { bail!("these tests failed:\n{}", Vec::from_iter(failed).join("\n")) }
}

/// The jobs, by the company that they bear.
#[derive(Default)]
struct Jobs {
    together: Vec<Job>,
    lanes: [Vec<Job>; LANES.len()],
    alone: Vec<Job>,
}

fn jobs(built: &[Artifact], filter: Option<&str>, environment: &[(&str, &str)]) -> anyhow::Result<Jobs> {
    let mut jobs = Jobs::default();
    for program in built {
        let mut job = job(program, environment)?;
        job.command.args(filter).args(["--test-threads", THREADS]);
        job.command.args(LANES.iter().chain(&ALONE).flat_map(|name| ["--skip", name]));
        jobs.together.push(job);
        for test in tests(program)?.into_iter().filter(|test| filter.is_none_or(|filter| test.contains(filter))) {
            let lane = LANES.iter().position(|name| test.contains(name)).and_then(|lane| jobs.lanes.get_mut(lane));
            let list = match lane {
                Some(lane) => lane,
                None if ALONE.iter().any(|name| test.contains(name)) => &mut jobs.alone,
                None => continue,
            };
            let mut job = self::job(program, environment)?;
            job.name = format!("{}, {test}", job.name);
            job.command.args(["--exact", &test]);
            list.push(job);
        }
    }
    jobs.together.push(documentation(filter));
    Ok(jobs)
}

/// Returns the job of the examples in the documentation of items.
fn documentation(filter: Option<&str>) -> Job {
    let mut command = Command::new("cargo");
    command.args(["test", "--workspace", "--all-features", "--no-fail-fast", "--doc"]).args(filter);
    command.current_dir(shell::root());
    Job { name: "documentation".into(), command }
}

/// Builds all tests and the programs that they run, with the features of the other builds.
pub(crate) fn build() -> anyhow::Result<Vec<Artifact>> {
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
        SLOW.iter().position(|slow| Some(*slow) == folder).unwrap_or(SLOW.len())
    });
    Ok(programs)
}

/// Returns the command that runs a test program as cargo does.
fn job(artifact: &Artifact, environment: &[(&str, &str)]) -> anyhow::Result<Job> {
    let program = artifact.executable.as_ref().context("no program")?;
    let folder = artifact.manifest_path.parent().context("a manifest is in a folder")?;
    let mut command = Command::new(program);
    command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder).envs(environment.iter().copied());
    let from = folder.strip_prefix(shell::root())?;
    Ok(Job { name: format!("{from}: {}", artifact.target.name), command })
}

/// Returns the names of a program's tests.
fn tests(artifact: &Artifact) -> anyhow::Result<Vec<String>> {
    let mut list = job(artifact, &[])?.command;
    let listed = String::from_utf8(list.args(["--list", "--format", "terse"]).output()?.stdout)?;
    Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// Runs this many jobs at a time and prints the output of each in one piece. Returns the names of the failed tests.
fn run_jobs(jobs: Vec<Job>, at_a_time: usize, times: &Times) -> BTreeSet<String> {
    let (jobs, failed) = (Mutex::new(jobs.into_iter()), Mutex::new(BTreeSet::new()));
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(mut job) = next() {
                    let names = times.of(&job.name.clone(), || failures(&mut job));
                    failed.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::print_stdout, reason = "this program prints its results")]
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
