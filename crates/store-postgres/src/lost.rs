use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{LostChange, LostChanges, Position, Revision, StoreError};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::row::{self, number, text};

#[async_trait]
impl LostChanges for PostgresStore {
    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        let insert = "INSERT INTO lost_changes (revision, operation) VALUES ($1, $2)
                      ON CONFLICT (revision, operation) DO NOTHING";
        let (revision, operation) = (row::big(change.revision.0), change.operation.to_string());
        self.execute(insert, &[number(&revision), text(&operation)]).await.map(drop)
    }

    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError> {
        let lost = |found: &Row| {
            let change = Position { revision: Revision(row::count(found, 0)?), operation: row::parsed(found, 1)? };
            Ok(LostChange { change, accepted: row::get(found, 2)? })
        };
        let sql = "SELECT revision, operation, accepted FROM lost_changes ORDER BY revision, operation";
        self.query(sql, &[]).await?.iter().map(lost).collect()
    }

    async fn accept_lost(&self, event: EventDraft) -> Result<(), StoreError> {
        self.write_with_event("UPDATE lost_changes SET accepted = TRUE WHERE NOT accepted", &[], &event).await
    }
}
