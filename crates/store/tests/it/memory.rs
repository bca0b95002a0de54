//! The in-memory engine passes the suite that every engine must pass.

use std::sync::Arc;

use doorward_store::{MemoryStore, Store, conformance};

#[tokio::test]
async fn the_memory_engine_conforms() {
    conformance::all(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
}
