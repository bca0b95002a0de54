use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Operator, Operators, StoreError};
use doorward_types::{Locator, OperatorId};
use tokio_postgres::Row;

use crate::connect::in_time;
use crate::error::of_statement;
use crate::row::{self, Param, bytes, number, text};
use crate::{PostgresStore, audit, transaction};

const COLUMNS: &str = "SELECT id, name, locator, digest, created_at FROM operators";

#[async_trait]
impl Operators for PostgresStore {
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError> {
        let (id, name, locator) = (operator.id.to_string(), operator.name.as_str(), operator.locator.as_str());
        let (digest, created_at) = (operator.digest.to_bytes(), operator.created_at.as_millis());
        let digest = digest.as_slice();
        let params = [text(&id), text(&name), text(&locator), bytes(&digest), number(&created_at)];
        let insert = "INSERT INTO operators (id, name, locator, digest, created_at) VALUES ($1, $2, $3, $4, $5)";
        self.write_with_event(insert, &params, &event).await
    }

    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError> {
        let id = id.to_string();
        self.write_with_event("DELETE FROM operators WHERE id = $1", &[text(&id)], &event).await
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.query(&format!("{COLUMNS} ORDER BY id"), &[]).await?.iter().map(operator).collect()
    }

    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError> {
        let locator = locator.as_str();
        let found = self.query(&format!("{COLUMNS} WHERE locator = $1"), &[text(&locator)]).await?;
        found.first().map(operator).transpose()
    }
}

impl PostgresStore {
    /// A statement that touches something, and the event that tells of it. Operators are named by their key, so that it
    /// touches one at the most.
    pub(crate) async fn write_with_event(
        &self,
        sql: &str,
        params: &[Param<'_>],
        event: &EventDraft,
    ) -> Result<(), StoreError> {
        let once = || async {
            let mut client = self.client().await?;
            let transaction = transaction::begin(&mut client).await?;
            transaction::lock(&transaction).await?;
            if transaction.execute_typed(sql, params).await.map_err(of_statement)? == 0 {
                return Err(StoreError::Missing);
            }
            audit::append(&transaction, event).await?;
            transaction.commit().await.map_err(of_statement)
        };
        transaction::again(|| in_time(once())).await
    }
}

/// Reads an operator from the first five columns.
pub(crate) fn operator(row: &Row) -> Result<Operator, StoreError> {
    Ok(Operator {
        id: row::parsed(row, 0)?,
        name: row::parsed(row, 1)?,
        locator: row::parsed(row, 2)?,
        digest: row::digest(row, 3)?,
        created_at: row::timestamp(row, 4)?,
    })
}
