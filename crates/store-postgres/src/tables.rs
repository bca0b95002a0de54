//! Data of one environment. Every statement here names the organization and the environment.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Credential, CredentialKey, Page, Record, RegisteredUser, Scope, Sealed, StoreError, Table};
use doorward_types::RegisteredUserId;
use tokio_postgres::Row;

use crate::links::{lock_links_of, lock_user, revoke_all_of, revoke_credential};
use crate::statement::{Statement, of_scope};
use crate::transaction::Answers;
use crate::{PostgresStore, row, sealing};

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

fn write_user(text: &'static str, scope: &Scope, record: &RegisteredUser) -> Statement {
    let write = of_scope(text, scope).text(record.id).text(&record.origin_user_id);
    write.text_or_null(record.origin_user_name.as_ref()).number(record.created_at.as_millis())
}

fn write_credential(text: &'static str, scope: &Scope, record: &Credential) -> Statement {
    let write = of_scope(text, scope).text(record.registered_user).text(&record.connector);
    let write = write.bytes(record.sealed.as_bytes());
    write.number(record.created_at.as_millis()).number(record.updated_at.as_millis())
}

pub(crate) fn put_credential(scope: &Scope, record: &Credential) -> Statement {
    write_credential(PUT_CREDENTIAL, scope, record)
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
        self.execute(write_user(INSERT_USER, scope, &record)).await.map(drop)
    }

    async fn put(&self, scope: &Scope, record: RegisteredUser, event: EventDraft) -> Result<(), StoreError> {
        self.write_telling(vec![], &event, |_| Ok((Some(vec![write_user(PUT_USER, scope, &record)]), ()))).await
    }

    async fn get(&self, scope: &Scope, key: &RegisteredUserId) -> Result<Option<RegisteredUser>, StoreError> {
        let find = "SELECT id, origin_user_id, origin_user_name, created_at FROM registered_users
                    WHERE organization = $1 AND environment = $2 AND id = $3";
        self.query(of_scope(find, scope).text(key)).await?.first().map(user).transpose()
    }

    async fn list(&self, scope: &Scope, page: Page<RegisteredUserId>) -> Result<Vec<RegisteredUser>, StoreError> {
        let list = "SELECT id, origin_user_id, origin_user_name, created_at FROM registered_users
                    WHERE organization = $1 AND environment = $2 AND ($3 IS NULL OR id < $3)
                    ORDER BY id DESC LIMIT $4";
        let list = of_scope(list, scope).text_or_null(page.after).number(i64::from(page.limit));
        self.query(list).await?.iter().map(user).collect()
    }

    async fn delete(&self, scope: &Scope, key: &RegisteredUserId, event: EventDraft) -> Result<bool, StoreError> {
        let delete = "DELETE FROM registered_users WHERE organization = $1 AND environment = $2 AND id = $3";
        let decide = |mut answers: Answers| {
            if answers.next().unwrap_or_default().is_empty() {
                return Ok((None, false));
            }
            let delete = of_scope(delete, scope).text(key);
            Ok((Some(revoke_all_of(scope, *key).into_iter().chain([delete]).collect()), true))
        };
        self.write_telling(vec![lock_user(scope, *key), lock_links_of(scope, *key)], &event, decide).await
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
        self.write_sealed(&record.sealed, || write_credential(INSERT_CREDENTIAL, scope, &record)).await
    }

    async fn put(&self, scope: &Scope, record: Credential, event: EventDraft) -> Result<(), StoreError> {
        let decide = |mut answers: Answers| {
            sealing::check(answers.next(), &record.sealed)?;
            if answers.next().unwrap_or_default().is_empty() {
                return Err(StoreError::Missing);
            }
            Ok((Some(vec![revoke_credential(scope, &record.key()), put_credential(scope, &record)]), ()))
        };
        self.write_telling(vec![sealing::named(), lock_user(scope, record.registered_user)], &event, decide).await
    }

    async fn get(&self, scope: &Scope, key: &CredentialKey) -> Result<Option<Credential>, StoreError> {
        let find = "SELECT registered_user, connector, sealed, created_at, updated_at FROM credentials
                    WHERE organization = $1 AND environment = $2 AND registered_user = $3 AND connector = $4";
        let find = of_scope(find, scope).text(key.registered_user).text(&key.connector);
        self.query(find).await?.first().map(credential).transpose()
    }

    async fn list(&self, scope: &Scope, page: Page<CredentialKey>) -> Result<Vec<Credential>, StoreError> {
        let list = "SELECT registered_user, connector, sealed, created_at, updated_at FROM credentials
                    WHERE organization = $1 AND environment = $2
                      AND ($3 IS NULL OR (registered_user, connector) < ($3, $4))
                    ORDER BY registered_user DESC, connector DESC LIMIT $5";
        let (user, connector) = page.after.map(|key| (key.registered_user, key.connector)).unzip();
        let list = of_scope(list, scope).text_or_null(user).text_or_null(connector).number(i64::from(page.limit));
        self.query(list).await?.iter().map(credential).collect()
    }

    async fn delete(&self, scope: &Scope, key: &CredentialKey, event: EventDraft) -> Result<bool, StoreError> {
        let delete = "DELETE FROM credentials
                      WHERE organization = $1 AND environment = $2 AND registered_user = $3 AND connector = $4";
        let find = "SELECT connector FROM credentials
                    WHERE organization = $1 AND environment = $2 AND registered_user = $3 AND connector = $4";
        let of_key = |text| of_scope(text, scope).text(key.registered_user).text(&key.connector);
        let decide = |answers: Answers| {
            if answers.last().unwrap_or_default().is_empty() {
                return Ok((None, false));
            }
            Ok((Some(vec![revoke_credential(scope, key), of_key(delete)]), true))
        };
        self.write_telling(vec![lock_user(scope, key.registered_user), of_key(find)], &event, decide).await
    }
}
