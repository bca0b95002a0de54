//! Runs the test programs in parallel, so that waiting tests wait at the same time.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use cargo_metadata::camino::Utf8Path;
use cargo_metadata::diagnostic::DiagnosticLevel;
use cargo_metadata::{Artifact, Message};

use crate::shell;
use crate::times::Times;

/// The number of programs that run at the same time, and the number of tests that each runs at the same time. Most tests wait for
/// other programs or for time to pass, so both are more than a small machine's cores.
const PROGRAMS: usize = 3;
const THREADS: &str = "4";

/// The packages with the slowest test programs. They start first.
const SLOW: [&str; 5] = ["server", "store-postgres", "cli", "auth", "docs"];

/// Tests that ask programs that give up after seconds, such as browsers, and tests that wait for databases to fail over. They run
/// after most others, in lanes, each one at a time: the pages of the documentation need the same ports.
const LANES: [&[&str]; 3] = [&["dashboard_browser::"], &["documented::pages::"], &["failover_postgres::", "patroni::"]];

/// Tests that load every core, fill a disk, or stop servers. They run one at a time, after all others.
const ALONE: [&str; 4] = ["broken_premises::", "full_disk::", "under_fire::", "under_fire_postgres::"];

/// The number of test programs in the list of the slowest.
const SLOWEST: usize = 10;

/// The highest number of failures that run once more. More failures have a cause in the code.
const RUN_AGAIN: usize = 3;

/// Tests to run, and their name in the list of failures.
#[derive(Clone)]
struct Job<'a> {
    name: String,
    program: Program<'a>,
    arguments: Vec<String>,
}

#[derive(Clone, Copy)]
enum Program<'a> {
    /// A built test program.
    Built(&'a Artifact, &'a [(&'a str, &'a str)]),
    /// The examples in the documentation of items. Cargo compiles them as it runs them.
    Documentation,
}

/// Runs built tests with `filter` in their names, or all tests. Tests that fail run once more, alone: the list of failures has
/// those that fail again. The others are named, since a test that fails by chance hides faults.
pub(crate) fn run(
    built: &[Artifact],
    filter: Option<&str>,
    environment: &[(&str, &str)],
    times: &Times,
) -> anyhow::Result<()> {
    let Jobs { together, lanes, alone } = jobs(built, filter, environment)?;
    let programs = Times::default();
    let mut failed = times.of("tests side by side", || run_jobs(together, PROGRAMS, &programs));
    failed.extend(times.of("tests in lanes", || {
        std::thread::scope(|scope| {
            let lanes = lanes.map(|lane| scope.spawn(|| run_jobs(lane, 1, &programs)));
            lanes
                .map(|lane| lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        })
    }));
    failed.extend(times.of("tests one at a time", || run_jobs(alone, 1, &programs)));
    programs.print_slowest("the seconds of the slowest test programs:", SLOWEST);
    if failed.len() <= RUN_AGAIN {
        failed = run_again(failed, &programs);
    }
    if failed.is_empty() { Ok(()) } else { bail!("these tests failed:\n{}", names(&failed)) }
}

/// Runs failed tests once more, one at a time. Returns those that fail again.
fn run_again<'a>(failed: Vec<Job<'a>>, times: &Times) -> Vec<Job<'a>> {
    let again = run_jobs(failed.clone(), 1, times);
    let by_chance: Vec<_> =
        failed.into_iter().filter(|job| again.iter().all(|again| !again.name.starts_with(&job.name))).collect();
    if !by_chance.is_empty() {
        shell::say(&format!("these tests failed once and passed alone, so mend them:\n{}", names(&by_chance)));
    }
    again
}

fn names(jobs: &[Job<'_>]) -> String {
    let names: BTreeSet<_> = jobs.iter().map(|job| job.name.as_str()).collect();
    Vec::from_iter(names).join("\n")
}

/// The jobs, by the company that they bear.
#[derive(Default)]
struct Jobs<'a> {
    together: Vec<Job<'a>>,
    lanes: [Vec<Job<'a>>; LANES.len()],
    alone: Vec<Job<'a>>,
}

fn jobs<'a>(
    built: &'a [Artifact],
    filter: Option<&str>,
    environment: &'a [(&'a str, &'a str)],
) -> anyhow::Result<Jobs<'a>> {
    let mut jobs = Jobs::default();
    for artifact in built {
        let program = Program::Built(artifact, environment);
        let name = program.name()?;
        let skipped = LANES.concat().into_iter().chain(ALONE).flat_map(|name| ["--skip", name]);
        let arguments = filter.into_iter().chain(["--test-threads", THREADS]).chain(skipped);
        jobs.together.push(Job { name: name.clone(), program, arguments: arguments.map(str::to_owned).collect() });
        for test in tests(artifact)?.into_iter().filter(|test| filter.is_none_or(|filter| test.contains(filter))) {
            let lane = LANES
                .iter()
                .position(|names| names.iter().any(|name| test.contains(name)))
                .and_then(|lane| jobs.lanes.get_mut(lane));
            let list = match lane {
                Some(lane) => lane,
                None if ALONE.iter().any(|name| test.contains(name)) => &mut jobs.alone,
                None => continue,
            };
            list.push(Job { name: format!("{name}, {test}"), program, arguments: vec!["--exact".into(), test] });
        }
    }
    let filter = filter.map(str::to_owned).into_iter().collect();
    jobs.together.push(Job { name: "documentation".into(), program: Program::Documentation, arguments: filter });
    Ok(jobs)
}

