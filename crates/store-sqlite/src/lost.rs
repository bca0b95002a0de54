use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{LostChange, LostChanges, Position, Revision, StoreError};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::error::{of_read, unavailable};
use crate::{SqliteStore, audit, row};

#[async_trait]
impl LostChanges for SqliteStore {
    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let insert = "INSERT INTO lost_changes (revision, operation) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            transaction
                .execute(insert, params![change.revision.0, change.operation.to_string()])
                .map_err(unavailable)?;
            Ok(())
        })
        .await
    }

    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError> {
        self.read(|transaction| {
            let mut list = transaction
                .prepare_cached("SELECT revision, operation, accepted FROM lost_changes ORDER BY revision, operation")
                .map_err(unavailable)?;
            let lost = |row: &Row<'_>| Ok(LostChange { change: position(row)?, accepted: row.get(2)? });
            list.query_map([], lost).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn accept_lost(&self, event: EventDraft) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let accept = "UPDATE lost_changes SET accepted = 1 WHERE accepted = 0";
            if transaction.execute(accept, []).map_err(unavailable)? == 0 {
                return Err(StoreError::Missing);
            }
            audit::append(transaction, &event)
        })
        .await
    }
}

/// A change that no one has answered for.
pub(crate) fn open(transaction: &Transaction<'_>) -> Result<Option<Position>, StoreError> {
    let mut find = transaction
        .prepare_cached("SELECT revision, operation FROM lost_changes WHERE accepted = 0 LIMIT 1")
        .map_err(unavailable)?;
    find.query_row([], position).optional().map_err(of_read)
}

pub(crate) fn is_noted(transaction: &Transaction<'_>, change: Position) -> Result<bool, StoreError> {
    let mut find = transaction
        .prepare_cached("SELECT 1 FROM lost_changes WHERE revision = ?1 AND operation = ?2")
        .map_err(unavailable)?;
    find.exists(params![change.revision.0, change.operation.to_string()]).map_err(unavailable)
}

fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    Ok(Position { revision: Revision(row.get(0)?), operation: row::parsed(row, 1)? })
}
