//! Commits without an answer: a proxy cuts the connection at COMMIT.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use doorward_store::{ChangeFeed, KeyStore, OpenMode, Page, Revision, StoreError, UsageLog};
use doorward_store_postgres::PostgresStore;
use doorward_types::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    self,
    changes::{provision, regenerate},
};

/// The proxy does nothing at COMMIT.
const PASS: u8 = 0;
/// The proxy forwards COMMIT, and cuts the connection before the answer.
const CUT_AFTER: u8 = 1;
/// The proxy drops COMMIT, and cuts the connection.
const CUT_BEFORE: u8 = 2;
/// The proxy forwards COMMIT, cuts the connection, and accepts no new ones.
const CUT_ALL: u8 = 3;

/// Starts a proxy in front of the server. Returns the URL through it.
async fn proxied(url: &str, at_commit: Arc<AtomicU8>) -> String {
    support::proxy::proxied(url, move |client, server| forward(client, server, Arc::clone(&at_commit))).await
}

async fn forward(mut client: TcpStream, mut server: TcpStream, at_commit: Arc<AtomicU8>) {
    if at_commit.load(Ordering::SeqCst) == CUT_ALL {
        return;
    }
    let (mut from_client, mut from_server) = ([0; 65_536], [0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(count @ 1..) = read else { return };
                let sent = &from_client[..count];
                let mode = at_commit.load(Ordering::SeqCst);
                let cut = mode != PASS && sent.windows(7).any(|word| word == b"COMMIT\0");
                if cut && mode == CUT_BEFORE {
                    return;
                }
                if server.write_all(sent).await.is_err() {
                    return;
                }
                if cut {
                    // The server commits, but its answer is lost.
                    let mut answers = Vec::new();
                    while !answers.windows(7).any(|word| word == b"COMMIT\0") {
                        let Ok(count @ 1..) = server.read(&mut from_server).await else { return };
                        answers.extend_from_slice(&from_server[..count]);
                    }
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&from_server[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_commit_is_looked_up_and_never_guessed() {
    let direct = support::empty().await;
    let at_commit = Arc::new(AtomicU8::new(PASS));
    let through = proxied(&direct, Arc::clone(&at_commit)).await;
    let store = PostgresStore::open_without_listen(&through, OpenMode::Create).await.unwrap();
    let witness = PostgresStore::open_without_listen(&direct, OpenMode::Existing).await.unwrap();
    let mut there = 0;
    for round in 1..=30 {
        let mode = if round % 2 == 0 { CUT_AFTER } else { CUT_BEFORE };
        at_commit.store(mode, Ordering::SeqCst);
        let (change, context) = provision(round);
        let changed = store.change(change, context).await;
        at_commit.store(PASS, Ordering::SeqCst);
        match (mode, changed) {
            (CUT_AFTER, Ok(made)) => {
                there += 1;
                assert_eq!(made.revision, Revision(there));
            }
            (CUT_BEFORE, Err(StoreError::Unavailable(_))) => {}
            (mode, other) => panic!("{mode}: {other:?}"),
        }
        assert_eq!(witness.position().await.unwrap().proved_of_any_store().unwrap().1.revision, Revision(there));
        assert_eq!(witness.organizations(Page::first(100)).await.unwrap().len() as u64, there);
    }
}

/// Nodes that hang during a transaction, as if their machine were frozen.
#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_node_delays_a_change_only_for_its_timeout() {
    let url = support::empty().await;
    let store = PostgresStore::open_without_listen(&url, OpenMode::Create).await.unwrap();
    let (change, context) = provision(1);
    store.change(change, context).await.unwrap();
    let locator = "0000000001";
    store.add_uses(&[(locator.parse().unwrap(), 1)], Timestamp::from_millis(0)).await.unwrap();
    let counting = support::connect(&url).await;
    counting.batch_execute("BEGIN; UPDATE last_uses SET last_used_at = 1").await.unwrap();
    // A change does not wait for a node that writes uses.
    let (change, context) = regenerate(1, 1, 2, 2);
    let changed = support::comes(store.change(change, context)).await;
    assert_eq!(changed.unwrap().revision, Revision(2));
    // A change waits for a node that changes keys, for as long as the server lets it hang.
    let changing = support::connect(&url).await;
    let hang = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '4s'; UPDATE revision SET value = value + 1";
    changing.batch_execute(hang).await.unwrap();
    let (change, context) = regenerate(1, 2, 3, 3);
    assert_eq!(store.change(change, context).await.unwrap().revision, Revision(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_looked_up_is_not_a_success() {
    let direct = support::empty().await;
    let at_commit = Arc::new(AtomicU8::new(PASS));
    let through = proxied(&direct, Arc::clone(&at_commit)).await;
    let store = PostgresStore::open_without_listen(&through, OpenMode::Create).await.unwrap();
    at_commit.store(CUT_ALL, Ordering::SeqCst);
    let (change, context) = provision(1);
    let changed = store.change(change, context).await;
    assert!(matches!(changed, Err(StoreError::OutcomeUnknown)), "{changed:?}");
    // The commit did happen, which is allowed.
    let witness = PostgresStore::open_without_listen(&direct, OpenMode::Existing).await.unwrap();
    assert_eq!(witness.position().await.unwrap().proved_of_any_store().unwrap().1.revision, Revision(1));
}

/// A transaction that the server aborts because of a conflict is retried a few times.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_loses_a_conflict_is_retried() {
    for code in ["40001", "40P01"] {
        let url = support::empty().await;
        let store = PostgresStore::open_without_listen(&url, OpenMode::Create).await.unwrap();
        let server = support::connect(&url).await;
        // Sequences do not roll back, so they count attempts.
        let lose = format!(
            "CREATE SEQUENCE attempts;
             CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
                 IF nextval('attempts') <= TG_ARGV[0]::bigint THEN RAISE EXCEPTION USING ERRCODE = '{code}'; END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER lose BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION lose(3)"
        );
        server.batch_execute(&lose).await.unwrap();
        let (change, context) = provision(1);
        assert_eq!(store.change(change, context).await.unwrap().revision, Revision(1), "{code}");
        let attempts =
            async || -> i64 { server.query_one("SELECT last_value FROM attempts", &[]).await.unwrap().get(0) };
        assert_eq!(attempts().await, 4, "{code}");

        let always = "DROP TRIGGER lose ON audit_events;
                      CREATE TRIGGER lose BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION lose(1000)";
        server.batch_execute(always).await.unwrap();
        let (change, context) = provision(2);
        let lost = store.change(change, context).await;
        assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
        assert_eq!(
            (attempts().await, store.position().await.unwrap().proved_of_any_store().unwrap().1.revision),
            (10, Revision(1)),
            "{code}"
        );
    }
}

/// A change waits for the lock, and its caller goes away.
#[tokio::test(flavor = "multi_thread")]
async fn a_begun_change_ends_without_its_caller() {
    let url = support::empty().await;
    let store = Arc::new(PostgresStore::open_without_listen(&url, OpenMode::Create).await.unwrap());
    let holder = support::connect(&url).await;
    holder.batch_execute("BEGIN; SELECT value FROM revision FOR UPDATE").await.unwrap();
    let changer = Arc::clone(&store);
    let caller = tokio::spawn(async move {
        let (change, context) = provision(1);
        changer.change(change, context).await
    });
    support::until_blocked(&holder, 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    holder.batch_execute("COMMIT").await.unwrap();
    let (change, context) = provision(2);
    store.change(change, context).await.unwrap();
    // Either change may get the lock first.
    while store.position().await.unwrap().proved_of_any_store().unwrap().1.revision < Revision(2) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
