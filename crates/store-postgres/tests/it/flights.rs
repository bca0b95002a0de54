//! The number of a change's round trips, and the effects of sharing them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use doorward_store::{ChangeFeed, Conflict, KeyStore, NodeRegistry, OpenMode, Page, Revision, Session, StoreError};
use doorward_store_postgres::PostgresStore;
use doorward_types::{IdSeed, SessionId, Timestamp};
use futures_util::future::join_all;

use crate::support::{
    self,
    changes::{provision, regenerate, secret},
    proxy::{proxied, watch_client},
};

/// The proxy holds back all of the engine's answers until it has seen the last statement of a flight. So an engine that waits for
/// an answer in between waits forever.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_takes_two_round_trips() {
    let direct = support::empty().await;
    drop(PostgresStore::open_without_listen(&direct, OpenMode::Create).await.unwrap());
    let is_watching = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&is_watching);
    let see = move |sent: &str| {
        if !watched.load(Ordering::SeqCst) {
            return true;
        }
        let Some((_, change)) = sent.rsplit_once("BEGIN ISOLATION") else { return false };
        match change.split_once(".audit_events WHERE") {
            None => false,
            // The second flight has not been sent yet, or has been sent completely.
            Some((_, second)) => !second.contains("UPDATE") || second.contains("COMMIT\0"),
        }
    };
    let see: Arc<dyn Fn(&str) -> bool + Send + Sync> = Arc::new(see);
    let through = proxied(&direct, move |client, server| watch_client(client, server, Arc::clone(&see))).await;
    let store = PostgresStore::open_without_listen(&through, OpenMode::Existing).await.unwrap();
    is_watching.store(true, Ordering::SeqCst);
    let (change, context) = provision(1);
    let made = support::comes(store.change(change, context)).await.unwrap();
    assert_eq!(made.revision, Revision(1));
}

/// On one thread, all changes are requested before the first is executed.
#[tokio::test]
async fn concurrent_changes_share_their_round_trips() {
    let direct = support::empty().await;
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    let see: Arc<dyn Fn(&str) -> bool + Send + Sync> = Arc::new(move |sent| {
        counted.store(sent.matches("COMMIT\0").count(), Ordering::SeqCst);
        true
    });
    let through = proxied(&direct, move |client, server| watch_client(client, server, Arc::clone(&see))).await;
    let store = PostgresStore::open_without_listen(&through, OpenMode::Create).await.unwrap();
    let before = commits.load(Ordering::SeqCst);
    let made = join_all((1..=20).map(|number| {
        let (change, context) = provision(number);
        store.change(change, context)
    }));
    let revisions: BTreeSet<_> = support::comes(made).await.into_iter().map(|made| made.unwrap().revision.0).collect();
    assert_eq!(revisions, (1..=20).collect());
    assert_eq!(commits.load(Ordering::SeqCst) - before, 1);
}

/// Only the constraint finds a taken locator, and it aborts the transaction of all.
#[tokio::test]
async fn a_refused_change_does_not_affect_concurrent_changes() {
    let store = PostgresStore::open_without_listen(&support::empty().await, OpenMode::Create).await.unwrap();
    let (change, context) = provision(1);
    store.change(change, context).await.unwrap();
    let mut asked: Vec<_> = (2..=6).map(provision).collect();
    let (taken, stale) = (regenerate(1, 1, 6, 2), regenerate(1, 99, 100, 2));
    // These changes are of the same organization, so they run one after the other.
    asked.extend([stale, taken]);
    let made = support::comes(join_all(asked.into_iter().map(|(change, context)| store.change(change, context)))).await;
    let (provisioned, refused) = made.split_at(5);
    assert!(provisioned.iter().all(Result::is_ok), "{provisioned:?}");
    assert!(
        matches!(refused, [Err(StoreError::Conflict(Conflict::Stale)), Err(StoreError::Conflict(Conflict::Duplicate))]),
        "{refused:?}"
    );
    assert_eq!(store.position().await.unwrap().proved_of_any_store().unwrap().1.revision, Revision(6));
}

