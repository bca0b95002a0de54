//! The bash that a page's commands run in, with an empty folder of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use doorward_docs::page::root;
use rustix::process::{Pid, Signal, kill_process_group};

/// The time that a command may take. Machines that test are slow, and the first program in Go compiles Go's library.
const PATIENCE: Duration = Duration::from_secs(180);

/// The pause between two looks at a program that starts or ends.
const MOMENT: Duration = Duration::from_millis(50);

/// Runs `cargo run --release --bin X -- …` as `X …`, since the tests have built it; what else builds has been built.
const PRELUDE: &str = r#"
cargo() {
    case "$1" in
        build) return 0 ;;
        run) shift ;;
        *) command cargo "$@"; return ;;
    esac
    local program=
    while [ $# -gt 0 ]; do
        case "$1" in
            --bin | --package | -p | --example) program="$2"; shift 2 ;;
            --features) shift 2 ;;
            --release | --quiet | --all-features) shift ;;
            --) shift; break ;;
            *) echo "the docs test does not know: cargo run $*" >&2; return 2 ;;
        esac
    done
    "$program" "$@"
}
"#;

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// A bash that keeps its variables and its folder from command to command. All that it started ends with it.
#[derive(Debug)]
pub(crate) struct Session {
    bash: Child,
    input: ChildStdin,
    answers: Receiver<String>,
    scripts: PathBuf,
    count: usize,
    _folder: tempfile::TempDir,
}

impl Session {
    /// Starts it with these variables.
    pub(crate) fn start(variables: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [page, home, scripts] = ["page", "home", "scripts"].map(|name| folder.path().join(name));
        for made in [&page, &home, &scripts] {
            fs::create_dir(made).unwrap();
        }
        // The packages that pages in JavaScript may import.
        let packages = root().join("bins/server/tests/mcp/node_modules");
        std::os::unix::fs::symlink(packages, folder.path().join("node_modules")).unwrap();
        let mut bash = Command::new("bash");
        let ours =
            std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("DOORWARD_"));
        for name in ours {
            bash.env_remove(name);
        }
        bash.args(["--noprofile", "--norc"])
            .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
            .env("PATH", path())
            .env("HOME", &home)
            .envs([("LANG", "C.UTF-8"), ("NO_COLOR", "1"), ("GOTOOLCHAIN", "local"), ("GO111MODULE", "off")])
            .env("GOCACHE", root().join("target/go"))
            .current_dir(&page)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // So that all of it can be ended.
            .process_group(0);
        let mut bash = bash.spawn().unwrap();
        let lines = BufReader::new(bash.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (sender, answers) = channel();
        std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
        let mut input = bash.stdin.take().unwrap();
        input.write_all(PRELUDE.as_bytes()).unwrap();
        Self { bash, input, answers, scripts, count: 0, _folder: folder }
    }

    /// Runs a command to its end.
    pub(crate) fn run(&mut self, command: &str) -> Result<Outcome, String> {
        let script = self.script(command);
        let status = self.ask(&script, "; printf '%s\\n' \"$?\"")?;
        Ok(Outcome {
            status: status.parse().map_err(|_| status)?,
            output: read(&script, "out"),
            errors: read(&script, "err"),
        })
    }

    /// Starts a program that keeps running, and waits until it serves.
    pub(crate) fn serve(&mut self, command: &str) -> Result<Outcome, String> {
        let script = self.script(command);
        let process = self.ask(&script, " & printf '%s\\n' \"$!\"")?;
        for _ in 0..PATIENCE.as_millis() / MOMENT.as_millis() {
            // Asked before the output is read: the output of a program that had ended is then complete.
            let alive = is_alive(&Path::new("/proc").join(&process));
            let outcome = Outcome { status: 0, output: read(&script, "out"), errors: read(&script, "err") };
            if is_serving(command, &outcome, self.group()) {
                return Ok(outcome);
            }
            if !alive {
                return Err(format!("the program ended:\n{}{}", outcome.output, outcome.errors));
            }
            std::thread::sleep(MOMENT);
        }
        Err(format!("the program does not serve:\n{}{}", read(&script, "out"), read(&script, "err")))
    }

    /// Writes a file beside the page's folder, and returns its path.
    pub(crate) fn file(&mut self, text: &str, extension: &str) -> PathBuf {
        self.count += 1;
        let file = self.scripts.join(self.count.to_string()).with_extension(extension);
        fs::write(&file, text).unwrap();
        file
    }

    fn script(&mut self, command: &str) -> PathBuf {
        self.file(&format!("{command}\n"), "sh")
    }

