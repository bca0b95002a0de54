//! PostgreSQL passes the suite that every engine must pass.

use std::sync::Arc;

use doorward_records::{Engine, Store};
use doorward_store::OpenMode;
use doorward_store_postgres::PostgresStore;

use crate::support;
use crate::support::pgbouncer::PgBouncer;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    let fresh = async || {
        let url = support::empty().await;
        Arc::new(PostgresStore::open(&url, OpenMode::Create).await.unwrap()) as Arc<dyn Engine>
    };
    doorward_store_conformance::all(async || fresh().await as Arc<dyn Store>).await;
    doorward_store_conformance::moving(fresh).await;
}

/// In transaction pooling, each transaction may get another connection to the server.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_behind_pgbouncer_conforms() {
    let pgbouncer = PgBouncer::start();
    let fresh = async || {
        let url = pgbouncer.empty().await;
        Arc::new(PostgresStore::open(&url, OpenMode::Create).await.unwrap()) as Arc<dyn Engine>
    };
    doorward_store_conformance::all(async || fresh().await as Arc<dyn Store>).await;
    doorward_store_conformance::moving(fresh).await;
}
