use std::sync::Arc;

use doorward_audit::{Action, Attribution, Checkpoint, Event, EventDraft};
use doorward_types::Timestamp;

use crate::{AuditLog, EventFilter, LogFault, Page, Scope, Store, StoreError};

/// Events at a time.
const BATCH: u32 = 5_000;

/// A log on its way out, page by page, however long it is.
#[derive(Debug)]
pub struct LogExport {
    store: Arc<dyn Store>,
    scope: Scope,
    size: u64,
    last: Option<u64>,
}

impl LogExport {
    /// Begins: the event that tells of it, at `now`, is written before the first event is handed out, and is the last one that is.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn begin(
        store: Arc<dyn Store>,
        scope: Scope,
        attribution: &Attribution,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let log = (scope.organization(), scope.environment());
        let name = Checkpoint::origin_of(log.0, log.1);
        let exported = EventDraft::new(attribution, now, Action::AuditLogExported, name, log);
        store.record(exported).await?;
        let newest = AuditLog::events(&*store, &scope, &EventFilter::default(), Page::first(1)).await?;
        let size = newest.first().map_or(0, |event| event.sequence);
        Ok(Self { store, scope, size, last: None })
    }

    /// The sequence of the last event that goes out.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The next events, oldest first; none when all are out.
    ///
    /// # Errors
    ///
    /// Where the store fails, or holds an event that cannot be read.
    pub async fn next_page(&mut self) -> Result<Vec<Event>, LogFault> {
        if self.last.is_some_and(|last| last >= self.size) {
            return Ok(vec![]);
        }
        let page = self.store.chain(&self.scope, Page { after: self.last, limit: BATCH }).await?;
        let mut events = page.into_iter().collect::<Result<Vec<_>, _>>()?;
        events.retain(|event| event.sequence <= self.size);
        self.last = Some(events.last().map_or(self.size, |event| event.sequence));
        Ok(events)
    }
}
