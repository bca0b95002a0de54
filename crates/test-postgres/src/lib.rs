//! A PostgreSQL server for tests: on a free port, in its own folder, removed afterwards.

mod patroni;

use std::fs::File;
use std::io::{Read, Seek};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};

pub use crate::patroni::Patroni;

/// Debian keeps the server's programs here, by version, and not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The user that the server runs as if the tests run as root: PostgreSQL refuses to run as root.
const USER: &str = "postgres";

/// The timeout in seconds for starting, stopping and promoting: tests that load every core slow the server down.
const PATIENCE: &str = "300";

/// A running server. It stops on drop.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    settings: String,
    environment: Vec<(&'static str, String)>,
}

/// Returns the folder with `initdb` and `pg_ctl`: the newest, if there are several.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let mut installed: Vec<PathBuf> = installed.collect();
    installed.sort();
    installed.into_iter().rev().chain(std::env::split_paths(&path)).find(|folder| folder.join("initdb").is_file())
}

/// Returns a free port on 127.0.0.1, for a program that cannot let the system choose. No other process of the tests gets the
/// port while this process lives, and it is outside the system's range for outgoing connections.
///
/// # Errors
///
/// Fails if no port is free.
pub fn free_port() -> std::io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static CLAIMS: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let claims = std::env::temp_dir().join("doorward-test-ports");
    std::fs::create_dir_all(&claims)?;
    loop {
        // Test programs that run at the same time begin at different ports.
        let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(101));
        let port = 20_000 + (number % 12_000) as u16;
        let claim = File::options().create(true).truncate(false).write(true).open(claims.join(port.to_string()))?;
        if claim.try_lock().is_err() {
            continue;
        }
        match TcpListener::bind(("127.0.0.1", port)) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            bound => {
                CLAIMS.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
                return bound.map(|_| port);
            }
        }
    }
}

impl Cluster {
    /// Creates and starts a server, with these settings in addition to the usual ones.
    ///
    /// # Errors
    ///
    /// Fails if PostgreSQL's programs are missing, or if the server does not start.
    pub fn start(settings: &[&str]) -> anyhow::Result<Self> {
        Self::start_under(settings, vec![])
    }

    /// Creates and starts a server, with these variables in its environment.
    ///
    /// # Errors
    ///
    /// Fails like [`Cluster::start`].
    pub fn start_under(settings: &[&str], environment: Vec<(&'static str, String)>) -> anyhow::Result<Self> {
        let mut cluster = Self::new(settings)?;
        // A collation that sorts as people do, not by bytes. The engine must not depend on the collation.
        let locale = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--encoding=UTF8"];
        // A server that outlives no test needs no sync to the disk.
        let quick = ["--auth=trust", "--username=postgres", "--no-sync"];
        cluster.run("initdb", &[&quick, &locale[..], &["-D"]].concat())?;
        cluster.environment = environment;
        cluster.start_at_a_free_port()?;
        Ok(cluster)
    }

    /// Starts the server for the first time. Another program may have taken the port meanwhile.
    fn start_at_a_free_port(&mut self) -> anyhow::Result<()> {
        while let Err(error) = self.start_again() {
            if !format!("{error:#}").contains("Address already in use") {
                return Err(error);
            }
            self.port = free_port()?;
            std::fs::remove_file(self.log())?;
        }
        Ok(())
    }

    fn new(settings: &[&str]) -> anyhow::Result<Self> {
        let programs = programs().context("the programs of PostgreSQL are missing: install the package postgresql")?;
        let folder = tempfile::Builder::new().prefix("doorward-postgres-").tempdir()?;
        if is_root() && !Command::new("chown").arg(USER).arg(folder.path()).status()?.success() {
            bail!("{} cannot be given to {USER}", folder.path().display());
        }
        let usual = ["listen_addresses=127.0.0.1", "unix_socket_directories=''", "max_connections=300"];
        let all = usual.iter().chain(settings).map(|setting| format!("-c {setting}"));
        let settings = all.collect::<Vec<_>>().join(" ");
        Ok(Self { programs, folder, port: free_port()?, settings, environment: vec![] })
    }

    /// Starts the server again after a stop or a crash.
    ///
    /// # Errors
    ///
    /// Fails if the server does not start.
    pub fn start_again(&self) -> anyhow::Result<()> {
        let path = self.log();
        let (log, settings) = (path.to_string_lossy(), format!("{} -c port={}", self.settings, self.port));
        let started = self.run("pg_ctl", &["start", "-w", "-t", PATIENCE, "-s", "-l", &log, "-o", &settings, "-D"]);
        started.with_context(|| format!("its log: {}", std::fs::read_to_string(&path).unwrap_or_default()))
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Stops the server: `fast` as an operator would, `immediate` like a crash.
    ///
    /// # Errors
    ///
    /// Fails if the server does not run.
    pub fn stop(&self, mode: &str) -> anyhow::Result<()> {
        self.run("pg_ctl", &["stop", "-w", "-t", PATIENCE, "-s", "-m", mode, "-D"])
    }

    /// Returns the URL with the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Starts a standby of this server, called `name` in `synchronous_standby_names`.
    ///
    /// # Errors
    ///
    /// Fails if this server does not run, or if the standby does not start.
    pub fn standby(&self, name: &str) -> anyhow::Result<Self> {
        let mut standby = Self::new(&[])?;
        let source = format!("host=127.0.0.1 port={} user=postgres application_name={name}", self.port);
        standby.run("pg_basebackup", &["-R", "--no-sync", "-c", "fast", "-d", &source, "-D"])?;
        standby.start_at_a_free_port()?;
        Ok(standby)
    }

    /// Promotes a standby to primary.
    ///
    /// # Errors
    ///
    /// Fails if this server is not a standby.
    pub fn promote(&self) -> anyhow::Result<()> {
        self.run("pg_ctl", &["promote", "-w", "-t", PATIENCE, "-s", "-D"])
    }

    /// Runs one of PostgreSQL's programs. The last argument is the data folder.
    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let program = self.programs.join(program);
        let mut command = if is_root() { Command::new("runuser") } else { Command::new(&program) };
        if is_root() {
            command.args(["-u", USER, "--"]).arg(&program);
        }
        command.args(arguments).arg(self.folder.path().join("data")).current_dir(self.folder.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // The server outlives the command, and must not keep the command's output open.
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
        // The server may be stopped already.
        let _ = self.stop("immediate");
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
