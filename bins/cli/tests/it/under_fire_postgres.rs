//! Five servers and the command line on one PostgreSQL, behind a proxy that breaks what networks break; servers paused, killed
//! and started; the database restarted and crashed. No dead key is accepted by a request that was sent after the command
//! which killed it had returned.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward_test_postgres::Cluster;

use crate::fire::{
    Client, Truth, command, pause,
    proxy::{Proxy, Weather},
};
use crate::support::Server;

const SERVERS: usize = 5;

fn regenerations() -> usize {
    if std::env::var_os("DOORWARD_TEST_LONG").is_some() { 1_000 } else { 35 }
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

    let truth = Arc::new(Truth::default());
    *truth.current.write().unwrap() = doorward(&direct, &["org", "create", "Acme"]).unwrap();
    let mut servers: Vec<_> = (0..SERVERS).map(|_| Server::on(&binary, &through, 0)).collect();
    let hammers: Vec<_> = servers
        .iter()
        .map(|server| {
            let (truth, address) = (Arc::clone(&truth), server.address);
            std::thread::spawn(move || truth.hammer(address))
        })
        .collect();

    let (failed, unknown) = (AtomicU64::new(0), AtomicU64::new(0));
    // Where it fails, the outcome is uncertain; then the database itself is asked, until one is made for certain.
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
        *truth.current.write().unwrap() = fresh.expect("the database itself is there");
    };
    for round in 0..regenerations() {
        let place = round % SERVERS;
        let server = servers.get(place).unwrap();
        match round % 35 {
            3 => pause(server, Duration::from_millis(100)),
            6 => pause(server, Duration::from_millis(3_500)),
            9 => pause(server, Duration::from_secs(20)),
            12 => proxy.turn(Weather::Slow),
            15 => proxy.turn(Weather::ResetAtCommit),
            18 => proxy.turn(Weather::ResetBeforeCommit),
            21 => proxy.cut(),
            24 => {
                // For longer than a lease, the servers hear nothing; the change waits for them.
                proxy.turn(Weather::Silent);
                std::thread::scope(|scope| {
                    scope.spawn(|| regenerate(&direct));
                    std::thread::sleep(Duration::from_secs(5));
                    proxy.turn(Weather::Fair);
                });
            }
            27 => {
                // One is killed and comes back in the middle of a change.
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

    // When all is well again, every node knows again, if only this machine lets it.
    let current = truth.current.read().unwrap().clone();
    for server in &servers {
        let mut client = Client { address: server.address, stream: None };
        let served = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            client.whoami(&current) == Some(200)
        });
        assert!(served, "{} serves no more", server.address);
    }
    // While nothing is the matter, no one says that it does not know.
    truth.rest.store(1, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(1));
    let not_current = truth.not_current.load(Ordering::Relaxed);
    for _ in 0..20 {
        regenerate(&direct);
    }
    assert_eq!(truth.not_current.load(Ordering::Relaxed), not_current, "a node was not current for no reason");
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
    assert!(of(&truth.refused) > 1_000 && of(&truth.accepted) > 1_000, "the servers were to be asked at full rate");
    assert!(of(&truth.not_current) > 0, "the weather was too good");
}
