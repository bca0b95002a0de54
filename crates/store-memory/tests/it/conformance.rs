//! The in-memory engine passes the suite that every engine must pass.

use std::sync::Arc;

use doorward_records::Store;
use doorward_store_memory::MemoryStore;

#[tokio::test]
async fn the_memory_engine_conforms() {
    doorward_store_conformance::all(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
}
