//! Five servers and the command line on one PostgreSQL, behind a proxy that simulates network faults. Servers are paused, killed
//! and started, and the database is restarted and crashed. No dead key is accepted by a request that was sent after the killing
//! command had returned.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward_test_postgres::Cluster;

use crate::fire::{
    Client, Truth, command, is_long, pause,
    proxy::{Proxy, Weather},
};
use crate::support::Server;

const SERVERS: usize = 5;

/// The number of rounds in which each fault comes once.
const FAULTS: usize = 35;

fn rounds() -> usize {
    if is_long() { 1_000 } else { FAULTS }
}

#[test]
fn no_dead_key_is_accepted_whatever_happens_to_servers_network_and_database() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_doorward")).with_file_name("doorward-server");
    assert!(binary.exists(), "build it first: cargo build --bins");
    let cluster = Cluster::start(&[]).unwrap();
    let proxy = Proxy::before(cluster.port());
    let direct = cluster.url();
    let through = direct.replace(&format!("127.0.0.1:{}", cluster.port()), &proxy.address.to_string());
    let folder = tempfile::tempdir().unwrap();
    let doorward = |store: &str, arguments: &[&str]| {
        let done = command(folder.path(), &[&["--store", store], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() {
            eprintln!("{}", text(&done.stderr));
            Ok(text(&done.stdout))
        } else {
            Err(text(&done.stderr))
        }
    };

    let truth = Arc::new(Truth::with_load(doorward(&direct, &["org", "create", "Acme"]).unwrap()));
    let mut servers: Vec<_> = (0..SERVERS).map(|_| Server::on(&binary, &through, 0)).collect();
    let hammers: Vec<_> = servers
        .iter()
        .map(|server| {
            let (truth, address) = (Arc::clone(&truth), server.address);
            std::thread::spawn(move || truth.hammer(address))
        })
        .collect();

    let (failed, unknown) = (AtomicU64::new(0), AtomicU64::new(0));
    // After a failure the outcome is uncertain. Then the change is made directly at the database until it succeeds.
    let regenerate = |store: &str| {
        let before = truth.current.read().unwrap().clone();
        let attempts = std::iter::once(store).chain(std::iter::repeat_n(direct.as_str(), 5));
        let fresh = attempts.map(|store| doorward(store, &["key", "regenerate", "--yes"])).find_map(|made| {
            made.inspect_err(|error| {
                println!("{error}");
                failed.fetch_add(1, Ordering::Relaxed);
                unknown.fetch_add(u64::from(error.contains("is not known")), Ordering::Relaxed);
            })
            .ok()
        });
        truth.dead.write().unwrap().push(before);
        *truth.current.write().unwrap() = fresh.expect("the database is not available");
    };
    for round in 0..rounds() {
        let place = round % SERVERS;
        let server = servers.get(place).unwrap();
        match round % FAULTS {
            3 => pause(server, Duration::from_millis(100)),
            6 => pause(server, Duration::from_millis(3_500)),
            9 => pause(server, Duration::from_secs(20)),
            12 => proxy.turn(Weather::Slow),
            15 => proxy.turn(Weather::ResetAtCommit),
            18 => proxy.turn(Weather::ResetBeforeCommit),
            21 => proxy.cut(),
            24 => {
                // The servers get nothing for longer than a lease, and the change waits for them.
                proxy.turn(Weather::Silent);
                std::thread::scope(|scope| {
                    scope.spawn(|| regenerate(&direct));
                    std::thread::sleep(Duration::from_secs(5));
                    proxy.turn(Weather::Fair);
                });
            }
            27 => {
                // A server is killed, and comes back during a change.
                let port = server.address.port();
                drop(servers.remove(place));
                let back = std::thread::scope(|scope| {
                    let back = scope.spawn(|| Server::on(&binary, &through, port));
                    regenerate(&through);
                    back.join().unwrap()
                });
                servers.insert(place, back);
            }
            30 => {
                cluster.stop("fast").unwrap();
                cluster.start_again().unwrap();
            }
            33 => {
                cluster.stop("immediate").unwrap();
                cluster.start_again().unwrap();
            }
            _ => {}
        }
        regenerate(&through);
        proxy.turn(Weather::Fair);
    }

    // After all faults, every node becomes up to date again.
    truth.rest();
    let current = truth.current.read().unwrap().clone();
    for server in &servers {
        Client { address: server.address, stream: None }.await_status(&current, 200);
    }
    // Without faults, no server answers that it is not current. A busy machine may stop a server for longer than its lease, so
    // there are several attempts. A server without a reason fails in each.
    let is_calm = || {
        let not_current = truth.not_current.load(Ordering::Relaxed);
        (0..10).for_each(|_| regenerate(&direct));
        truth.not_current.load(Ordering::Relaxed) == not_current
    };
    assert!((0..20).any(|_| is_calm()), "a node was not current for no reason");
    truth.await_requests();
    truth.stop.store(true, Ordering::Release);
    hammers.into_iter().for_each(|hammer| hammer.join().unwrap());
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{} regenerations, {} failed at first, {} left the outcome unknown; {} requests with dead \
         keys: {} refused, {} not current; {} accepted of live ones",
        truth.dead.read().unwrap().len(),
        of(&failed),
        of(&unknown),
        of(&truth.sent),
        of(&truth.refused),
        of(&truth.not_current),
        of(&truth.accepted),
    );
    assert_eq!(*truth.stale.lock().unwrap(), Vec::<String>::new());
    assert!(of(&truth.not_current) > 0, "the proxy caused too few faults");
}
