use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{LostChange, LostChangeStore, Position, StoreError};
use doorward_store_sql::{coherence, sql};
use doorward_types::Incarnation;
use rusqlite::Connection;

use crate::{SqliteStore, logs, row};

#[async_trait]
impl LostChangeStore for SqliteStore {
    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError> {
        self.list(coherence::lost_changes()).await
    }

    async fn accept_lost(&self, seen: &[Position], event: EventDraft) -> Result<(), StoreError> {
        let seen = seen.to_vec();
        self.write_first(move |connection| {
            let accept =
                "UPDATE lost_changes SET accepted = TRUE WHERE revision = $1 AND operation = $2 AND NOT accepted";
            let mut accepted = 0;
            for change in seen {
                accepted += row::write_some(connection, &sql(accept).bind(&change.revision).bind(&change.operation))?;
            }
            if logs::append_if(connection, accepted > 0, &event)? { Ok(()) } else { Err(StoreError::NotFound) }
        })
        .await
    }

    async fn begin_incarnation(&self, last: Incarnation, event: EventDraft) -> Result<Incarnation, StoreError> {
        self.write_first(move |connection| begin_incarnation(connection, last, &event)).await
    }
}

pub(crate) fn answer_for_all(connection: &Connection) -> Result<(), StoreError> {
    row::write_some(connection, &sql("UPDATE lost_changes SET accepted = TRUE WHERE NOT accepted")).map(drop)
}

/// Begins the next incarnation, after the store's own and after `last`; returns its number.
pub(crate) fn begin_incarnation(
    connection: &Connection,
    last: Incarnation,
    event: &EventDraft,
) -> Result<Incarnation, StoreError> {
    let begun = row::value(connection, &coherence::begin_incarnation(last))?.ok_or(StoreError::UnfinishedCopy)?;
    logs::append(connection, event)?;
    Ok(begun)
}
