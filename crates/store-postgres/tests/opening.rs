//! Which databases are opened, which are refused, and what several nodes do that come at once.

#[path = "../../../bins/xtask/src/postgres.rs"]
mod postgres;
mod support;

use doorward_store::{Coherence, OpenMode, Position, StoreError};
use doorward_store_postgres::PostgresStore;
use postgres::Cluster;

async fn refusal(url: &str) -> String {
    match PostgresStore::open(url, OpenMode::Create).await {
        Err(StoreError::Unavailable(reason)) => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_make_one_schema() {
    for _ in 0..3 {
        let url = support::empty().await;
        let nodes: Vec<_> = (0..8)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { PostgresStore::open(&url, OpenMode::Create).await })
            })
            .collect();
        for node in nodes {
            assert_eq!(node.await.unwrap().unwrap().position().await.unwrap(), Position::default());
        }
    }
}

#[tokio::test]
async fn nothing_is_made_where_a_store_was_expected() {
    let url = support::empty().await;
    let refused = PostgresStore::open(&url, OpenMode::Existing).await;
    assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
    let tables = "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema()";
    assert!(support::connect(&url).await.query(tables, &[]).await.unwrap().is_empty());
    drop(PostgresStore::open(&url, OpenMode::Create).await.unwrap());
    assert!(PostgresStore::open(&url, OpenMode::Existing).await.is_ok());
}

#[tokio::test]
async fn a_newer_schema_stops_an_older_program_early() {
    let url = support::empty().await;
    drop(PostgresStore::open(&url, OpenMode::Create).await.unwrap());
    support::connect(&url).await.batch_execute("UPDATE schema_steps SET done = 999").await.unwrap();
    let refused = PostgresStore::open(&url, OpenMode::Create).await;
    assert!(matches!(refused, Err(StoreError::UnsupportedSchema { found: 999, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_may_forget_what_it_acknowledged_is_refused() {
    let url = support::empty().await;
    let relaxed = url.replace("options=", "options=-csynchronous_commit%3Doff%20");
    assert!(refusal(&relaxed).await.contains("synchronous_commit=off"));
    let cluster = Cluster::start(&["fsync=off"]).unwrap();
    assert!(refusal(&cluster.url()).await.contains("fsync=off"));
}

#[tokio::test]
async fn a_standby_is_refused_until_it_is_promoted() {
    let primary = Cluster::start(&[]).unwrap();
    drop(PostgresStore::open(&primary.url(), OpenMode::Create).await.unwrap());
    let standby = primary.standby("second").unwrap();
    assert!(refusal(&standby.url()).await.contains("standby"));
    // Of both, the one that can be written to is found.
    let (first, second) = (primary.port(), standby.port());
    let both = format!("postgres://postgres@127.0.0.1:{second},127.0.0.1:{first}/postgres?sslmode=disable");
    assert!(PostgresStore::open(&both, OpenMode::Existing).await.is_ok());
    primary.stop("immediate").unwrap();
    standby.promote().unwrap();
    let store = PostgresStore::open(&both, OpenMode::Existing).await.unwrap();
    assert_eq!(store.position().await.unwrap(), Position::default());
}
