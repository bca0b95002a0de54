use std::sync::Arc;

use doorward_audit::{Action, Attribution, ChainError, Checkpoint, Event, EventDraft, ExportFormat, Hash};
use doorward_types::Timestamp;
use futures_util::stream::{self, Stream};

use crate::{AuditLog, EventFilter, LogError, Page, Scope, StoreError};

/// The number of events in one page.
const BATCH: u32 = 5_000;

/// The export of a log of any length, page by page.
#[derive(Debug)]
pub struct LogExport {
    store: Arc<dyn AuditLog>,
    scope: Scope,
    size: u64,
    /// The event before the next one: the last exported event, or the last pruned event.
    last: (u64, Option<Hash>),
    has_begun: bool,
}

impl LogExport {
    /// Begins an export. The event of the export is written at `now`, before the first page, and is the last exported
    /// event.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
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

    /// Returns the sequence of the last exported event.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the next events, oldest first, or no events at the end. Each event follows the one before, so a finished
    /// export has no gap.
    ///
    /// # Errors
    ///
    /// Fails if the store fails, or if an event cannot be read or does not follow the event before.
    /// [`LogError::Overtaken`] if a prune deleted events that were not exported yet.
    pub async fn next_page(&mut self) -> Result<Vec<Event>, LogError> {
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
                return Err(ChainError::Missing { from: sequence + 1, to: event.sequence - 1 }.into());
            }
            if event.previous_hash != hash {
                return Err(ChainError::Unlinked(event.sequence).into());
            }
            self.last = (event.sequence, event.hash);
        }
        self.has_begun |= !events.is_empty();
        Ok(events)
    }

    /// Returns the log in this format, one text for each page. If a page cannot be read, the last item is the error, and
    /// the texts before it are incomplete.
    pub fn texts(self, format: ExportFormat) -> impl Stream<Item = Result<String, LogError>> + Send {
        stream::try_unfold((self, Some(format.header())), move |(mut export, header)| async move {
            let page = export.next_page().await?;
            if page.is_empty() && header.is_none() {
                return Ok(None);
            }
            let mut text = header.unwrap_or_default();
            text.extend(page.iter().map(|event| format.line(event)));
            Ok(Some((text, (export, None))))
        })
    }

    /// Finds the reason for missing events between the last event and `to`. If a prune deleted them before the first
    /// event was exported, the export begins after the prune. Any other gap is an error.
    async fn explain_gap(&mut self, to: u64) -> Result<(), LogError> {
        let (from, pruned) = (self.last.0 + 1, pruned(&*self.store, &self.scope).await?);
        if pruned.0 < from {
            return Err(ChainError::Missing { from, to }.into());
        }
        if self.has_begun || pruned.0 >= self.size {
            return Err(LogError::Overtaken { from, to: pruned.0.min(to) });
        }
        self.last = pruned;
        Ok(())
    }
}

/// Returns the sequence and hash of the last pruned event.
async fn pruned(store: &dyn AuditLog, scope: &Scope) -> Result<(u64, Option<Hash>), StoreError> {
    Ok(store.pruned(scope).await?.map_or((0, None), |pruned| (pruned.size, Some(pruned.last_hash))))
}
