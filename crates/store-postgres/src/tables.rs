//! Data of one environment. Every statement here names the organization and the environment.

use async_trait::async_trait;
use doorward_store::{Credential, CredentialKey, Page, RegisteredUser, Scope, Sealed, StoreError, Table};
use doorward_types::{Name, RegisteredUserId};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::row::{self, bytes, number, text};

pub(crate) fn place(scope: &Scope) -> (String, &'static str) {
    (scope.organization().to_string(), scope.environment().as_str())
}

const INSERT_USER: &str =
    "INSERT INTO registered_users (organization, environment, id, origin_user_id, origin_user_name, created_at)
     VALUES ($1, $2, $3, $4, $5, $6)";
const PUT_USER: &str =
    "INSERT INTO registered_users (organization, environment, id, origin_user_id, origin_user_name, created_at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (organization, environment, id) DO UPDATE
     SET origin_user_id = excluded.origin_user_id, origin_user_name = excluded.origin_user_name";

const INSERT_CREDENTIAL: &str =
    "INSERT INTO credentials (organization, environment, registered_user, connector, sealed, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const PUT_CREDENTIAL: &str =
    "INSERT INTO credentials (organization, environment, registered_user, connector, sealed, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (organization, environment, registered_user, connector) DO UPDATE
     SET sealed = excluded.sealed, updated_at = excluded.updated_at";

impl PostgresStore {
    async fn write_user(&self, sql: &str, scope: &Scope, record: RegisteredUser) -> Result<(), StoreError> {
        let ((organization, environment), id) = (place(scope), record.id.to_string());
        let (origin_id, origin_name) =
            (record.origin_user_id.as_str(), record.origin_user_name.as_ref().map(Name::as_str));
        let created_at = record.created_at.as_millis();
        let params = [
            text(&organization),
            text(&environment),
            text(&id),
            text(&origin_id),
            text(&origin_name),
            number(&created_at),
        ];
        self.execute(sql, &params).await.map(drop)
    }

    async fn write_credential(&self, sql: &str, scope: &Scope, record: Credential) -> Result<(), StoreError> {
        let ((organization, environment), user) = (place(scope), record.registered_user.to_string());
        let (connector, sealed) = (record.connector.as_str(), record.sealed.as_bytes());
        let (created_at, updated_at) = (record.created_at.as_millis(), record.updated_at.as_millis());
        let params = [
            text(&organization),
            text(&environment),
            text(&user),
            text(&connector),
            bytes(&sealed),
            number(&created_at),
            number(&updated_at),
        ];
        self.execute(sql, &params).await.map(drop)
    }
}

fn user(row: &Row) -> Result<RegisteredUser, StoreError> {
    Ok(RegisteredUser {
        id: row::parsed(row, 0)?,
        origin_user_id: row::parsed(row, 1)?,
        origin_user_name: row::parsed_option(row, 2)?,
        created_at: row::timestamp(row, 3)?,
    })
}

#[async_trait]
impl Table<RegisteredUser> for PostgresStore {
    async fn insert(&self, scope: &Scope, record: RegisteredUser) -> Result<(), StoreError> {
        self.write_user(INSERT_USER, scope, record).await
    }

    async fn put(&self, scope: &Scope, record: RegisteredUser) -> Result<(), StoreError> {
        self.write_user(PUT_USER, scope, record).await
    }

    async fn get(&self, scope: &Scope, key: &RegisteredUserId) -> Result<Option<RegisteredUser>, StoreError> {
        let ((organization, environment), key) = (place(scope), key.to_string());
        let sql = "SELECT id, origin_user_id, origin_user_name, created_at FROM registered_users
                   WHERE organization = $1 AND environment = $2 AND id = $3";
        let found = self.query(sql, &[text(&organization), text(&environment), text(&key)]).await?;
        found.first().map(user).transpose()
    }

    async fn list(&self, scope: &Scope, page: Page<RegisteredUserId>) -> Result<Vec<RegisteredUser>, StoreError> {
        let ((organization, environment), after) = (place(scope), page.after.map(|id| id.to_string()));
        let limit = i64::from(page.limit);
        let sql = "SELECT id, origin_user_id, origin_user_name, created_at FROM registered_users
                   WHERE organization = $1 AND environment = $2 AND ($3 IS NULL OR id < $3)
                   ORDER BY id DESC LIMIT $4";
        let params = [text(&organization), text(&environment), text(&after), number(&limit)];
        self.query(sql, &params).await?.iter().map(user).collect()
    }

    async fn delete(&self, scope: &Scope, key: &RegisteredUserId) -> Result<bool, StoreError> {
        let ((organization, environment), key) = (place(scope), key.to_string());
        let delete = "DELETE FROM registered_users WHERE organization = $1 AND environment = $2 AND id = $3";
        Ok(self.execute(delete, &[text(&organization), text(&environment), text(&key)]).await? == 1)
    }
}

fn credential(row: &Row) -> Result<Credential, StoreError> {
    Ok(Credential {
        registered_user: row::parsed(row, 0)?,
        connector: row::parsed(row, 1)?,
        sealed: Sealed::from_bytes(row::get(row, 2)?),
        created_at: row::timestamp(row, 3)?,
        updated_at: row::timestamp(row, 4)?,
    })
}

#[async_trait]
impl Table<Credential> for PostgresStore {
    async fn insert(&self, scope: &Scope, record: Credential) -> Result<(), StoreError> {
        self.write_credential(INSERT_CREDENTIAL, scope, record).await
    }

    async fn put(&self, scope: &Scope, record: Credential) -> Result<(), StoreError> {
        self.write_credential(PUT_CREDENTIAL, scope, record).await
    }

    async fn get(&self, scope: &Scope, key: &CredentialKey) -> Result<Option<Credential>, StoreError> {
        let ((organization, environment), user) = (place(scope), key.registered_user.to_string());
        let connector = key.connector.as_str();
        let sql = "SELECT registered_user, connector, sealed, created_at, updated_at FROM credentials
                   WHERE organization = $1 AND environment = $2 AND registered_user = $3 AND connector = $4";
        let params = [text(&organization), text(&environment), text(&user), text(&connector)];
        self.query(sql, &params).await?.first().map(credential).transpose()
    }

    async fn list(&self, scope: &Scope, page: Page<CredentialKey>) -> Result<Vec<Credential>, StoreError> {
        let (organization, environment) = place(scope);
        let after = page.after.map(|key| (key.registered_user.to_string(), key.connector.to_string()));
        let ((after_user, after_connector), limit) = (after.unzip(), i64::from(page.limit));
        let sql = "SELECT registered_user, connector, sealed, created_at, updated_at FROM credentials
                   WHERE organization = $1 AND environment = $2
                     AND ($3 IS NULL OR (registered_user, connector) < ($3, $4))
                   ORDER BY registered_user DESC, connector DESC LIMIT $5";
        let params =
            [text(&organization), text(&environment), text(&after_user), text(&after_connector), number(&limit)];
        self.query(sql, &params).await?.iter().map(credential).collect()
    }

    async fn delete(&self, scope: &Scope, key: &CredentialKey) -> Result<bool, StoreError> {
        let ((organization, environment), user) = (place(scope), key.registered_user.to_string());
        let connector = key.connector.as_str();
        let delete = "DELETE FROM credentials
                      WHERE organization = $1 AND environment = $2 AND registered_user = $3 AND connector = $4";
        let params = [text(&organization), text(&environment), text(&user), text(&connector)];
        Ok(self.execute(delete, &params).await? == 1)
    }
}
