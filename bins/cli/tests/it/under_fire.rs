//! Two servers and the command line on one file, verifications meanwhile, servers paused and killed: no dead key is accepted by a
//! request that was sent after the killing command had returned. In the long run, the verifications come at full rate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward::types::{Clock, SystemClock};

use crate::fire::{Client, Truth, command, is_long, pause, signal};
use crate::support::{self, Server};

/// The number of changes, and the number of rounds from one trouble to the next. In the usual run, each trouble comes once.
fn rounds() -> (u32, u32) {
    if is_long() { (200, 10) } else { (12, 2) }
}

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
    let truth = Arc::new(Truth::with_load(first.production_key.clone()));
    let hammers: Vec<_> = [first.address, second.address]
        .into_iter()
        .map(|address| {
            let truth = Arc::clone(&truth);
            std::thread::spawn(move || truth.hammer(address))
        })
        .collect();

    let mut quick = Vec::new();
    let (changes, distance) = rounds();
    for round in 0..changes {
        // Sometimes a server is paused during a change, for less or more than its lease, or killed.
        let number = if round % distance == 0 { round / distance % 10 } else { 0 };
        let trouble = match number {
            1 => Some(Duration::from_millis(300)),
            2 => Some(Duration::from_millis(3_500)),
            3 => Some(Duration::from_millis(5_000)),
            _ => None,
        };
        let port = second.address.port();
        if let Some(length) = trouble {
            pause(&second, length);
        }
        if number == 4 {
            drop(second);
            second = Server::beside(&binary, &folder, port);
        }
        let before = truth.current.read().unwrap().clone();
        if round % 10 == 5 {
            // Stage and promote, or create and delete a test key.
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
    truth.await_requests();
    truth.stop.store(true, Ordering::Release);
    for hammer in hammers {
        hammer.join().unwrap();
    }
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    quick.sort_unstable();
    println!(
        "{} regenerations, {} requests with dead keys: {} refused, {} not current; {} accepted of live ones; \
         the command took {:?} in the median",
        changes,
        of(&truth.sent),
        of(&truth.refused),
        of(&truth.not_current),
        of(&truth.accepted),
        quick.get(quick.len() / 2)
    );
    assert_eq!(*truth.stale.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn a_paused_server_is_waited_for_and_wakes_to_503() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_doorward")).with_file_name("doorward-server");
    let server = Server::start_quiet(&binary, tempfile::tempdir().unwrap());
    let old = server.production_key.clone();
    signal(&server, "-STOP");
    let (fresh, _) = doorward(server.folder.path(), &["--output", "json", "key", "regenerate", "--yes"]);
    let answer: serde_json::Value = serde_json::from_str(&fresh).unwrap();
    // The simulation shows that the wait is never longer than W, since no busy machine delays its clock.
    assert!(
        answer.pointer("/receipt/waited_ms").unwrap().as_u64() >= Some(4_060),
        "the change did not wait for the paused server: {answer}"
    );
    assert_eq!(answer.pointer("/receipt/nodes/expired"), Some(&1.into()));

    signal(&server, "-CONT");
    let value = answer.pointer("/value").unwrap().as_str().unwrap();
    let mut client = Client { address: server.address, stream: None };
    // The server never accepts the old key, and accepts the new key as soon as it has registered again.
    support::waits_for("the server does not serve again", || {
        let status = client.whoami(&old);
        assert!(matches!(status, Some(401 | 503)), "{status:?}");
        client.whoami(value) == Some(200)
    });
    support::waits_for("the server is not ready", || server.send("GET", "/readyz", &[], None).status == 200);
}
