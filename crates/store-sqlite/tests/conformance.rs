//! SQLite passes the suite that every engine must pass.

use std::sync::Arc;

use doorward_store::OpenMode;
use doorward_store::{Store, conformance};
use doorward_store_sqlite::SqliteStore;

#[tokio::test]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    conformance::all(async || {
        let path = folder.path().join(format!("{}.db", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
        Arc::new(SqliteStore::open(path, OpenMode::Create).await.unwrap()) as Arc<dyn Store>
    })
    .await;
}
