//! SQLite passes the suite that every engine must pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use doorward_records::{Engine, Store};
use doorward_store::OpenMode;
use doorward_store_sqlite::SqliteStore;

#[tokio::test]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    let fresh = async || {
        let path = folder.path().join(format!("{}.db", count.fetch_add(1, Ordering::Relaxed)));
        Arc::new(SqliteStore::open(path, OpenMode::Create).await.unwrap()) as Arc<dyn Engine>
    };
    doorward_store_conformance::all(async || fresh().await as Arc<dyn Store>).await;
    doorward_store_conformance::moving(fresh).await;
}
