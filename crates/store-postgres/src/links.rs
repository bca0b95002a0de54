//! Connectors, and tries to link an account through one.

use async_trait::async_trait;
use doorward_key::Digest;
use doorward_store::{
    Connector, ConnectorName, LinkSession, LinkSessions, Page, Scope, Sealed, StoreError, Table, TakenLink,
};
use doorward_types::Timestamp;
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::row::{self, bytes, number, text};
use crate::tables::place;

const INSERT: &str = "INSERT INTO connectors (organization, environment, name, sealed, created_at, updated_at)
                      VALUES ($1, $2, $3, $4, $5, $6)";
const PUT: &str = "INSERT INTO connectors (organization, environment, name, sealed, created_at, updated_at)
                   VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (organization, environment, name) DO UPDATE
                   SET sealed = excluded.sealed, updated_at = excluded.updated_at";

impl PostgresStore {
    async fn write_connector(&self, sql: &str, scope: &Scope, record: Connector) -> Result<(), StoreError> {
        let (organization, environment) = place(scope);
        let (name, sealed) = (record.name.as_str(), record.sealed.as_bytes());
        let (created_at, updated_at) = (record.created_at.as_millis(), record.updated_at.as_millis());
        let params = [
            text(&organization),
            text(&environment),
            text(&name),
            bytes(&sealed),
            number(&created_at),
            number(&updated_at),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    async fn forget_expired(&self, now: Timestamp) -> Result<(), StoreError> {
        let now = now.as_millis();
        self.execute("DELETE FROM link_sessions WHERE expires_at <= $1", &[number(&now)]).await.map(drop)
    }
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
        self.write_connector(INSERT, scope, record).await
    }

    async fn put(&self, scope: &Scope, record: Connector) -> Result<(), StoreError> {
        self.write_connector(PUT, scope, record).await
    }

    async fn get(&self, scope: &Scope, key: &ConnectorName) -> Result<Option<Connector>, StoreError> {
        let ((organization, environment), name) = (place(scope), key.as_str());
        let sql = "SELECT name, sealed, created_at, updated_at FROM connectors
                   WHERE organization = $1 AND environment = $2 AND name = $3";
        let found = self.query(sql, &[text(&organization), text(&environment), text(&name)]).await?;
        found.first().map(connector).transpose()
    }

    async fn list(&self, scope: &Scope, page: Page<ConnectorName>) -> Result<Vec<Connector>, StoreError> {
        let ((organization, environment), after) = (place(scope), page.after.map(|name| name.to_string()));
        let limit = i64::from(page.limit);
        let sql = "SELECT name, sealed, created_at, updated_at FROM connectors
                   WHERE organization = $1 AND environment = $2 AND ($3 IS NULL OR name < $3)
                   ORDER BY name DESC LIMIT $4";
        let params = [text(&organization), text(&environment), text(&after), number(&limit)];
        self.query(sql, &params).await?.iter().map(connector).collect()
    }

    async fn delete(&self, scope: &Scope, key: &ConnectorName) -> Result<bool, StoreError> {
        let ((organization, environment), name) = (place(scope), key.as_str());
        let delete = "DELETE FROM connectors WHERE organization = $1 AND environment = $2 AND name = $3";
        Ok(self.execute(delete, &[text(&organization), text(&environment), text(&name)]).await? == 1)
    }
}

#[async_trait]
impl LinkSessions for PostgresStore {
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError> {
        self.forget_expired(now).await?;
        let (organization, environment) = place(scope);
        let LinkSession { id, state, registered_user, sealed, expires_at } = &session;
        let (id, state, registered_user) = (id.to_string(), state.to_bytes(), registered_user.to_string());
        let (state, sealed, expires_at) = (state.as_slice(), sealed.as_bytes(), expires_at.as_millis());
        let insert =
            "INSERT INTO link_sessions (organization, environment, id, state, registered_user, sealed, expires_at)
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let params = [
            text(&organization),
            text(&environment),
            text(&id),
            bytes(&state),
            text(&registered_user),
            bytes(&sealed),
            number(&expires_at),
        ];
        self.execute(insert, &params).await.map(drop)
    }

    async fn take_link(&self, state: Digest, now: Timestamp) -> Result<Option<TakenLink>, StoreError> {
        self.forget_expired(now).await?;
        let state = state.to_bytes();
        let state = state.as_slice();
        let take = "DELETE FROM link_sessions WHERE state = $1
                    RETURNING organization, environment, id, state, registered_user, sealed, expires_at";
        let taken = |found: &Row| {
            let session = LinkSession {
                id: row::parsed(found, 2)?,
                state: row::digest(found, 3)?,
                registered_user: row::parsed(found, 4)?,
                sealed: Sealed::from_bytes(row::get(found, 5)?),
                expires_at: row::timestamp(found, 6)?,
            };
            Ok(TakenLink { organization: row::parsed(found, 0)?, environment: row::parsed(found, 1)?, session })
        };
        self.query(take, &[bytes(&state)]).await?.first().map(taken).transpose()
    }
}
