use std::sync::Arc;

use doorward_audit::{Action, Attribution, ChainFault, Checkpoint, Event, EventDraft, Hash};
use doorward_types::Timestamp;

use crate::{AuditLog, EventFilter, LogFault, Page, Scope, StoreError};

/// Events at a time.
const BATCH: u32 = 5_000;

/// A log on its way out, page by page, however long it is.
#[derive(Debug)]
pub struct LogExport {
    store: Arc<dyn AuditLog>,
    scope: Scope,
    size: u64,
    /// The event that the next one must follow: one that went out, or the last that was pruned before.
    last: (u64, Option<Hash>),
    has_begun: bool,
}

impl LogExport {
    /// Begins: the event that tells of it, at `now`, is written before the first event is handed out, and is the last one that is.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn begin(
        store: Arc<dyn AuditLog>,
        scope: Scope,
        attribution: &Attribution,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let log = (scope.organization(), scope.environment());
        let name = Checkpoint::origin_of(log.0, log.1);
        let exported = EventDraft::new(attribution, now, Action::AuditLogExported, name, log);
        store.record(exported).await?;
        let newest = store.events(&scope, &EventFilter::default(), Page::first(1)).await?;
        let size = newest.first().map_or(0, |event| event.sequence);
        let last = pruned(&*store, &scope).await?;
        Ok(Self { store, scope, size, last, has_begun: false })
    }

    /// The sequence of the last event that goes out.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The next events, oldest first; none when all are out. Each follows the one before it, so that an export which ends
    /// has no gap.
    ///
    /// # Errors
    ///
    /// If the store fails, or holds an event that cannot be read or does not follow the one before it;
    /// [`LogFault::Overtaken`], if a prune cut off events that were to come.
    pub async fn next_page(&mut self) -> Result<Vec<Event>, LogFault> {
        if self.last.0 >= self.size {
            return Ok(vec![]);
        }
        let page = self.store.chain(&self.scope, Page { after: Some(self.last.0), limit: BATCH }).await?;
        let mut events = page.into_iter().collect::<Result<Vec<_>, _>>()?;
        events.retain(|event| event.sequence <= self.size);
        if events.first().is_none_or(|first| first.sequence > self.last.0 + 1) {
            self.explain_gap(events.first().map_or(self.size, |first| first.sequence - 1)).await?;
        }
        for event in &events {
            let (sequence, hash) = self.last;
            if event.sequence != sequence + 1 {
                return Err(ChainFault::Missing { from: sequence + 1, to: event.sequence - 1 }.into());
            }
            if event.previous_hash != hash {
                return Err(ChainFault::Unlinked(event.sequence).into());
            }
            self.last = (event.sequence, event.hash);
        }
        self.has_begun |= !events.is_empty();
        Ok(events)
    }

    /// The events after the last one are gone, up to this one: by a prune, or not. A prune before the first event went out
    /// is where the export begins.
    async fn explain_gap(&mut self, to: u64) -> Result<(), LogFault> {
        let (from, pruned) = (self.last.0 + 1, pruned(&*self.store, &self.scope).await?);
        if pruned.0 < from {
            return Err(ChainFault::Missing { from, to }.into());
        }
        if self.has_begun || pruned.0 >= self.size {
            return Err(LogFault::Overtaken { from, to: pruned.0.min(to) });
        }
        self.last = pruned;
        Ok(())
    }
}

/// The last event that was pruned from the log: its place and its hash.
async fn pruned(store: &dyn AuditLog, scope: &Scope) -> Result<(u64, Option<Hash>), StoreError> {
    Ok(store.pruned(scope).await?.map_or((0, None), |pruned| (pruned.size, Some(pruned.last_hash))))
}
