//! The number of connections.

use std::sync::Arc;

use doorward_store::{KeyStore, OpenMode, Page};
use doorward_store_postgres::PostgresStore;

use crate::support::{self, changes::provision};

/// One connection serves all requests and changes, one after another.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_one_connection_is_enough() {
    let url = support::empty().await;
    let name = format!("pool_{}", std::process::id());
    let url = support::with(&url, &format!("pool_size=1&application_name={name}"));
    let store = Arc::new(PostgresStore::open(&url, OpenMode::Create).await.unwrap());
    let changes: Vec<_> = (1..=8)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let (change, context) = provision(number);
                store.change(change, context).await.unwrap();
                store.organizations(Page::first(10)).await.unwrap()
            })
        })
        .collect();
    for change in changes {
        assert!(!support::comes(change).await.unwrap().is_empty());
    }
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'");
    let count: i64 = support::connect(&support::server()).await.query_one(&count, &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
}
