//! A database that fails over by itself: three members that Patroni keeps, with synchronous replication. Switchovers and power cuts
//! under load: no dead key is accepted, no confirmed change is lost, and the servers serve again by themselves.

#![expect(clippy::disallowed_methods, reason = "the test waits for real servers")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use doorward_test_postgres::Patroni;

use crate::failover_postgres::Site;
use crate::fire::is_long;
use crate::support;

/// The number of rounds: a switchover and a power cut each.
const ROUNDS: usize = 1;
const LONG_ROUNDS: usize = 20;

#[test]
fn switchovers_and_power_cuts_let_no_dead_key_in_and_lose_no_change() {
    let mut cluster = Patroni::start().unwrap();
    let site = Site::on(cluster.url());
    let (stop, certain) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                certain.fetch_add(usize::from(site.regenerate()), Ordering::AcqRel);
            }
        });
        for round in 0..if is_long() { LONG_ROUNDS } else { ROUNDS } {
            for is_killed in [false, true] {
                let begun = Instant::now();
                let former = if is_killed { cluster.kill_leader() } else { cluster.switch_over() }.unwrap();
                let leader = cluster.await_leader_after(&former);
                let promoted = begun.elapsed();
                let before = certain.load(Ordering::Acquire);
                support::waits_for("changes are made again", || certain.load(Ordering::Acquire) > before);
                let changed = begun.elapsed();
                support::waits_for("every server serves again", || {
                    let current = site.truth.current.read().unwrap().clone();
                    site.answers(&current).iter().all(|answer| *answer == Some(200))
                });
                let what = if is_killed { "a power cut" } else { "a switchover" };
                println!(
                    "round {round}, {what}: {leader} led after {promoted:?}, the next change was made after {changed:?}, and every \
                     server accepted the current key after {:?}",
                    begun.elapsed()
                );
                if is_killed {
                    cluster.start_again(&former).unwrap();
                } else {
                    cluster.await_standby();
                }
            }
        }
        stop.store(true, Ordering::Release);
    });
    let (certain, events) = (certain.into_inner(), site.regenerated_events());
    println!("{certain} confirmed changes, {events} events");
    assert!(events >= certain, "{events} events of {certain} confirmed changes");
    assert!(site.doorward(&["store", "lost"]).unwrap().lines().count() <= 1, "nothing was lost");
    site.end();
}
