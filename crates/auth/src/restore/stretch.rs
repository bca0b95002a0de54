use std::collections::HashMap;

use doorward_audit::Hash;
use doorward_store::{AuditLog, Page, Scope, StoreError};

/// The maximum and the first number of events in one page. The first page is small, because a file of many logs reads
/// only a few events of each log.
const MAX_PAGE: u32 = 4_096;
const MIN_PAGE: u32 = 64;

/// The hashes of one log of the store. A stretch of them is in memory.
#[derive(Debug)]
pub(super) struct Stretch {
    hashes: HashMap<u64, Option<Hash>>,
    /// The first and the last place of the stretch.
    first: u64,
    last: u64,
    length: u32,
}

impl Default for Stretch {
    /// Returns a stretch without a place.
    fn default() -> Self {
        Self { hashes: HashMap::new(), first: 1, last: 0, length: MIN_PAGE }
    }
}

impl Stretch {
    /// Returns true if the store has an event with this hash at this place.
    pub(super) async fn has(
        &mut self,
        store: &dyn AuditLog,
        scope: &Scope,
        sequence: u64,
        hash: Option<Hash>,
    ) -> Result<bool, StoreError> {
        if !(self.first..=self.last).contains(&sequence) {
            self.read(store, scope, sequence).await?;
        }
        Ok(self.hashes.get(&sequence) == Some(&hash))
    }

    async fn read(&mut self, store: &dyn AuditLog, scope: &Scope, sequence: u64) -> Result<(), StoreError> {
        let page = Page { after: sequence.checked_sub(1), limit: self.length };
        let page = store.chain(scope, page).await?;
        let is_last = page.len() < self.length as usize;
        // An unreadable event counts as missing.
        self.hashes = page.into_iter().flatten().map(|event| (event.sequence, event.hash)).collect();
        let newest = self.hashes.keys().copied().max().unwrap_or(sequence);
        (self.first, self.last) = (sequence, if is_last { u64::MAX } else { newest });
        self.length = (self.length * 2).min(MAX_PAGE);
        Ok(())
    }
}
