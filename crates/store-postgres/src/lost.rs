use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{LostChange, LostChanges, Position, Revision, StoreError};
use doorward_types::Incarnation;
use tokio_postgres::Row;

use crate::audit::Logs;
use crate::statement::sql;
use crate::transaction::{Decision, lock};
use crate::{PostgresStore, row};

#[async_trait]
impl LostChanges for PostgresStore {
    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError> {
        let lost = |found: &Row| {
            let change = Position { revision: Revision(row::count(found, 0)?), operation: row::parsed(found, 1)? };
            Ok(LostChange { change, accepted: row::get(found, 2)? })
        };
        let all = "SELECT revision, operation, accepted FROM lost_changes ORDER BY revision, operation";
        self.query(sql(all)).await?.iter().map(lost).collect()
    }

    async fn accept_lost(&self, seen: &[Position], event: EventDraft) -> Result<(), StoreError> {
        let accept = "UPDATE lost_changes SET accepted = TRUE
                      WHERE NOT accepted AND CAST(revision AS TEXT) || ' ' || operation = ANY($1) RETURNING revision";
        let seen = seen.iter().map(|change| format!("{} {}", change.revision, change.operation));
        self.write_with_event(sql(accept).texts(seen), &event).await
    }

    async fn begin_incarnation(&self, last: Incarnation, event: EventDraft) -> Result<Incarnation, StoreError> {
        let next = "UPDATE store SET incarnation = CASE WHEN incarnation < $1 THEN $1 ELSE incarnation END + 1
                    WHERE id = 1 RETURNING incarnation";
        let mut reads = vec![lock(), sql(next).count(last.0)];
        reads.extend(Logs::reads([&event]));
        self.pool
            .write(&reads, |mut answers| {
                let next = answers.nth(1).unwrap_or_default();
                let incarnation = Incarnation(row::count(next.first().ok_or(StoreError::Unfinished)?, 0)?);
                let event = Logs::of([&event], answers)?.append(&event)?;
                Ok(Decision::write(vec![event], incarnation))
            })
            .await
    }
}
