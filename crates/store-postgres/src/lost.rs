use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{LostChange, LostChangeStore, Position, StoreError};
use doorward_store_sql::{coherence, sql};
use doorward_types::Incarnation;

use crate::logs::Logs;
use crate::transaction::{Decision, lock};
use crate::{PostgresStore, row};

#[async_trait]
impl LostChangeStore for PostgresStore {
    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError> {
        self.list(coherence::lost_changes()).await
    }

    async fn accept_lost(&self, seen: &[Position], event: EventDraft) -> Result<(), StoreError> {
        let accept = "UPDATE lost_changes SET accepted = TRUE
                      WHERE NOT accepted AND CAST(revision AS TEXT) || ' ' || operation = ANY($1)";
        let seen: Vec<_> = seen.iter().map(|change| format!("{} {}", change.revision, change.operation)).collect();
        self.write_with_event(sql(accept).all(&seen), &event).await
    }

    async fn begin_incarnation(&self, last: Incarnation, event: EventDraft) -> Result<Incarnation, StoreError> {
        let mut reads = vec![lock(), coherence::begin_incarnation(last)];
        reads.extend(Logs::reads([&event]));
        self.pool
            .write(&reads, |mut answers| {
                let next = answers.nth(1).unwrap_or_default();
                let incarnation = row::value(&next)?.ok_or(StoreError::UnfinishedCopy)?;
                let event = Logs::of([&event], answers)?.append(&event)?;
                Ok(Decision::write(vec![event], incarnation))
            })
            .await
    }
}
