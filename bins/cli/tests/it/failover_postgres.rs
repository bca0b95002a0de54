//! Failovers with real servers: to a synchronous standby, which loses nothing; and to an asynchronous one that did not
//! receive the last change, which no node passes over.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test says what it saw")]
#![expect(clippy::disallowed_methods, reason = "real servers are waited for by a real clock")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use doorward_test_postgres::Cluster;
use serde_json::Value;

use crate::fire::{Client, Truth, command};
use crate::programs::server_binary;
use crate::support::Server;

/// A primary with its standby, three servers that know both, and clients that ask them for dead keys at full rate.
struct Site {
    primary: Cluster,
    standby: Cluster,
    url: String,
    folder: tempfile::TempDir,
    servers: Vec<Server>,
    truth: Arc<Truth>,
    hammers: Vec<std::thread::JoinHandle<()>>,
}

impl Site {
    fn new(settings: &[&str]) -> Self {
        let primary = Cluster::start(settings).unwrap();
        let standby = primary.standby("second").unwrap();
        let (first, second) = (primary.port(), standby.port());
        let url = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres?sslmode=disable");
        let folder = tempfile::tempdir().unwrap();
        // Two databases have to do their work beside it.
        let truth = Arc::new(Truth { rest: 1.into(), ..Truth::default() });
        let mut site = Self { primary, standby, url, folder, servers: vec![], truth, hammers: vec![] };
        *site.truth.current.write().unwrap() = site.doorward(&["org", "create", "Acme"]).unwrap();
        site.servers = (0..3).map(|_| Server::on(&server_binary(), &site.url, 0)).collect();
        let hammer = |server: &Server| {
            let (truth, address) = (Arc::clone(&site.truth), server.address);
            std::thread::spawn(move || truth.hammer(address))
        };
        site.hammers = site.servers.iter().map(hammer).collect();
        site
    }

    fn doorward(&self, arguments: &[&str]) -> Result<String, String> {
        let done = command(self.folder.path(), &[&["--store", &self.url], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    /// Whether the command said that the old key is dead.
    fn regenerate(&self) -> bool {
        let made = self.doorward(&["key", "regenerate", "--yes"]);
        match made {
            Ok(fresh) => {
                let mut current = self.truth.current.write().unwrap();
                self.truth.dead.write().unwrap().push(std::mem::replace(&mut current, fresh));
                true
            }
            Err(error) => {
                println!("{error}");
                false
            }
        }
    }

    fn regenerated_events(&self) -> usize {
        let list = self.doorward(&["--output", "json", "audit", "list", "--limit", "10000"]).unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let events = list["data"].as_array().unwrap().iter();
        events.filter(|event| event["action"] == "access_key.regenerated").count()
    }

    /// What each server answers to this key now.
    fn answers(&self, key: &str) -> Vec<Option<u16>> {
        self.servers.iter().map(|server| Client { address: server.address, stream: None }.whoami(key)).collect()
    }

    /// Waits until every server answers so.
    fn await_answers(&self, key: &str, status: u16) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.answers(key).iter().any(|answer| *answer != Some(status)) {
            assert!(Instant::now() < deadline, "{:?} instead of {status}", self.answers(key));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(self) {
        self.truth.stop.store(true, Ordering::Release);
        self.hammers.into_iter().for_each(|hammer| hammer.join().unwrap());
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let (sent, refused, not_current) = (of(&self.truth.sent), of(&self.truth.refused), of(&self.truth.not_current));
        println!("{sent} requests with dead keys: {refused} refused, {not_current} not current");
        assert_eq!(*self.truth.stale.lock().unwrap(), Vec::<String>::new());
        assert!(refused > 1_000, "the servers were to be asked at full rate");
    }
}

#[test]
fn a_failover_to_a_synchronous_standby_loses_nothing() {
    let site = Site::new(&["synchronous_standby_names=second"]);
    let mut certain = 0;
    for _ in 0..5 {
        certain += usize::from(site.regenerate());
    }
    assert_eq!(certain, 5, "all was well");
    // The primary dies in the middle of changes; what was said to be done stays done.
    let died = Instant::now();
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| (0..20).map(|_| usize::from(site.regenerate())).sum::<usize>());
        std::thread::sleep(Duration::from_millis(500));
        site.primary.stop("immediate").unwrap();
        std::thread::sleep(Duration::from_millis(500));
        site.standby.promote().unwrap();
        certain += changes.join().unwrap();
    });
    // Those whose outcome was uncertain have left the current key unknown; this one is known again.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !site.regenerate() {
        assert!(Instant::now() < deadline, "no change is possible after the failover");
    }
    certain += 1;
    let current = site.truth.current.read().unwrap().clone();
    site.await_answers(&current, 200);
    println!("{certain} changes; all servers serve {:?} after the primary died", died.elapsed());
    let events = site.regenerated_events();
    assert!(events >= certain, "{events} events of {certain} acknowledged changes");
    assert!(site.doorward(&["store", "lost"]).unwrap().lines().count() <= 1, "nothing was lost");
    site.end();
}

#[test]
fn a_failover_that_loses_a_change_is_noticed_by_every_node_and_not_served() {
    let mut site = Site::new(&[]);
    assert!(site.regenerate());
    let before = site.truth.current.read().unwrap().clone();
    // The standby misses the one change that kills `before`.
    std::thread::sleep(Duration::from_secs(1));
    site.standby.stop("fast").unwrap();
    assert!(site.regenerate());
    site.primary.stop("immediate").unwrap();
    site.standby.start_again().unwrap();
    site.standby.promote().unwrap();

    // There, `before` lives. No server lets it in, and each says why.
    site.await_answers(&before, 503);
    for server in &site.servers {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !server.output.lock().unwrap().contains("the store lost change") {
            assert!(Instant::now() < deadline, "{}", server.output.lock().unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let named = |server: &Server| server.output.lock().unwrap().contains(before.get(8..18).unwrap());
    assert!(site.servers.iter().all(named), "each names the secret that lives again");
    let lost: Value = serde_json::from_str(&site.doorward(&["--output", "json", "store", "lost"]).unwrap()).unwrap();
    assert_eq!(lost["data"].as_array().unwrap().len(), 1);
    assert_eq!(lost["data"][0]["accepted"], false);
    assert_eq!(site.answers(&before), [Some(503); 3]);
    // One that starts now never knew of the change, and does not serve either.
    let started = std::panic::catch_unwind(|| Server::on(&server_binary(), &site.url, 0));
    let said = started.err().and_then(|panic| panic.downcast::<String>().ok()).unwrap();
    assert!(said.contains("the store lost change"), "{said}");

    // The operator regenerates what came back, and answers for the rest. The first change on the new primary waits for
    // any node whose session was lost too.
    let asked = Instant::now();
    assert!(site.regenerate());
    assert!(asked.elapsed() > Duration::from_secs(11), "{:?}", asked.elapsed());
    site.truth.dead.write().unwrap().push(before.clone());
    assert!(site.doorward(&["store", "accept-lost"]).unwrap_err().contains("--yes"));
    site.doorward(&["store", "accept-lost", "--yes"]).unwrap();
    site.await_answers(&before, 401);
    let current = site.truth.current.read().unwrap().clone();
    site.await_answers(&current, 200);
    assert!(site.doorward(&["audit", "list", "--installation"]).unwrap().contains("lost_change.accepted"));
    site.servers.push(Server::on(&server_binary(), &site.url, 0));
    site.await_answers(&current, 200);
    site.end();
}
