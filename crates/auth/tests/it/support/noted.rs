//! Calls to the store, noted for the tests of pages and of commands.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use doorward_store::StoreError;

use super::store::{Call, Way, Work};

/// A way on which each call is noted, except those of a node's control plane.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<Vec<Call>>);

impl Noted {
    /// The calls since the last look, in their order.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

#[async_trait]
impl Way for Noted {
    async fn carry(&self, call: Call, work: Work<'_>) -> Result<(), StoreError> {
        self.0.lock().expect("no panic").push(call);
        work.await;
        Ok(())
    }

    fn control(&self) -> Option<Arc<Self>> {
        Some(Arc::default())
    }
}
