//! A standby, a promotion, a server that stops: behind PgBouncer, which hides all of them.

use std::time::Duration;

use doorward_store::{
    ChangeFeed, Doubt, KeyStore, Knowledge, NodeRegistry, OpenMode, Position, Revision, Session, SessionStatus,
    StoreError,
};
use doorward_store_postgres::PostgresStore;
use doorward_test_postgres::Cluster;
use doorward_types::{IdSeed, SessionId, Timestamp};

use crate::support::{
    self,
    changes::{provision, regenerate, secret},
    pgbouncer::PgBouncer,
};

/// The node polls through a PgBouncer that an operator switches to a lagging standby.
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_at_a_standby_is_recognized() {
    let primary = Cluster::start(&[]).unwrap();
    let standby = primary.standby("second").unwrap();
    let pgbouncer = PgBouncer::before(primary.port());
    let writer = PostgresStore::open_without_listen(&primary.url(), OpenMode::Create).await.unwrap();
    let (change, context) = provision(1);
    writer.change(change, context).await.unwrap();
    let store = PostgresStore::open_without_listen(&pgbouncer.url("postgres"), OpenMode::Existing).await.unwrap();
    let [node, asking, waiting, naming] = std::array::from_fn(|_| store.control().unwrap());
    let session =
        Session { id: SessionId::new(IdSeed::new(Timestamp::from_millis(0), [1; 10])), lease: Duration::from_secs(3) };
    node.register(session).await.unwrap();
    let position = node.position().await.unwrap().proved_of_any_store().unwrap().1;
    let polled = node.poll(session.id, position).await.unwrap();
    assert!(polled.provenance().primary && polled.provenance().writable);
    let (store_id, incarnation) = (polled.provenance().store, polled.provenance().incarnation);

    for handle in [&asking, &waiting, &naming] {
        handle.position().await.unwrap().proved_of_any_store().unwrap();
    }

    // The standby has all data so far, and then lags.
    let replica = support::connect(&standby.url()).await;
    support::until(&replica, "SELECT 1 FROM doorward.sessions").await;
    replica.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    pgbouncer.point_at(standby.port()).await;
    let (change, context) = regenerate(1, 1, 2, 2);
    writer.change(change, context).await.unwrap();

    let polled = node.poll(session.id, position).await.unwrap();
    assert!(!polled.provenance().primary && !polled.provenance().writable, "{polled:?}");
    let judged = Knowledge { store: store_id, incarnation, position }.judge(polled);
    assert!(matches!(judged, Err(StoreError::Doubtful(Doubt::Standby))), "{judged:?}");
    let dead = asking.active_secret(secret(1, 1).locator).await.unwrap();
    assert!(!dead.provenance().primary);
    assert!(!waiting.sessions().await.unwrap().provenance().primary);
    assert!(!naming.identity().await.unwrap().provenance().primary);
    // A write fails with the reason.
    let refused = node.acknowledge(session.id, position).await;
    assert!(matches!(refused, Err(StoreError::Doubtful(Doubt::ReadOnly))), "{refused:?}");
    // The node abandons its connection to a standby, and makes no new one.
    let polled = node.poll(session.id, position).await;
    assert!(matches!(polled, Err(StoreError::Doubtful(Doubt::Standby))), "{polled:?}");
    pgbouncer.point_at(primary.port()).await;
    let polled = node.poll(session.id, position).await.unwrap();
    assert!(polled.provenance().primary);
    assert_eq!(polled.proved(store_id).unwrap().position.revision, Revision(2));
}

