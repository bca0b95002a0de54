use std::collections::HashMap;

use doorward_audit::Hash;
use doorward_store::{AuditLog, Page, Scope, StoreError};

/// The most events that are read at a time, and how many at first: a file of many logs touches each of them briefly.
const LONGEST: u32 = 4_096;
const SHORTEST: u32 = 64;

/// The hashes of one log of the store, of which a stretch is in memory.
#[derive(Debug)]
pub(super) struct Stretch {
    hashes: HashMap<u64, Option<Hash>>,
    /// The first and the last place that the stretch speaks for.
    first: u64,
    last: u64,
    length: u32,
}

impl Default for Stretch {
    /// Speaks for no place.
    fn default() -> Self {
        Self { hashes: HashMap::new(), first: 1, last: 0, length: SHORTEST }
    }
}

impl Stretch {
    /// Returns whether the store has an event with this hash at this place.
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
        // An event that cannot be read is as good as none.
        self.hashes = page.into_iter().flatten().map(|event| (event.sequence, event.hash)).collect();
        let newest = self.hashes.keys().copied().max().unwrap_or(sequence);
        (self.first, self.last) = (sequence, if is_last { u64::MAX } else { newest });
        self.length = (self.length * 2).min(LONGEST);
        Ok(())
    }
}
