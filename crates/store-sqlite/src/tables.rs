//! Data of one environment. Every statement here names the organization and the environment.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Credential, CredentialKey, Page, Record, RegisteredUser, Scope, Sealed, StoreError, Table};
use doorward_types::RegisteredUserId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{of_read, of_write, unavailable};
use crate::links::{revoke_all_of, revoke_credential};
use crate::{SqliteStore, audit, row, sealing};

pub(crate) fn place(scope: &Scope) -> (String, &'static str) {
    (scope.organization().to_string(), scope.environment().as_str())
}

const INSERT_USER: &str =
    "INSERT INTO registered_users (organization, environment, id, origin_user_id, origin_user_name, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const PUT_USER: &str =
    "INSERT INTO registered_users (organization, environment, id, origin_user_id, origin_user_name, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
     ON CONFLICT (organization, environment, id) DO UPDATE
     SET origin_user_id = excluded.origin_user_id, origin_user_name = excluded.origin_user_name";

impl SqliteStore {
    async fn write_user(
        &self,
        sql: &'static str,
        scope: &Scope,
        record: RegisteredUser,
        event: Option<EventDraft>,
    ) -> Result<(), StoreError> {
        let (organization, environment) = place(scope);
        self.write(move |connection| {
            connection
                .prepare_cached(sql)
                .and_then(|mut write| {
                    write.execute(params![
                        organization,
                        environment,
                        record.id.to_string(),
                        record.origin_user_id.as_str(),
                        record.origin_user_name.as_ref().map(doorward_types::Name::as_str),
                        record.created_at.as_millis(),
                    ])
                })
                .map_err(of_write)?;
            event.map_or(Ok(()), |event| audit::append(connection, &event))
        })
        .await
    }
}

pub(crate) fn put_credential(
    connection: &Connection,
    sql: &str,
    organization: &str,
    environment: &str,
    record: &Credential,
) -> Result<(), StoreError> {
    sealing::check(connection, &record.sealed)?;
    let row = params![
        organization,
        environment,
        record.registered_user.to_string(),
        record.connector.as_str(),
        record.sealed.as_bytes(),
        record.created_at.as_millis(),
        record.updated_at.as_millis(),
    ];
    row::write(connection, sql, row)
}

fn user(row: &Row<'_>) -> rusqlite::Result<RegisteredUser> {
    Ok(RegisteredUser {
        id: row::parsed(row, 0)?,
        origin_user_id: row::parsed(row, 1)?,
        origin_user_name: row::parsed_option(row, 2)?,
        created_at: row::timestamp(row, 3)?,
    })
}

#[async_trait]
impl Table<RegisteredUser> for SqliteStore {
    async fn insert(&self, scope: &Scope, record: RegisteredUser) -> Result<(), StoreError> {
        self.write_user(INSERT_USER, scope, record, None).await
    }

    async fn put(&self, scope: &Scope, record: RegisteredUser, event: EventDraft) -> Result<(), StoreError> {
        self.write_user(PUT_USER, scope, record, Some(event)).await
    }

    async fn get(&self, scope: &Scope, key: &RegisteredUserId) -> Result<Option<RegisteredUser>, StoreError> {
        let ((organization, environment), key) = (place(scope), key.to_string());
        self.read(move |connection| {
            let mut find = connection
                .prepare_cached(
                    "SELECT id, origin_user_id, origin_user_name, created_at FROM registered_users
                     WHERE organization = ?1 AND environment = ?2 AND id = ?3",
                )
                .map_err(unavailable)?;
            find.query_row(params![organization, environment, key], user).optional().map_err(of_read)
        })
        .await
    }

