//! Records the calls to the store, for tests of pages and commands.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use doorward_store::StoreError;

use super::store::{Call, Way, Work};

/// Records each call, except the calls of a node's control plane.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<Vec<Call>>);

impl Noted {
    /// Returns the calls since the last look, in order.
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
