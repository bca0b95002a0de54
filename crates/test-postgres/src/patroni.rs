//! Three servers that Patroni keeps: one leads, one follows synchronously, and etcd says which.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::{USER, free_port, is_root, programs};

/// The seconds after which a leader that does not renew its claim is replaced. Patroni's own default is 30.
const TTL: u32 = 10;

/// The pause between two looks at the cluster.
const PAUSE: Duration = Duration::from_millis(100);

/// A cluster of three members. It stops on drop.
#[derive(Debug)]
pub struct Patroni {
    folder: tempfile::TempDir,
    etcd: Child,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    port: u16,
    api: u16,
    process: Child,
}

impl Patroni {
    /// Creates and starts a cluster. Returns once it has a leader and a synchronous standby.
    ///
    /// # Errors
    ///
    /// Fails if Patroni, etcd or PostgreSQL are missing.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("doorward-patroni-").tempdir()?;
        if is_root() && !Command::new("chown").arg(USER).arg(folder.path()).status()?.success() {
            bail!("{} cannot be given to {USER}", folder.path().display());
        }
        let (clients, peers) = (free_port()?, free_port()?);
        let urls = [format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}")];
        let own =
            ["--listen-client-urls", &urls[0], "--advertise-client-urls", &urls[0], "--listen-peer-urls", &urls[1]];
        let data = folder.path().join("etcd").to_string_lossy().into_owned();
        let etcd = run(&folder, "etcd", &[&own[..], &["--data-dir", &data, "--unsafe-no-fsync"]].concat())?;
        let mut members = Vec::new();
        for number in 1..=3 {
            let (name, port, api) = (format!("n{number}"), free_port()?, free_port()?);
            std::fs::write(folder.path().join(format!("{name}.yml")), settings(&folder, &name, port, api, clients)?)?;
            let process = member(&folder, &name)?;
            members.push(Member { name, port, api, process });
        }
        let cluster = Self { folder, etcd, members };
        cluster.await_standby();
        Ok(cluster)
    }

    /// Returns the URL of a store that knows all members.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.members.iter().map(|member| format!("127.0.0.1:{}", member.port)).collect();
        format!("postgres://postgres@{}/postgres?sslmode=disable&connect_timeout=2", hosts.join(","))
    }

    /// Returns the name of the leader, if the cluster has one.
    #[must_use]
    pub fn leader(&self) -> Option<String> {
        self.with_role("leader")
    }

    fn with_role(&self, role: &str) -> Option<String> {
        let found = self.members.iter().find_map(|member| http(member.api, "GET", "/cluster", ""))?;
        let members = found.get("members")?.as_array()?;
        let is_running = |member: &&Value| {
            member.get("role").is_some_and(|is| is == role) && member.get("state").is_some_and(|is| is == "running")
        };
        Some(members.iter().find(is_running)?.get("name")?.as_str()?.to_owned())
    }

    /// Waits until there are a leader and a synchronous standby.
    pub fn await_standby(&self) {
        while self.with_role("leader").is_none() || self.with_role("sync_standby").is_none() {
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until another member than this one leads. Returns its name.
    #[must_use]
    pub fn await_leader_after(&self, former: &str) -> String {
        loop {
            match self.leader() {
                Some(leader) if leader != former => return leader,
                _ => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Has the leader hand over to the synchronous standby. Returns the name of the former leader.
    ///
    /// # Errors
    ///
    /// Fails if there is no leader.
    pub fn switch_over(&self) -> anyhow::Result<String> {
        let leader = self.leader().context("the cluster has no leader")?;
        let member = self.member(&leader)?;
        let asked = format!("{{\"leader\":\"{leader}\"}}");
        let _ = http(member.api, "POST", "/switchover", &asked);
        Ok(leader)
    }

    /// Kills the leader's PostgreSQL and its Patroni, as a power cut would. Returns its name.
    ///
    /// # Errors
    ///
    /// Fails if there is no leader.
    pub fn kill_leader(&mut self) -> anyhow::Result<String> {
        let leader = self.leader().context("the cluster has no leader")?;
        let pid = std::fs::read_to_string(self.folder.path().join(&leader).join("postmaster.pid"))?;
        let pid = pid.lines().next().unwrap_or_default().to_owned();
        let place = self.members.iter().position(|member| member.name == leader).context("it is a member")?;
        let patroni = self.members.get_mut(place).context("it is a member")?;
        // Patroni first, which would start the server again.
        kill_tree(&patroni.process);
        let _ = patroni.process.wait();
        Command::new("kill").args(["-KILL", &pid]).status()?;
        Ok(leader)
    }

    /// Starts a member that was killed. Returns once there is a synchronous standby.
    ///
    /// # Errors
    ///
    /// Fails if Patroni cannot be run.
    pub fn start_again(&mut self, name: &str) -> anyhow::Result<()> {
        let process = member(&self.folder, name)?;
        let place = self.members.iter().position(|member| member.name == name).context("it is a member")?;
        self.members.get_mut(place).context("it is a member")?.process = process;
        self.await_standby();
        Ok(())
    }

    fn member(&self, name: &str) -> anyhow::Result<&Member> {
        self.members.iter().find(|member| member.name == name).context("it is a member")
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for member in &mut self.members {
            kill_tree(&member.process);
            let _ = member.process.wait();
            let pid = std::fs::read_to_string(self.folder.path().join(&member.name).join("postmaster.pid"));
            if let Some(pid) = pid.ok().as_deref().and_then(|text| text.lines().next()) {
                let _ = Command::new("kill").args(["-KILL", pid]).status();
            }
        }
        kill_tree(&self.etcd);
        let _ = self.etcd.wait();
    }
}

/// Kills a process and its children: a program that changes the user stays as the parent of the program that it runs.
fn kill_tree(process: &Child) {
    let id = process.id().to_string();
    let _ = Command::new("pkill").args(["-KILL", "-P", &id]).status();
    let _ = Command::new("kill").args(["-KILL", &id]).status();
}

fn member(folder: &tempfile::TempDir, name: &str) -> anyhow::Result<Child> {
    run(folder, "patroni", &[&format!("{name}.yml")])
}

/// Starts a program of the cluster, as the user of PostgreSQL.
fn run(folder: &tempfile::TempDir, program: &str, arguments: &[&str]) -> anyhow::Result<Child> {
    let mut command = if is_root() { Command::new("runuser") } else { Command::new(program) };
    if is_root() {
        command.args(["-u", USER, "--", program]);
    }
    let log = std::fs::File::options().create(true).append(true).open(folder.path().join("log"))?;
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
    command.stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("{program} cannot be run: `cargo xtask test` installs it"))
}

fn settings(folder: &tempfile::TempDir, name: &str, port: u16, api: u16, etcd: u16) -> anyhow::Result<String> {
    let programs = programs().context("the programs of PostgreSQL are missing: install the package postgresql")?;
    let (folder, programs) = (folder.path().display(), programs.display());
    Ok(format!(
        "scope: keys
name: {name}
restapi: {{listen: \"127.0.0.1:{api}\", connect_address: \"127.0.0.1:{api}\"}}
etcd3: {{hosts: \"127.0.0.1:{etcd}\"}}
bootstrap:
  dcs:
    ttl: {TTL}
    loop_wait: 1
    retry_timeout: 3
    synchronous_mode: true
    postgresql: {{use_pg_rewind: true, parameters: {{max_connections: 100}}}}
  initdb: [{{encoding: UTF8}}, {{auth: trust}}, data-checksums]
  pg_hba: [\"host all all 127.0.0.1/32 trust\", \"host replication all 127.0.0.1/32 trust\"]
postgresql:
  listen: \"127.0.0.1:{port}\"
  connect_address: \"127.0.0.1:{port}\"
  data_dir: {folder}/{name}
  bin_dir: {programs}
  pgpass: {folder}/pgpass-{name}
  authentication:
    superuser: {{username: postgres, password: none}}
    replication: {{username: postgres, password: none}}
    rewind: {{username: postgres, password: none}}
  parameters: {{unix_socket_directories: \"{folder}\"}}
"
    ))
}

/// Asks a member's API. Returns the answer if it is JSON.
fn http(port: u16, method: &str, path: &str, body: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}