impl Program<'_> {
    /// Returns the package's folder and the program's name.
    fn name(self) -> anyhow::Result<String> {
        Ok(match self {
            Program::Built(artifact, _) => {
                format!("{}: {}", folder(artifact)?.strip_prefix(shell::root())?, artifact.target.name)
            }
            Program::Documentation => "documentation".into(),
        })
    }

    /// Returns the command that runs these tests as cargo does.
    fn command(self) -> anyhow::Result<Command> {
        Ok(match self {
            Program::Built(artifact, environment) => {
                let mut command = Command::new(artifact.executable.as_ref().context("no program")?);
                let folder = folder(artifact)?;
                command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder).envs(environment.iter().copied());
                command
            }
            Program::Documentation => {
                let mut command = shell::linting_cargo()?;
                command.args(["test", "--workspace", "--all-features", "--no-fail-fast", "--doc"]);
                command
            }
        })
    }
}

impl Job<'_> {
    /// Returns the job of one test of this job. The documentation's examples have names that are no filter: all of them run.
    fn of_test(&self, test: &str) -> Self {
        let arguments = match self.program {
            Program::Built(..) => vec!["--exact".into(), test.to_owned()],
            Program::Documentation => self.arguments.clone(),
        };
        Self { name: format!("{}: {test}", self.name), arguments, ..self.clone() }
    }
}

fn folder(artifact: &Artifact) -> anyhow::Result<&Utf8Path> {
    artifact.manifest_path.parent().context("a manifest is in a folder")
}

/// The result of a build.
#[derive(Debug, Default)]
pub(crate) struct Built {
    /// The test programs, the slowest first.
    pub(crate) programs: Vec<Artifact>,
    /// The number of warnings of the compiler and of clippy.
    pub(crate) warnings: usize,
}

/// Builds all programs and tests, with the features of the other builds. The compiler of the workspace's members is clippy's, so
/// that one pass compiles and lints.
pub(crate) fn build() -> anyhow::Result<Built> {
    let mut built = Built::default();
    // The second command alone leaves out programs that no test runs.
    for command in [&["build"][..], &["test", "--no-run"]] {
        let arguments =
            [command, &["--workspace", "--all-features", "--message-format", "json-diagnostic-rendered-ansi"]];
        build_with(&arguments.concat(), &mut built)?;
    }
    built.programs.sort_by_key(|artifact| {
        let folder = artifact.manifest_path.parent().and_then(|folder| folder.file_name());
        SLOW.iter().position(|slow| Some(*slow) == folder).unwrap_or(SLOW.len())
    });
    Ok(built)
}

fn build_with(arguments: &[&str], built: &mut Built) -> anyhow::Result<()> {
    shell::say(&format!("cargo {}", arguments.join(" ")));
    let mut build = shell::linting_cargo()?.args(arguments).stdout(Stdio::piped()).spawn()?;
    let output = build.stdout.take().context("no output of cargo")?;
    for message in Message::parse_stream(BufReader::new(output)) {
        match message? {
            Message::CompilerArtifact(artifact) if artifact.profile.test && artifact.executable.is_some() => {
                built.programs.push(artifact);
            }
            Message::CompilerMessage(compiler) => {
                shell::say_as_it_is(compiler.message.rendered.as_deref().unwrap_or_default());
                built.warnings += usize::from(compiler.message.level == DiagnosticLevel::Warning);
            }
            _ => {}
        }
    }
    if build.wait()?.success() { Ok(()) } else { bail!("cargo {} fails", arguments.join(" ")) }
}

/// Returns the names of a program's tests.
fn tests(artifact: &Artifact) -> anyhow::Result<Vec<String>> {
    let mut list = Program::Built(artifact, &[]).command()?;
    let listed = String::from_utf8(list.args(["--list", "--format", "terse"]).output()?.stdout)?;
    Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// Runs this many jobs at a time and prints the output of each in one piece. Returns a job for each failed test.
fn run_jobs<'a>(jobs: Vec<Job<'a>>, at_a_time: usize, times: &Times) -> Vec<Job<'a>> {
    let (jobs, failed) = (Mutex::new(jobs.into_iter()), Mutex::new(Vec::new()));
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let failures = times.of(&job.name, || failures(&job));
                    failed.lock().unwrap_or_else(PoisonError::into_inner).extend(failures);
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::print_stdout, reason = "this program prints its results")]
fn failures<'a>(job: &Job<'a>) -> Vec<Job<'a>> {
    let output = job.program.command().and_then(|mut command| Ok(command.args(&job.arguments).output()?));
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            println!("{} cannot be run: {error:#}", job.name);
            return vec![job.clone()];
        }
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
    let mut jobs: Vec<_> = failed.map(|test| job.of_test(test)).collect();
    if jobs.is_empty() {
        println!("{} ended with {}", job.name, output.status);
        jobs.push(job.clone());
    }
    jobs
}