/// Two programs make changes about the same and about different organizations, all at once.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_leave_no_gaps_in_the_revisions() {
    let url = support::empty().await;
    let first = PostgresStore::open_without_listen(&url, OpenMode::Create).await.unwrap();
    let second = PostgresStore::open_without_listen(&url, OpenMode::Existing).await.unwrap();
    let stores = [Arc::new(first), Arc::new(second)];
    let made = (1..=60).map(|number| {
        let store = Arc::clone(stores.get(usize::from(number % 2 == 0)).unwrap());
        tokio::spawn(async move {
            let (change, context) = provision(number);
            let provisioned = store.change(change, context).await.unwrap();
            let (change, context) = regenerate(number, number, 1_000 + number, 2);
            let regenerated = store.change(change, context).await.unwrap();
            assert!(provisioned.revision < regenerated.revision);
            // A refused change takes no revision.
            let (change, mut context) = regenerate(number, number, 2_000 + number, 2);
            context.operation = doorward_store::OperationId::from_bytes([7; 16]);
            assert!(store.change(change, context).await.is_err());
            [provisioned.revision.0, regenerated.revision.0]
        })
    });
    let revisions: BTreeSet<_> =
        support::comes(join_all(made)).await.into_iter().flat_map(|made| made.unwrap()).collect();
    assert_eq!(revisions, (1..=120).collect());
    let [store, _] = stores;
    assert_eq!(store.organizations(Page::first(100)).await.unwrap().len(), 60);
    let live = store.active_secret(secret(1_001, 2).locator).await.unwrap().proved_of_any_store().unwrap();
    assert!(live.1.is_some());
}

fn session(lease: u64) -> Session {
    let random = [u8::try_from(lease).unwrap(); 10];
    Session { id: SessionId::new(IdSeed::new(Timestamp::from_millis(0), random)), lease: Duration::from_secs(lease) }
}

/// A running change has already read the longest lease. A session with a longer lease waits until the change has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_longer_lease_waits_for_a_running_change() {
    let url = support::empty().await;
    let store = Arc::new(PostgresStore::open_without_listen(&url, OpenMode::Create).await.unwrap());
    store.register(session(3)).await.unwrap();
    let changing = support::connect(&url).await;
    changing.batch_execute("BEGIN; SELECT value FROM revision FOR UPDATE").await.unwrap();
    // A session whose lease is not longer need not wait.
    support::comes(store.register(session(2))).await.unwrap();
    let longer = Arc::clone(&store);
    let registering = tokio::spawn(async move { longer.register(session(5)).await });
    support::until_blocked(&changing, 1).await;
    assert!(!registering.is_finished());
    assert_eq!(store.sessions().await.unwrap().proved_of_any_store().unwrap().1.len(), 2);
    changing.batch_execute("COMMIT").await.unwrap();
    support::comes(registering).await.unwrap().unwrap();
    let (change, context) = provision(1);
    assert_eq!(store.change(change, context).await.unwrap().longest_lease, Duration::from_secs(5));
}

/// Under any concurrency, a change names a lease at least as long as all leases that were registered before it began.
#[tokio::test(flavor = "multi_thread")]
async fn no_change_misses_a_lease_that_was_registered_before_it() {
    let url = support::empty().await;
    let store = Arc::new(PostgresStore::open_without_listen(&url, OpenMode::Create).await.unwrap());
    let nodes = PostgresStore::open_without_listen(&url, OpenMode::Existing).await.unwrap();
    let registered = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&registered);
    let changing = tokio::spawn(async move {
        for number in 1..=40 {
            let before = seen.load(Ordering::SeqCst) as u64;
            let (change, context) = provision(number);
            let made = store.change(change, context).await.unwrap();
            assert!(made.longest_lease >= Duration::from_secs(before), "{before}: {made:?}");
        }
    });
    for lease in 1..=40 {
        nodes.register(session(lease)).await.unwrap();
        registered.store(usize::try_from(lease).unwrap(), Ordering::SeqCst);
    }
    support::comes(changing).await.unwrap();
}
