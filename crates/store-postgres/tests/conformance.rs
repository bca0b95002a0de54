//! PostgreSQL passes the suite that every engine must pass.

mod support;

use std::sync::Arc;

use doorward_store::{OpenMode, Store, conformance};
use doorward_store_postgres::PostgresStore;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    conformance::all(async || {
        let url = support::empty().await;
        Arc::new(PostgresStore::open(&url, OpenMode::Create).await.unwrap()) as Arc<dyn Store>
    })
    .await;
}