/// Each host has its own pooler, which outlives the server behind it. The test swaps the poolers.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_finds_the_primary_at_another_host() {
    let primary = Cluster::start(&[]).unwrap();
    let standby = primary.standby("second").unwrap();
    let (first, second) = (PgBouncer::before(primary.port()), PgBouncer::before(standby.port()));
    let (first_port, second_port) = (first.port, second.port);
    let both = format!("postgres://postgres@127.0.0.1:{first_port},127.0.0.1:{second_port}/postgres?sslmode=disable");
    let store = PostgresStore::open_without_listen(&both, OpenMode::Create).await.unwrap();
    let node = store.control().unwrap();
    let (change, context) = provision(1);
    store.change(change, context).await.unwrap();
    node.position().await.unwrap().proved_of_any_store().unwrap();
    first.point_at(standby.port()).await;
    second.point_at(primary.port()).await;
    let (change, context) = provision(2);
    let refused = store.change(change, context).await;
    assert!(matches!(refused, Err(StoreError::Doubtful(Doubt::ReadOnly))), "{refused:?}");
    let (change, context) = provision(3);
    assert_eq!(store.change(change, context).await.unwrap().revision, Revision(2));
    let session = SessionId::new(IdSeed::new(Timestamp::from_millis(0), [1; 10]));
    let mut polled = node.poll(session, Position::default()).await.unwrap();
    if !polled.provenance().primary {
        polled = node.poll(session, Position::default()).await.unwrap();
    }
    assert_eq!(polled.proved_of_any_store().unwrap().1.position.revision, Revision(2));
}

/// The server's process ends during COMMIT, after the commit is on its disk. PgBouncer answers FATAL; without PgBouncer, the
/// connection breaks.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_ends_with_a_fatal_error_is_looked_up() {
    let cluster = Cluster::start(&[]).unwrap();
    let pgbouncer = PgBouncer::before(cluster.port());
    let server = support::connect(&cluster.url()).await;
    let waits_for = async |names: &str| {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        server.batch_execute(&set).await.unwrap();
        server.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let seen = format!("SELECT 1 WHERE current_setting('synchronous_standby_names') = '{names}'");
        support::until(&server, &seen).await;
    };
    for (number, url) in [(1, pgbouncer.url("postgres")), (2, cluster.url())] {
        let store = PostgresStore::open_without_listen(&url, OpenMode::Create).await.unwrap();
        // Each commit now waits for a standby that does not exist.
        waits_for("nobody").await;
        let changing = tokio::spawn(async move {
            let (change, context) = provision(number);
            store.change(change, context).await
        });
        let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let process: i32 = support::until(&server, waiting).await.get(0);
        server.batch_execute(&format!("SELECT pg_terminate_backend({process})")).await.unwrap();
        let made = support::comes(changing).await.unwrap();
        assert_eq!(made.unwrap().revision, Revision(u64::try_from(number).unwrap()));
        waits_for("").await;
    }
}

/// While one host is silent, the other is promoted. The node does not wait for the silent host.
#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_server_is_found_beside_a_silent_one() {
    let primary = Cluster::start(&[]).unwrap();
    drop(PostgresStore::open_without_listen(&primary.url(), OpenMode::Create).await.unwrap());
    let standby = primary.standby("second").unwrap();
    primary.stop("immediate").unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hosts = format!("{},127.0.0.1:{}", silent.local_addr().unwrap(), standby.port());
    let both = format!("postgres://postgres@{hosts}/postgres?sslmode=disable&connect_timeout=600");
    let opening = tokio::spawn(async move { PostgresStore::open_without_listen(&both, OpenMode::Existing).await });
    standby.promote().unwrap();
    let store = support::comes(opening).await.unwrap().unwrap();
    assert_eq!(store.position().await.unwrap().proved_of_any_store().unwrap().1.revision, Revision(0));
}

/// The first change after a failover waits for nodes that only the old primary knew.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_change_after_a_failover_adds_a_session_for_unknown_nodes() {
    let primary = Cluster::start(&[]).unwrap();
    drop(PostgresStore::open_without_listen(&primary.url(), OpenMode::Create).await.unwrap());
    let standby = primary.standby("second").unwrap();
    let replica = support::connect(&standby.url()).await;
    support::until(&replica, "SELECT 1 FROM doorward.revision WHERE timeline <> ''").await;
    primary.stop("immediate").unwrap();
    standby.promote().unwrap();
    let store = PostgresStore::open_without_listen(&standby.url(), OpenMode::Existing).await.unwrap();
    let (change, context) = provision(1);
    let made = store.change(change, context).await.unwrap();
    assert_eq!(made.longest_lease, Duration::from_secs(10));
    let sessions = store.sessions().await.unwrap().proved_of_any_store().unwrap().1;
    assert!(matches!(&sessions[..], [SessionStatus { retired: true, .. }]), "{sessions:?}");
    let (change, context) = provision(2);
    store.change(change, context).await.unwrap();
    assert_eq!(store.sessions().await.unwrap().proved_of_any_store().unwrap().1.len(), 1);
}
