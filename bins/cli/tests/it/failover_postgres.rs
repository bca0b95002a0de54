//! Failovers with real servers: to a synchronous standby, which loses nothing, and to an asynchronous standby without the last
//! change, which every node notices.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test prints its findings")]
#![expect(clippy::disallowed_methods, reason = "the test waits for real servers")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use doorward_test_postgres::Cluster;
use serde_json::Value;

use crate::fire::{Client, Truth, command};
use crate::programs::server_binary;
use crate::support::{self, Server};

/// Three servers on a database that fails over, and clients that request dead keys at full rate.
pub(crate) struct Site {
    url: String,
    folder: tempfile::TempDir,
    servers: Vec<Server>,
    pub(crate) truth: Arc<Truth>,
    hammers: Vec<std::thread::JoinHandle<()>>,
}

impl Site {
    /// Starts the servers on a store whose URL knows every member of the database.
    pub(crate) fn on(url: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut site = Self { url, folder, servers: vec![], truth: Arc::default(), hammers: vec![] };
        site.truth = Arc::new(Truth::with_rest(site.doorward(&["org", "create", "Acme"]).unwrap()));
        site.servers = (0..3).map(|_| Server::on(&server_binary(), &site.url, 0)).collect();
        let hammer = |server: &Server| {
            let (truth, address) = (Arc::clone(&site.truth), server.address);
            std::thread::spawn(move || truth.hammer(address))
        };
        site.hammers = site.servers.iter().map(hammer).collect();
        site
    }

    pub(crate) fn doorward(&self, arguments: &[&str]) -> Result<String, String> {
        let done = command(self.folder.path(), &[&["--store", &self.url], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    /// Returns whether the command said that the old key is dead.
    pub(crate) fn regenerate(&self) -> bool {
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

    pub(crate) fn regenerated_events(&self) -> usize {
        let list = self.doorward(&["--output", "json", "audit", "list", "--limit", "10000"]).unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let events = list["data"].as_array().unwrap().iter();
        events.filter(|event| event["action"] == "access_key.regenerated").count()
    }

    /// Returns each server's current answer to this key.
    pub(crate) fn answers(&self, key: &str) -> Vec<Option<u16>> {
        self.servers.iter().map(|server| Client { address: server.address, stream: None }.whoami(key)).collect()
    }

    /// Waits until every server gives this answer.
    fn await_answers(&self, key: &str, status: u16) {
        support::waits_for(&format!("not every server answers {status}"), || {
            self.answers(key).iter().all(|answer| *answer == Some(status))
        });
    }

    pub(crate) fn end(self) {
        self.truth.await_requests();
        self.truth.stop.store(true, Ordering::Release);
        self.hammers.into_iter().for_each(|hammer| hammer.join().unwrap());
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let (sent, refused, not_current) = (of(&self.truth.sent), of(&self.truth.refused), of(&self.truth.not_current));
        println!("{sent} requests with dead keys: {refused} refused, {not_current} not current");
        assert_eq!(*self.truth.stale.lock().unwrap(), Vec::<String>::new());
    }
}

/// Returns a primary with its standby, and the site on both.
fn start(settings: &[&str]) -> (Cluster, Cluster, Site) {
    let primary = Cluster::start(settings).unwrap();
    let standby = primary.standby("second").unwrap();
    let (first, second) = (primary.port(), standby.port());
    let url = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres?sslmode=disable");
    (primary, standby, Site::on(url))
}

#[test]
fn a_failover_to_a_synchronous_standby_loses_nothing() {
    let (primary, standby, site) = start(&["synchronous_standby_names=second"]);
    let mut certain = 0;
    for _ in 0..5 {
        certain += usize::from(site.regenerate());
    }
    assert_eq!(certain, 5, "a change failed before the failover");
    // The primary dies during changes. Acknowledged changes must survive.
    let died = Instant::now();
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| (0..20).map(|_| usize::from(site.regenerate())).sum::<usize>());
        std::thread::sleep(Duration::from_millis(500));
        primary.stop("immediate").unwrap();
        std::thread::sleep(Duration::from_millis(500));
        standby.promote().unwrap();
        certain += changes.join().unwrap();
    });
    // Changes with an uncertain outcome made the current key unknown; this change makes it known again.
    support::waits_for("no change is possible after the failover", || site.regenerate());
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
fn every_node_notices_a_failover_that_loses_a_change_and_stops_serving() {
    let (primary, standby, mut site) = start(&[]);
    assert!(site.regenerate());
    let before = site.truth.current.read().unwrap().clone();
    // The standby misses the change that kills `before`.
    std::thread::sleep(Duration::from_secs(1));
    standby.stop("fast").unwrap();
    assert!(site.regenerate());
    primary.stop("immediate").unwrap();
    standby.start_again().unwrap();
    standby.promote().unwrap();

    // On the standby, `before` is alive. No server accepts it, and each logs the reason.
    site.await_answers(&before, 503);
    for server in &site.servers {
        support::waits_for("a server does not log the reason", || {
            server.output.lock().unwrap().contains("the store lost change")
        });
    }
    let named = |server: &Server| server.output.lock().unwrap().contains(before.get(8..18).unwrap());
    assert!(site.servers.iter().all(named), "not every server names the resurrected secret");
    let lost =
        || serde_json::from_str::<Value>(&site.doorward(&["--output", "json", "store", "lost"]).unwrap()).unwrap();
    // A server logs the loss first, and then records it.
    support::waits_for("the loss is recorded", || lost()["data"].as_array().unwrap().len() == 1);
    assert_eq!(lost()["data"][0]["accepted"], false);
    assert_eq!(site.answers(&before), [Some(503); 3]);
    // A server that starts now never knew the change, and does not serve either.
    let started = std::panic::catch_unwind(|| Server::on(&server_binary(), &site.url, 0));
    let said = started.err().and_then(|panic| panic.downcast::<String>().ok()).unwrap();
    assert!(said.contains("the store lost change"), "{said}");

    // The operator regenerates the resurrected key, and accepts the other losses. The first change on the new primary waits
    // for possible nodes whose sessions were lost too.
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
