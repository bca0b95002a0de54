use async_trait::async_trait;
use doorward_audit::{ChainError, Event, EventDraft, Pruned};
use doorward_store::{AuditLog, Conflict, EventFilter, Page, Scope, StoreError};
use doorward_store_sql::{Statement, audit as log};
use doorward_types::{Environment, OrganizationId};

use crate::PostgresStore;
use crate::logs::Logs;
use crate::transaction::{Answers, Decision, lock};

impl PostgresStore {
    /// Writes `event` and the statements that `decide` returns. Writes nothing if `decide` returns `None`.
    pub(crate) async fn write_telling<T>(
        &self,
        reads: Vec<Statement>,
        event: &EventDraft,
        decide: impl Fn(Answers) -> Result<(Option<Vec<Statement>>, T), StoreError>,
    ) -> Result<T, StoreError> {
        let own = reads.len();
        // The lock is always taken first: one order of locks prevents deadlocks.
        let all: Vec<_> = [lock()].into_iter().chain(reads).chain(Logs::reads([event])).collect();
        self.pool
            .write(&all, |mut answers| {
                let _lock = answers.next();
                let found: Vec<_> = answers.by_ref().take(own).collect();
                let (writes, value) = decide(found.into_iter())?;
                let Some(mut writes) = writes else { return Ok(Decision::write(vec![], value)) };
                // Write the event first: its position must be greater than the positions of the events that a prune
                // removes.
                writes.insert(0, Logs::of([event], answers)?.append(event)?);
                Ok(Decision::write(writes, value))
            })
            .await
    }

    /// Runs a statement, and writes the event if the statement touched rows. Returns the number of these rows.
    pub(crate) async fn touch(&self, statement: Statement, event: Option<&EventDraft>) -> Result<u64, StoreError> {
        let Some(event) = event else { return self.execute(statement).await };
        let decide = |mut answers: Answers| {
            let touched = answers.next().unwrap_or_default().len() as u64;
            Ok(((touched > 0).then(Vec::new), touched))
        };
        self.write_telling(vec![statement.and(" RETURNING 1")], event, decide).await
    }

    /// Runs a statement and writes its event. Fails with [`StoreError::NotFound`] if the statement touched no row.
    pub(crate) async fn write_with_event(&self, statement: Statement, event: &EventDraft) -> Result<(), StoreError> {
        if self.touch(statement, Some(event)).await? == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}

#[async_trait]
impl AuditLog for PostgresStore {
    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        self.list(log::events(scope, filter, &page)).await
    }

    async fn record(&self, event: EventDraft) -> Result<(), StoreError> {
        self.write_telling(vec![], &event, |_| Ok((Some(vec![]), ()))).await
    }

    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainError>>, StoreError> {
        self.list(log::chain(scope, &page)).await
    }

    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError> {
        self.find(log::pruned(scope)).await
    }

    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let decide = |mut answers: Answers| {
            if answers.next().unwrap_or_default().is_empty() {
                return Err(Conflict::Stale.into());
            }
            if !answers.next().unwrap_or_default().is_empty() {
                return Err(Conflict::Unshipped.into());
            }
            Ok((Some(log::prune(scope, &pruned).into()), ()))
        };
        let reads = vec![log::prunes_to(scope, &pruned), log::unshipped(scope, &pruned)];
        self.write_telling(reads, &event, decide).await
    }

    async fn resign(&self, before: &Pruned, after: Pruned, event: EventDraft) -> Result<(), StoreError> {
        match self.write_with_event(log::resign(before, &after.note, &event), &event).await {
            Err(StoreError::NotFound) => Err(Conflict::Stale.into()),
            written => written,
        }
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        self.list(log::logs()).await
    }
}
