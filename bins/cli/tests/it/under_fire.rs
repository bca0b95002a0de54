//! Two servers and the command line on one file, verifications at full rate, servers paused and killed: no dead key is
//! accepted by a request that was sent after the command which killed it had returned.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward::types::{Clock, SystemClock};

use crate::fire::{Client, Truth, command, pause, signal};
use crate::support::Server;

const REGENERATIONS: u32 = 200;

fn doorward(folder: &Path, arguments: &[&str]) -> (String, Duration) {
    let started = SystemClock.reading();
    let done = command(folder, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    (String::from_utf8(done.stdout).unwrap().trim().to_owned(), SystemClock.reading().raw.since(started.raw))
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
            30 => Some(Duration::from_millis(5_000)),
            _ => None,
        };
        let port = second.address.port();
        if let Some(length) = trouble {
            pause(&second, length);
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
    let (fresh, _) = doorward(server.folder.path(), &["--output", "json", "key", "regenerate", "--yes"]);
    let answer: serde_json::Value = serde_json::from_str(&fresh).unwrap();
    // That it is never longer than W, the simulation shows: it has a clock that no busy machine delays.
    assert!(answer.pointer("/receipt/waited_ms").unwrap().as_u64() >= Some(4_060), "safe, not quick: {answer}");
    assert_eq!(answer.pointer("/receipt/nodes/expired"), Some(&1.into()));

    signal(&server, "-CONT");
    let value = answer.pointer("/value").unwrap().as_str().unwrap();
    let mut client = Client { address: server.address, stream: None };
    // It accepts the old one at no moment, and the new one as soon as it has registered again.
    let mut looks = 0..;
    while client.whoami(value) != Some(200) {
        let status = client.whoami(&old);
        assert!(matches!(status, Some(401 | 503)), "{status:?}");
        assert!(looks.next() < Some(60_000), "the server does not serve again");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(server.send("GET", "/readyz", &[], None).status, 200);
}
