//! Shared parts of the tests under fire: clients at full rate, and the facts that are certain at any moment.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod proxy;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use crate::support::{self, Server};

/// True in the run of `cargo xtask test --long`.
pub(crate) fn is_long() -> bool {
    std::env::var_os("DOORWARD_TEST_LONG").is_some()
}

/// A connection that is kept open.
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) stream: Option<TcpStream>,
}

impl Client {
    /// Returns the status of an answer, or `None` if no server answers.
    pub(crate) fn whoami(&mut self, key: &str) -> Option<u16> {
        let answered = self.try_whoami(key);
        if answered.is_none() {
            self.stream = None;
        }
        answered
    }

    /// Asks until the answer has this status.
    pub(crate) fn await_status(&mut self, key: &str, status: u16) {
        support::waits_for(&format!("{} does not answer {status}", self.address), || self.whoami(key) == Some(status));
    }

    fn try_whoami(&mut self, key: &str) -> Option<u16> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, Duration::from_millis(500)).ok()?;
            // If no program listens, a connection may by chance get the target's port as its own, and connect to itself.
            if stream.local_addr().ok()? == self.address {
                return None;
            }
            stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
            stream.set_nodelay(true).ok()?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut()?;
        write!(stream, "GET /v1/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n").ok()?;
        let mut received = Vec::new();
        let mut chunk = [0; 2048];
        loop {
            match stream.read(&mut chunk).ok()? {
                0 => return None,
                count => received.extend_from_slice(chunk.get(..count)?),
            }
            let head = String::from_utf8_lossy(&received);
            if let Some((head, body)) = head.split_once("\r\n\r\n") {
                let length =
                    head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().ok()?;
                if body.len() >= length {
                    return head.get(9..12)?.parse().ok();
                }
            }
        }
    }
}

/// The pause of a client between two rounds in milliseconds, so that several tests can run at the same time.
const REST: u64 = 1;

/// The certain facts: a key is listed as dead only after the command that killed it has returned.
#[derive(Default)]
pub(crate) struct Truth {
    /// The pause of each client between two rounds in milliseconds; zero if load is part of the test.
    rest: AtomicU64,
    pub(crate) dead: RwLock<Vec<String>>,
    pub(crate) current: RwLock<String>,
    pub(crate) stop: AtomicBool,
    pub(crate) sent: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) not_current: AtomicU64,
    pub(crate) stale: Mutex<Vec<String>>,
}

impl Truth {
    /// Returns the facts about clients that rest after each round.
    pub(crate) fn with_rest(current: String) -> Self {
        Self { rest: REST.into(), current: current.into(), ..Self::default() }
    }

    /// Returns the facts about clients that send requests at full rate in the long run, and otherwise rest.
    pub(crate) fn with_load(current: String) -> Self {
        Self { rest: if is_long() { 0 } else { REST }.into(), current: current.into(), ..Self::default() }
    }

    /// From now on, the clients rest after each round.
    pub(crate) fn rest(&self) {
        self.rest.store(REST, Ordering::Relaxed);
    }

    /// Waits until the servers have refused 1,000 requests with dead keys, and accepted 1,000 requests with live keys. A busy
    /// machine takes longer.
    pub(crate) fn await_requests(&self) {
        let enough = |count: &AtomicU64| count.load(Ordering::Relaxed) > 1_000;
        support::waits_for("the servers did not get enough requests", || {
            enough(&self.refused) && enough(&self.accepted)
        });
    }

    /// Sends requests to one server in a loop, with a certainly dead key and with the last known current key.
    pub(crate) fn hammer(&self, address: SocketAddr) {
        let mut client = Client { address, stream: None };
        let mut turn = 0_usize;
        while !self.stop.load(Ordering::Acquire) {
            turn += 1;
            // Read before the request is sent, so that the request begins after the command has returned.
            let dead = {
                let dead = self.dead.read().unwrap();
                // Mostly the newest dead key, since a fault would show there.
                let back = if turn.is_multiple_of(4) { turn % dead.len().max(1) } else { 0 };
                dead.len().checked_sub(1 + back).and_then(|place| dead.get(place).cloned())
            };
            if let Some(key) = dead {
                match client.whoami(&key) {
                    Some(200) => self.stale.lock().unwrap().push(format!("{address} accepted {}", &key[8..18])),
                    Some(401) => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
                    Some(503) => drop(self.not_current.fetch_add(1, Ordering::Relaxed)),
                    Some(other) => self.stale.lock().unwrap().push(format!("{address} answered {other}")),
                    None => std::thread::sleep(Duration::from_millis(20)),
                }
                self.sent.fetch_add(1, Ordering::Relaxed);
            }
            let current = self.current.read().unwrap().clone();
            if client.whoami(&current) == Some(200) {
                self.accepted.fetch_add(1, Ordering::Relaxed);
            }
            match self.rest.load(Ordering::Relaxed) {
                0 => {}
                rest => std::thread::sleep(Duration::from_millis(rest)),
            }
        }
    }
}

/// Runs the command line in this folder.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("DOORWARD_STORE")
        .output()
        .unwrap()
}

pub(crate) fn signal(server: &Server, name: &str) {
    let status = Command::new("kill").args([name, &server.process_id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Stops a process now, and continues it after a while.
pub(crate) fn pause(server: &Server, pause: Duration) {
    signal(server, "-STOP");
    let id = server.process_id().to_string();
    std::thread::spawn(move || {
        std::thread::sleep(pause);
        Command::new("kill").args(["-CONT", &id]).status()
    });
}
