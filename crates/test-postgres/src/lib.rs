//! A PostgreSQL of the tests' own: on a free port, in a folder of its own, and gone afterwards.

use std::io::{Read, Seek};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail};

/// Debian keeps the server's programs here, by version, and off the path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The user that the server runs as if we are root: it refuses to be root.
const USER: &str = "postgres";

/// Seconds that starting, stopping and promoting may take: tests that load every core starve it.
const PATIENCE: &str = "300";

/// A server. It stops when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    settings: String,
    environment: Vec<(&'static str, String)>,
}

/// The folder with `initdb` and `pg_ctl`: the newest, if there are several.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let mut installed: Vec<PathBuf> = installed.collect();
    installed.sort();
    installed.into_iter().rev().chain(std::env::split_paths(&path)).find(|folder| folder.join("initdb").is_file())
}

/// Returns a port on 127.0.0.1 for a program that takes none of the system's choice: free now, not returned before, and
/// not one that the system gives to connections meanwhile.
///
/// # Errors
///
/// Fails if no port is free.
pub fn free_port() -> std::io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Programs of tests that run side by side begin at different places.
        let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(101));
        let port = 20_000 + (number % 12_000) as u16;
        match TcpListener::bind(("127.0.0.1", port)) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            bound => return bound.map(|_| port),
        }
    }
}

impl Cluster {
    /// Makes and starts one, with these settings beside the usual ones.
    ///
    /// # Errors
    ///
    /// Fails if PostgreSQL's programs are missing, or if the server does not start.
    pub fn start(settings: &[&str]) -> anyhow::Result<Self> {
        Self::start_under(settings, vec![])
    }

    /// Makes and starts one, with these variables in the server's environment.
    ///
    /// # Errors
    ///
    /// Fails as [`Cluster::start`] does.
    pub fn start_under(settings: &[&str], environment: Vec<(&'static str, String)>) -> anyhow::Result<Self> {
        let mut cluster = Self::new(settings)?;
        // A collation that sorts as people do, and not by bytes: what holds here holds anywhere.
        let locale = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--encoding=UTF8"];
        cluster.run("initdb", &[&["--auth=trust", "--username=postgres"], &locale[..], &["-D"]].concat())?;
        cluster.environment = environment;
        cluster.start_again()?;
        Ok(cluster)
    }

    fn new(settings: &[&str]) -> anyhow::Result<Self> {
        let programs = programs().context("the programs of PostgreSQL are missing: install the package postgresql")?;
        let folder = tempfile::Builder::new().prefix("doorward-postgres-").tempdir()?;
        if is_root() && !Command::new("chown").arg(USER).arg(folder.path()).status()?.success() {
            bail!("{} cannot be given to {USER}", folder.path().display());
        }
        let port = free_port()?;
        let usual = ["listen_addresses=127.0.0.1", "unix_socket_directories=''", "max_connections=300"];
        let all = usual.iter().chain(settings).map(|setting| format!("-c {setting}"));
        let settings = all.chain([format!("-c port={port}")]).collect::<Vec<_>>().join(" ");
        Ok(Self { programs, folder, port, settings, environment: vec![] })
    }

    /// Starts what was stopped, or crashed.
    ///
    /// # Errors
    ///
    /// Fails if the server does not start.
    pub fn start_again(&self) -> anyhow::Result<()> {
        let log = self.folder.path().join("log").to_string_lossy().into_owned();
        self.run("pg_ctl", &["start", "-w", "-t", PATIENCE, "-s", "-l", &log, "-o", &self.settings, "-D"])
    }

    /// Stops it: `fast` as an operator would, `immediate` as a crash would.
    ///
    /// # Errors
    ///
    /// Fails if the server does not run.
    pub fn stop(&self, mode: &str) -> anyhow::Result<()> {
        self.run("pg_ctl", &["stop", "-w", "-t", PATIENCE, "-s", "-m", mode, "-D"])
    }

    /// Its address, with its superuser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Starts a server that follows this one, called `name` in `synchronous_standby_names`.
    ///
    /// # Errors
    ///
    /// Fails if this server does not run, or if the other does not start.
    pub fn standby(&self, name: &str) -> anyhow::Result<Self> {
        let standby = Self::new(&[])?;
        let source = format!("host=127.0.0.1 port={} user=postgres application_name={name}", self.port);
        standby.run("pg_basebackup", &["-R", "-c", "fast", "-d", &source, "-D"])?;
        standby.start_again()?;
        Ok(standby)
    }

    /// Makes a standby the primary.
    ///
    /// # Errors
    ///
    /// Fails if this server is no standby.
    pub fn promote(&self) -> anyhow::Result<()> {
        self.run("pg_ctl", &["promote", "-w", "-t", PATIENCE, "-s", "-D"])
    }

    /// Runs one of its programs. The last argument is the folder of its data.
    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let program = self.programs.join(program);
        let mut command = if is_root() { Command::new("runuser") } else { Command::new(&program) };
        if is_root() {
            command.args(["-u", USER, "--"]).arg(&program);
        }
        command.args(arguments).arg(self.folder.path().join("data")).current_dir(self.folder.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // A server that outlives the command must not hold its output open.
        let mut errors = tempfile::tempfile()?;
        let status = command.stdout(std::process::Stdio::null()).stderr(errors.try_clone()?).status()?;
        if !status.success() {
            let mut said = String::new();
            errors.rewind()?;
            errors.read_to_string(&mut said)?;
            bail!("{} failed: {said}", program.display());
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may be stopped already.
        let _ = self.stop("immediate");
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
