//! Two servers and the command line on one file, verifications at full rate, servers paused and killed: no dead key is
//! accepted by a request that was sent after the command which killed it had returned.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../server/tests/support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use doorward::types::{Clock, SystemClock};
use support::Server;

const REGENERATIONS: u32 = 200;

/// One connection that is used again and again.
struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Client {
    /// The status of an answer; none where there is no server, or it does not answer.
    fn whoami(&mut self, key: &str) -> Option<u16> {
        let answered = self.try_whoami(key);
        if answered.is_none() {
            self.stream = None;
        }
        answered
    }

    fn try_whoami(&mut self, key: &str) -> Option<u16> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, Duration::from_millis(500)).ok()?;
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

/// What is certain at any moment: a key is put among the dead only after the command that killed it has returned.
#[derive(Default)]
struct Truth {
    dead: RwLock<Vec<String>>,
    current: RwLock<String>,
    stop: AtomicBool,
    sent: AtomicU64,
    refused: AtomicU64,
    accepted: AtomicU64,
    not_current: AtomicU64,
    stale: Mutex<Vec<String>>,
}

impl Truth {
    /// Asks one server, again and again, for a key that is dead for certain and for the one that was current last.
    fn hammer(&self, address: SocketAddr) {
        let mut client = Client { address, stream: None };
        let mut turn = 0_usize;
        while !self.stop.load(Ordering::Acquire) {
            turn += 1;
            // Read before the request is sent, so that the request begins after the command has returned.
            let dead = {
                let dead = self.dead.read().unwrap();
                // The newest most often: that is where a slip would be.
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
        }
    }
}

fn doorward(folder: &Path, arguments: &[&str]) -> (String, Duration) {
    let started = SystemClock.reading();
    let done = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("DOORWARD_STORE")
        .output()
        .unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    (String::from_utf8(done.stdout).unwrap().trim().to_owned(), SystemClock.reading().raw.since(started.raw))
}

fn signal(server: &Server, name: &str) {
    let status = Command::new("kill").args([name, &server.process_id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn no_dead_key_is_accepted_whatever_happens_to_the_servers() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_doorward")).with_file_name("doorward-server");
    assert!(binary.exists(), "build it first: cargo build --bins");
    let first = Server::start_quiet(&binary, tempfile::tempdir().unwrap());
    let folder = first.folder.path().to_owned();
    let mut second = Server::beside(&binary, &folder, 0);
    let truth = Arc::new(Truth::default());
    *truth.current.write().unwrap() = first.production_key.clone();
    let hammers: Vec<_> = [first.address, second.address]
        .into_iter()
        .map(|address| {
            let truth = Arc::clone(&truth);
            std::thread::spawn(move || truth.hammer(address))
        })
        .collect();

    let mut quick = Vec::new();
    for round in 0..REGENERATIONS {
        // Now and then a server is paused in the middle, for less or for more than its lease, or killed.
        let trouble = match round % 100 {
            10 => Some(Duration::from_millis(300)),
            20 => Some(Duration::from_millis(3_500)),
            30 => Some(Duration::from_millis(6_000)),
            _ => None,
        };
        let port = second.address.port();
        if let Some(pause) = trouble {
            signal(&second, "-STOP");
            let id = second.process_id().to_string();
            std::thread::spawn(move || {
                std::thread::sleep(pause);
                Command::new("kill").args(["-CONT", &id]).status()
            });
        }
        if round % 100 == 40 {
            drop(second);
            second = Server::beside(&binary, &folder, port);
        }
        let before = truth.current.read().unwrap().clone();
        if round % 10 == 5 {
            // Staged and promoted, or a test key that comes and goes.
            let (staged, _) = doorward(&folder, &["key", "stage"]);
            doorward(&folder, &["key", "regenerate", "--yes"]);
            truth.dead.write().unwrap().push(before);
            *truth.current.write().unwrap() = staged;
        } else {
            let (fresh, took) = doorward(&folder, &["key", "regenerate", "--yes"]);
            truth.dead.write().unwrap().push(before);
            *truth.current.write().unwrap() = fresh;
            if trouble.is_none() {
                quick.push(took);
            }
        }
    }
    truth.stop.store(true, Ordering::Release);
    for hammer in hammers {
        hammer.join().unwrap();
    }
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    quick.sort_unstable();
    println!(
        "{REGENERATIONS} regenerations, {} requests with dead keys: {} refused, {} not current; {} accepted of live ones; \
         the command took {:?} in the median",
        of(&truth.sent),
        of(&truth.refused),
        of(&truth.not_current),
        of(&truth.accepted),
        quick.get(quick.len() / 2)
    );
    assert_eq!(*truth.stale.lock().unwrap(), Vec::<String>::new());
    assert!(of(&truth.refused) > 1_000 && of(&truth.accepted) > 1_000, "the servers were to be asked at full rate");
}

#[test]
fn a_paused_server_is_waited_for_and_wakes_to_503() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_doorward")).with_file_name("doorward-server");
    let server = Server::start_quiet(&binary, tempfile::tempdir().unwrap());
    let old = server.production_key.clone();
    signal(&server, "-STOP");
    let (fresh, took) = doorward(server.folder.path(), &["--output", "json", "key", "regenerate", "--yes"]);
    let answer: serde_json::Value = serde_json::from_str(&fresh).unwrap();
    assert!(took >= Duration::from_millis(4_060), "safe, not quick: {took:?}");
    assert!(took < Duration::from_millis(6_000), "never longer than W: {took:?}");
    assert_eq!(answer.pointer("/receipt/nodes/expired"), Some(&1.into()));

    signal(&server, "-CONT");
    let value = answer.pointer("/value").unwrap().as_str().unwrap();
    let mut client = Client { address: server.address, stream: None };
    // It accepts the old one at no moment, and the new one as soon as it has registered anew.
    let accepted = (0..2_000).find(|_| {
        let status = client.whoami(&old);
        assert!(matches!(status, Some(401 | 503)), "{status:?}");
        client.whoami(value) == Some(200)
    });
    assert!(accepted.is_some());
    assert_eq!(server.send("GET", "/readyz", &[], None).status, 200);
}
