use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{LostChange, LostChanges, Position, Revision, StoreError};
use doorward_types::Incarnation;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{of_read, unavailable};
use crate::{SqliteStore, audit, row};

#[async_trait]
impl LostChanges for SqliteStore {
    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError> {
        self.read(|connection| {
            let mut list = connection
                .prepare_cached("SELECT revision, operation, accepted FROM lost_changes ORDER BY revision, operation")
                .map_err(unavailable)?;
            let lost = |row: &Row<'_>| Ok(LostChange { change: position(row)?, accepted: row.get(2)? });
            list.query_map([], lost).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn accept_lost(&self, seen: &[Position], event: EventDraft) -> Result<(), StoreError> {
        let seen = seen.to_vec();
        self.write_first(move |connection| {
            let accept = "UPDATE lost_changes SET accepted = 1 WHERE revision = ?1 AND operation = ?2 AND accepted = 0";
            let mut accepted = 0;
            for change in seen {
                let place = params![change.revision.0, change.operation.to_string()];
                accepted += row::write_some(connection, accept, place)?;
            }
            if audit::append_if(connection, accepted > 0, &event)? { Ok(()) } else { Err(StoreError::Missing) }
        })
        .await
    }

    async fn begin_incarnation(&self, last: Incarnation, event: EventDraft) -> Result<Incarnation, StoreError> {
        self.write_first(move |connection| begin_incarnation(connection, last, &event)).await
    }
}

pub(crate) fn report(connection: &Connection, change: Position) -> Result<(), StoreError> {
    let insert = "INSERT INTO lost_changes (revision, operation) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    // A change that was noted before needs no row.
    row::write_some(connection, insert, params![change.revision.0, change.operation.to_string()]).map(drop)
}

pub(crate) fn answer_for_all(connection: &Connection) -> Result<usize, StoreError> {
    row::write_some(connection, "UPDATE lost_changes SET accepted = 1 WHERE accepted = 0", [])
}

/// Begins the next incarnation, after the store's own and after `last`; returns its number.
pub(crate) fn begin_incarnation(
    connection: &Connection,
    last: Incarnation,
    event: &EventDraft,
) -> Result<Incarnation, StoreError> {
    let next = "UPDATE store SET incarnation = max(incarnation, ?1) + 1 WHERE id = 1 RETURNING incarnation";
    let incarnation = connection.query_row(next, [last.0], |row| row.get(0)).map_err(unavailable)?;
    audit::append(connection, event)?;
    Ok(Incarnation(incarnation))
}

/// Returns a change that no operator has answered for.
pub(crate) fn open(connection: &Connection) -> Result<Option<Position>, StoreError> {
    let mut find = connection
        .prepare_cached("SELECT revision, operation FROM lost_changes WHERE accepted = 0 LIMIT 1")
        .map_err(unavailable)?;
    find.query_row([], position).optional().map_err(of_read)
}

pub(crate) fn is_noted(connection: &Connection, change: Position) -> Result<bool, StoreError> {
    let mut find = connection
        .prepare_cached("SELECT 1 FROM lost_changes WHERE revision = ?1 AND operation = ?2")
        .map_err(unavailable)?;
    find.exists(params![change.revision.0, change.operation.to_string()]).map_err(unavailable)
}

fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    Ok(Position { revision: Revision(row.get(0)?), operation: row::parsed(row, 1)? })
}