    async fn list(&self, scope: &Scope, page: Page<RegisteredUserId>) -> Result<Vec<RegisteredUser>, StoreError> {
        let ((organization, environment), after) = (place(scope), page.after.map(|id| id.to_string()));
        self.read(move |connection| {
            let mut list = connection
                .prepare_cached(
                    "SELECT id, origin_user_id, origin_user_name, created_at FROM registered_users
                     WHERE organization = ?1 AND environment = ?2 AND (?3 IS NULL OR id < ?3)
                     ORDER BY id DESC LIMIT ?4",
                )
                .map_err(unavailable)?;
            list.query_map(params![organization, environment, after, page.limit], user)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn delete(&self, scope: &Scope, key: &RegisteredUserId, event: EventDraft) -> Result<bool, StoreError> {
        let ((organization, environment), key) = (place(scope), key.to_string());
        self.write(move |connection| {
            revoke_all_of(connection, &organization, environment, &key)?;
            let delete = "DELETE FROM registered_users WHERE organization = ?1 AND environment = ?2 AND id = ?3";
            let deleted = connection.execute(delete, params![organization, environment, key]).map_err(of_write)?;
            audit::append_if(connection, deleted == 1, &event)
        })
        .await
    }
}

const INSERT_CREDENTIAL: &str =
    "INSERT INTO credentials (organization, environment, registered_user, connector, sealed, created_at, updated_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
pub(crate) const PUT_CREDENTIAL: &str =
    "INSERT INTO credentials (organization, environment, registered_user, connector, sealed, created_at, updated_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
     ON CONFLICT (organization, environment, registered_user, connector) DO UPDATE
     SET sealed = excluded.sealed, updated_at = excluded.updated_at";

fn credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    Ok(Credential {
        registered_user: row::parsed(row, 0)?,
        connector: row::parsed(row, 1)?,
        sealed: Sealed::from_bytes(row.get(2)?),
        created_at: row::timestamp(row, 3)?,
        updated_at: row::timestamp(row, 4)?,
    })
}

#[async_trait]
impl Table<Credential> for SqliteStore {
    async fn insert(&self, scope: &Scope, record: Credential) -> Result<(), StoreError> {
        let (organization, environment) = place(scope);
        self.write(move |connection| put_credential(connection, INSERT_CREDENTIAL, &organization, environment, &record))
            .await
    }

    async fn put(&self, scope: &Scope, record: Credential, event: EventDraft) -> Result<(), StoreError> {
        let (organization, environment) = place(scope);
        self.write(move |connection| {
            revoke_credential(connection, &organization, environment, &record.key())?;
            put_credential(connection, PUT_CREDENTIAL, &organization, environment, &record)?;
            audit::append(connection, &event)
        })
        .await
    }

    async fn get(&self, scope: &Scope, key: &CredentialKey) -> Result<Option<Credential>, StoreError> {
        let ((organization, environment), key) = (place(scope), key.clone());
        self.read(move |connection| {
            let mut find = connection
                .prepare_cached(
                    "SELECT registered_user, connector, sealed, created_at, updated_at FROM credentials
                     WHERE organization = ?1 AND environment = ?2 AND registered_user = ?3 AND connector = ?4",
                )
                .map_err(unavailable)?;
            let key = params![organization, environment, key.registered_user.to_string(), key.connector.as_str()];
            find.query_row(key, credential).optional().map_err(of_read)
        })
        .await
    }

    async fn list(&self, scope: &Scope, page: Page<CredentialKey>) -> Result<Vec<Credential>, StoreError> {
        let (organization, environment) = place(scope);
        let after = page.after.map(|key| (key.registered_user.to_string(), key.connector.to_string()));
        let (after_user, after_connector) = after.unzip();
        self.read(move |connection| {
            let mut list = connection
                .prepare_cached(
                    "SELECT registered_user, connector, sealed, created_at, updated_at FROM credentials
                     WHERE organization = ?1 AND environment = ?2
                       AND (?3 IS NULL OR (registered_user, connector) < (?3, ?4))
                     ORDER BY registered_user DESC, connector DESC LIMIT ?5",
                )
                .map_err(unavailable)?;
            list.query_map(params![organization, environment, after_user, after_connector, page.limit], credential)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn delete(&self, scope: &Scope, key: &CredentialKey, event: EventDraft) -> Result<bool, StoreError> {
        let ((organization, environment), key) = (place(scope), key.clone());
        self.write(move |connection| {
            revoke_credential(connection, &organization, environment, &key)?;
            let delete = "DELETE FROM credentials
                          WHERE organization = ?1 AND environment = ?2 AND registered_user = ?3 AND connector = ?4";
            let key = params![organization, environment, key.registered_user.to_string(), key.connector.as_str()];
            let deleted = connection.execute(delete, key).map_err(of_write)?;
            audit::append_if(connection, deleted == 1, &event)
        })
        .await
    }
}
