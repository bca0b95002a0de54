//! Connectors.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Connector, ConnectorName, Page, Scope, Sealed, StoreError, Table};
use tokio_postgres::Row;

use crate::statement::{Statement, of_scope};
use crate::transaction::Answers;
use crate::{PostgresStore, row, sealing};

const INSERT: &str = "INSERT INTO connectors (organization, environment, name, sealed, created_at, updated_at)
                      VALUES ($1, $2, $3, $4, $5, $6)";
const PUT: &str = "INSERT INTO connectors (organization, environment, name, sealed, created_at, updated_at)
                   VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (organization, environment, name) DO UPDATE
                   SET sealed = excluded.sealed, updated_at = excluded.updated_at";

fn write(text: &'static str, scope: &Scope, record: &Connector) -> Statement {
    let write = of_scope(text, scope).text(record.name.as_str()).bytes(record.sealed.as_bytes());
    write.number(record.created_at.as_millis()).number(record.updated_at.as_millis())
}

fn connector(row: &Row) -> Result<Connector, StoreError> {
    Ok(Connector {
        name: row::parsed(row, 0)?,
        sealed: Sealed::from_bytes(row::get(row, 1)?),
        created_at: row::timestamp(row, 2)?,
        updated_at: row::timestamp(row, 3)?,
    })
}

#[async_trait]
impl Table<Connector> for PostgresStore {
    async fn insert(&self, scope: &Scope, record: Connector) -> Result<(), StoreError> {
        self.write_sealed(&record.sealed, || write(INSERT, scope, &record)).await
    }

    async fn put(&self, scope: &Scope, record: Connector, event: EventDraft) -> Result<(), StoreError> {
        let decide = |mut answers: Answers| {
            sealing::check(answers.next(), &record.sealed)?;
            Ok((Some(vec![write(PUT, scope, &record)]), ()))
        };
        self.write_telling(vec![sealing::named()], &event, decide).await
    }

    async fn get(&self, scope: &Scope, key: &ConnectorName) -> Result<Option<Connector>, StoreError> {
        let find = "SELECT name, sealed, created_at, updated_at FROM connectors
                    WHERE organization = $1 AND environment = $2 AND name = $3";
        self.query(of_scope(find, scope).text(key)).await?.first().map(connector).transpose()
    }

    async fn list(&self, scope: &Scope, page: Page<ConnectorName>) -> Result<Vec<Connector>, StoreError> {
        let list = "SELECT name, sealed, created_at, updated_at FROM connectors
                    WHERE organization = $1 AND environment = $2 AND ($3 IS NULL OR name < $3)
                    ORDER BY name DESC LIMIT $4";
        let list = of_scope(list, scope).text_or_null(page.after).number(i64::from(page.limit));
        self.query(list).await?.iter().map(connector).collect()
    }

    async fn delete(&self, scope: &Scope, key: &ConnectorName, event: EventDraft) -> Result<bool, StoreError> {
        let delete = "DELETE FROM connectors WHERE organization = $1 AND environment = $2 AND name = $3 RETURNING name";
        Ok(self.touch(of_scope(delete, scope).text(key), &event).await? == 1)
    }
}
