use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Operator, Operators, StoreError};
use doorward_types::{Locator, OperatorId};
use rusqlite::{OptionalExtension, Row, params};

use crate::error::{of_read, of_write, unavailable};
use crate::{SqliteStore, audit, row};

const COLUMNS: &str = "SELECT id, name, locator, digest, created_at FROM operators";

#[async_trait]
impl Operators for SqliteStore {
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError> {
        self.write_first(move |connection| {
            connection
                .execute(
                    "INSERT INTO operators (id, name, locator, digest, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![
                        operator.id.to_string(),
                        operator.name.as_str(),
                        operator.locator.as_str(),
                        operator.digest.to_bytes(),
                        operator.created_at.as_millis(),
                    ],
                )
                .map_err(of_write)?;
            audit::append(connection, &event)
        })
        .await
    }

    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError> {
        self.write_first(move |connection| {
            let removed =
                connection.execute("DELETE FROM operators WHERE id = ?1", [id.to_string()]).map_err(of_write)?;
            if removed != 1 {
                return Err(StoreError::Missing);
            }
            audit::append(connection, &event)
        })
        .await
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.read(|connection| {
            let mut list = connection.prepare_cached(&format!("{COLUMNS} ORDER BY id")).map_err(unavailable)?;
            list.query_map([], operator).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached(&format!("{COLUMNS} WHERE locator = ?1")).map_err(unavailable)?;
            find.query_row([locator.as_str()], operator).optional().map_err(of_read)
        })
        .await
    }
}

/// Reads an operator from the first five columns.
pub(crate) fn operator(row: &Row<'_>) -> rusqlite::Result<Operator> {
    Ok(Operator {
        id: row::parsed(row, 0)?,
        name: row::parsed(row, 1)?,
        locator: row::parsed(row, 2)?,
        digest: row::digest(row, 3)?,
        created_at: row::timestamp(row, 4)?,
    })
}
