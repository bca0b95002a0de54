//! Connectors.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Connector, ConnectorName, Page, Scope, Sealed, StoreError, Table};
use rusqlite::{OptionalExtension, Row, params};

use crate::error::{of_read, of_write, unavailable};
use crate::tables::place;
use crate::{SqliteStore, audit, row, sealing};

const INSERT: &str = "INSERT INTO connectors (organization, environment, name, sealed, created_at, updated_at)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const PUT: &str = "INSERT INTO connectors (organization, environment, name, sealed, created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (organization, environment, name) DO UPDATE
                   SET sealed = excluded.sealed, updated_at = excluded.updated_at";

impl SqliteStore {
    async fn write_connector(
        &self,
        sql: &'static str,
        scope: &Scope,
        record: Connector,
        event: Option<EventDraft>,
    ) -> Result<(), StoreError> {
        let (organization, environment) = place(scope);
        self.write(move |connection| {
            sealing::check(connection, &record.sealed)?;
            let Connector { name, sealed, created_at, updated_at } = &record;
            let (created_at, updated_at) = (created_at.as_millis(), updated_at.as_millis());
            let record = params![organization, environment, name.as_str(), sealed.as_bytes(), created_at, updated_at];
            connection.execute(sql, record).map_err(of_write)?;
            event.map_or(Ok(()), |event| audit::append(connection, &event))
        })
        .await
    }
}

fn connector(row: &Row<'_>) -> rusqlite::Result<Connector> {
    Ok(Connector {
        name: row::parsed(row, 0)?,
        sealed: Sealed::from_bytes(row.get(1)?),
        created_at: row::timestamp(row, 2)?,
        updated_at: row::timestamp(row, 3)?,
    })
}

#[async_trait]
impl Table<Connector> for SqliteStore {
    async fn insert(&self, scope: &Scope, record: Connector) -> Result<(), StoreError> {
        self.write_connector(INSERT, scope, record, None).await
    }

    async fn put(&self, scope: &Scope, record: Connector, event: EventDraft) -> Result<(), StoreError> {
        self.write_connector(PUT, scope, record, Some(event)).await
    }

    async fn get(&self, scope: &Scope, key: &ConnectorName) -> Result<Option<Connector>, StoreError> {
        let ((organization, environment), name) = (place(scope), key.clone());
        self.read(move |connection| {
            let find = "SELECT name, sealed, created_at, updated_at FROM connectors
                        WHERE organization = ?1 AND environment = ?2 AND name = ?3";
            let key = params![organization, environment, name.as_str()];
            connection.query_row(find, key, connector).optional().map_err(of_read)
        })
        .await
    }

    async fn list(&self, scope: &Scope, page: Page<ConnectorName>) -> Result<Vec<Connector>, StoreError> {
        let ((organization, environment), after) = (place(scope), page.after.map(|name| name.to_string()));
        self.read(move |connection| {
            let mut list = connection
                .prepare_cached(
                    "SELECT name, sealed, created_at, updated_at FROM connectors
                     WHERE organization = ?1 AND environment = ?2 AND (?3 IS NULL OR name < ?3)
                     ORDER BY name DESC LIMIT ?4",
                )
                .map_err(unavailable)?;
            list.query_map(params![organization, environment, after, page.limit], connector)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn delete(&self, scope: &Scope, key: &ConnectorName, event: EventDraft) -> Result<bool, StoreError> {
        let ((organization, environment), name) = (place(scope), key.clone());
        self.write(move |connection| {
            let delete = "DELETE FROM connectors WHERE organization = ?1 AND environment = ?2 AND name = ?3";
            let key = params![organization, environment, name.as_str()];
            audit::append_if(connection, connection.execute(delete, key).map_err(of_write)? == 1, &event)
        })
        .await
    }
}
