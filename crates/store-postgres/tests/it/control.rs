//! A node's own connections: a hanging connection is abandoned, and requests do not affect them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use doorward_store::{ChangeFeed, KeyStore, NodeRegistry, OpenMode, Position, Revision, Session};
use doorward_store_postgres::PostgresStore;
use doorward_types::{IdSeed, OrganizationId, SessionId, Timestamp};
use tokio::sync::watch;

use crate::support::{
    self,
    changes::provision,
    proxy::{delay, proxied},
};

fn session() -> Session {
    let id = SessionId::new(IdSeed::new(Timestamp::from_millis(0), [1; 10]));
    Session { id, lease: Duration::from_secs(3) }
}

async fn node(store: &PostgresStore) -> Arc<dyn NodeRegistry> {
    let node = store.control().unwrap();
    node.register(session()).await.unwrap();
    poll(&*node).await;
    node
}

async fn poll(node: &dyn NodeRegistry) {
    let polled = support::comes(node.poll(session().id, Position::default())).await.unwrap();
    assert!(polled.proved_of_any_store().unwrap().1.session.is_some());
}

/// The proxy stops forwarding on existing connections, as if their server had stopped, and accepts new ones.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_poll_abandons_its_connection() {
    let (stop, stops) = watch::channel(0);
    let direct = support::empty().await;
    let serve = move |mut client, mut server| {
        let mut stops = stops.clone();
        async move {
            let born = *stops.borrow();
            let forward = tokio::io::copy_bidirectional(&mut client, &mut server);
            tokio::select! { _ = forward => return, _ = stops.wait_for(|now| *now > born) => {} }
            // Both ends stay open.
            std::future::pending().await
        }
    };
    let through = proxied(&direct, serve).await;
    let store = PostgresStore::open_without_listen(&through, OpenMode::Create).await.unwrap();
    let node = node(&store).await;
    stop.send(1).unwrap();
    let hangs = async {
        let brief = Duration::from_millis(200);
        while tokio::time::timeout(brief, node.poll(session().id, Position::default())).await.is_ok() {}
    };
    support::comes(hangs).await;
    poll(&*node).await;
}

/// Requests hold all of their connections, and wait for a lock.
#[tokio::test(flavor = "multi_thread")]
async fn requests_cannot_use_the_connections_of_a_node() {
    let url = support::empty().await;
    let store = Arc::new(PostgresStore::open_without_listen(&url, OpenMode::Create).await.unwrap());
    let node = node(&store).await;
    let holder = support::connect(&url).await;
    holder.batch_execute("BEGIN; LOCK TABLE operations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.last_change_of("nothing").await })
        })
        .collect();
    support::until_blocked(&holder, 8).await;
    poll(&*node).await;
    assert_eq!(support::comes(node.sessions()).await.unwrap().proved_of_any_store().unwrap().1.len(), 1);
    holder.batch_execute("COMMIT").await.unwrap();
    for request in requests {
        support::comes(request).await.unwrap().unwrap();
    }
}

/// One server accepts the connection and says nothing; another does not even accept it. Their timeout is long, so that a node
/// does not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn silent_hosts_delay_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let black_hole = tokio::net::TcpSocket::new_v4().unwrap();
    black_hole.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let black_hole = black_hole.listen(0).unwrap();
    let (silent, full) = (silent.local_addr().unwrap(), black_hole.local_addr().unwrap());
    // These connections fill the queue of those that wait to be accepted.
    let fill: Vec<_> = (0..8).map(|_| tokio::spawn(tokio::net::TcpStream::connect(full))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let url = support::empty().await.replace("127.0.0.1:", &format!("{silent},{full},127.0.0.1:"));
    let url = format!("{url}&connect_timeout=600");
    let store = support::comes(PostgresStore::open_without_listen(&url, OpenMode::Create)).await.unwrap();
    let node = support::comes(node(&store)).await;
    poll(&*node).await;
    let (change, context) = provision(1);
    assert_eq!(support::comes(store.change(change, context)).await.unwrap().revision, Revision(1));
    fill.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Each direction takes 400 ms, so a poll on a new connection takes more than two seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_far_away_works() {
    let direct = support::empty().await;
    drop(PostgresStore::open_without_listen(&direct, OpenMode::Create).await.unwrap());
    let away = Duration::from_millis(400);
    let through = proxied(&direct, move |client, server| delay(client, server, away)).await;
    let store = support::comes(PostgresStore::open_without_listen(&through, OpenMode::Existing)).await.unwrap();
    let node = support::comes(node(&store)).await;
    let (change, context) = provision(1);
    assert_eq!(support::comes(store.change(change, context)).await.unwrap().revision, Revision(1));
    poll(&*node).await;
    assert!(store.organization(OrganizationId::from_u128(1)).await.unwrap().is_some());
}

/// Hints come on the node's own connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_gets_hints_of_changes() {
    let url = support::empty().await;
    let store = PostgresStore::open(&url, OpenMode::Create).await.unwrap();
    let node = store.control().unwrap();
    let hint = tokio::spawn(async move { node.change_notified().await });
    let listens = "SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN doorward' AND state = 'idle'";
    support::until(&support::connect(&url).await, listens).await;
    let (change, context) = provision(1);
    store.change(change, context).await.unwrap();
    support::comes(hint).await.unwrap();
}