    /// Has the session run a script, and returns the line that `then` prints.
    fn ask(&mut self, script: &Path, then: &str) -> Result<String, String> {
        let [out, err] = ["out", "err"].map(|extension| script.with_extension(extension));
        for made in [&out, &err] {
            File::create(made).unwrap();
        }
        let [file, out, err] = [script, &out, &err].map(|path| path.display());
        writeln!(self.input, ". {file} > {out} 2> {err} < /dev/null{then}").map_err(|error| error.to_string())?;
        self.answers.recv_timeout(PATIENCE).map_err(|_| {
            format!(
                "no end within {} s, or the shell ended:\n{}{}",
                PATIENCE.as_secs(),
                read(script, "out"),
                read(script, "err")
            )
        })
    }

    fn group(&self) -> u32 {
        self.bash.id()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.bash);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.bash.wait();
        // The next page wants the same ports.
        for _ in 0..200 {
            if members(self.group()).is_empty() {
                return;
            }
            std::thread::sleep(MOMENT);
        }
    }
}

fn read(script: &Path, extension: &str) -> String {
    String::from_utf8_lossy(&fs::read(script.with_extension(extension)).unwrap_or_default()).into_owned()
}

/// The programs that the tests built, and those that `cargo xtask test` installs.
fn path() -> String {
    let built = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    for program in ["doorward", "doorward-server"] {
        assert!(built.join(program).is_file(), "build {program} first: cargo build --workspace --all-features --bins");
    }
    let installed = root().join("target/python/bin");
    let postgres = doorward_test_postgres::programs();
    let own = [built.clone(), built.join("examples"), installed].into_iter().chain(postgres);
    let folders = own.map(|folder| folder.display().to_string());
    let path = std::env::var("PATH").unwrap_or_default();
    Vec::from_iter(folders.chain([path])).join(":")
}

/// Our programs say that they serve: a server once everything is there, after the line about its metrics. Of others, a socket
/// that listens tells it.
fn is_serving(command: &str, outcome: &Outcome, group: u32) -> bool {
    if command.contains("doorward") || command.contains("cargo run") {
        let said = [&outcome.output, &outcome.errors];
        said.iter().any(|text| text.contains("serving address=") || text.contains("listening on"))
    } else {
        let listening = listening();
        members(group).iter().any(|process| sockets(process).iter().any(|socket| listening.contains(socket)))
    }
}

/// The living processes of a group.
fn members(group: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    entries.filter(|process| stat(process).is_some_and(|(state, of)| state != "Z" && of == group.to_string())).collect()
}

fn is_alive(process: &Path) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z")
}

/// The state and the group of a process. They stand after its name, which may hold anything.
fn stat(process: &Path) -> Option<(String, String)> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((state, fields.nth(1)?.to_owned()))
}

/// The numbers of the sockets that listen.
fn listening() -> BTreeSet<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    let fields = rows.map(|row| Vec::from_iter(row.split_whitespace()));
    // Column 3 is the state; 0A is LISTEN. Column 9 is the socket.
    fields
        .filter(|row| row.get(3) == Some(&"0A"))
        .filter_map(|row| row.get(9).map(|socket| (*socket).to_owned()))
        .collect()
}

fn sockets(process: &Path) -> Vec<String> {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let targets = open.filter_map(|file| fs::read_link(file.path()).ok());
    let names =
        targets.filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()));
    names.collect()
}

/// Returns the variables of a page, with a database of its own if it uses PostgreSQL.
pub(crate) fn variables(page: &str, text: &str) -> Vec<(&'static str, String)> {
    const POSTGRES: &str = "DOORWARD_TEST_POSTGRES";
    if !text.contains(POSTGRES) {
        return vec![];
    }
    let Ok(url) = std::env::var(POSTGRES) else {
        panic!("{page} needs PostgreSQL: `cargo xtask test` brings one, or name one in {POSTGRES}");
    };
    let database =
        format!("docs_{}_{}", page.replace(|sign: char| !sign.is_ascii_alphanumeric(), "_"), std::process::id());
    let psql = doorward_test_postgres::programs().unwrap().join("psql");
    let create = format!("create database \"{database}\"");
    assert!(Command::new(psql).args([&url, "--quiet", "--command", &create]).status().unwrap().success());
    // The name of the database stands before the parameters.
    let own = url.replacen("/postgres?", &format!("/{database}?"), 1);
    assert_ne!(own, url, "{POSTGRES} must name the database `postgres`");
    vec![(POSTGRES, own)]
}
