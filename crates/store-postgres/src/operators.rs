use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Operator, Operators, StoreError};
use doorward_types::{Locator, OperatorId};
use tokio_postgres::Row;

use crate::statement::sql;
use crate::{PostgresStore, row};

const COLUMNS: &str = "SELECT id, name, locator, digest, created_at FROM operators";

#[async_trait]
impl Operators for PostgresStore {
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError> {
        let insert = "INSERT INTO operators (id, name, locator, digest, created_at) VALUES ($1, $2, $3, $4, $5)
                      RETURNING id";
        let insert = sql(insert).text(operator.id).text(&operator.name).text(operator.locator);
        let insert = insert.bytes(operator.digest.to_bytes()).number(operator.created_at.as_millis());
        self.write_with_event(insert, &event).await
    }

    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError> {
        self.write_with_event(sql("DELETE FROM operators WHERE id = $1 RETURNING id").text(id), &event).await
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.query(sql(format!("{COLUMNS} ORDER BY id"))).await?.iter().map(operator).collect()
    }

    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError> {
        let find = sql(format!("{COLUMNS} WHERE locator = $1")).text(locator);
        self.query(find).await?.first().map(operator).transpose()
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
