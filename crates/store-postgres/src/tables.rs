//! Data of one environment. Every statement here names the organization and the environment.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_records::{Connector, Credential, CredentialKey, RegisteredUser, Table};
use doorward_store::{Page, Scope, StoreError};
use doorward_store_sql::Statement;
use doorward_store_sql::revoking::Revoking;
use doorward_store_sql::table::{self, Scoped};
use doorward_types::RegisteredUserId;

use crate::links::{lock_links_of, lock_user};
use crate::transaction::Answers;
use crate::{PostgresStore, sealing};

/// A record with the locks that its writes take. Each lock fails if its row is missing.
trait Locked: Scoped {
    /// Returns the locks for a put.
    fn put_locks(_scope: &Scope, _key: &Self::Key) -> Vec<Statement> {
        vec![]
    }

    /// Returns the locks for a deletion.
    fn delete_locks(scope: &Scope, key: &Self::Key) -> Vec<Statement> {
        Self::put_locks(scope, key)
    }
}

impl Locked for RegisteredUser {
    fn delete_locks(scope: &Scope, key: &RegisteredUserId) -> Vec<Statement> {
        vec![lock_user(scope, *key), lock_links_of(scope, *key)]
    }
}

impl Locked for Credential {
    fn put_locks(scope: &Scope, key: &CredentialKey) -> Vec<Statement> {
        vec![lock_user(scope, key.registered_user)]
    }
}

impl Locked for Connector {}

#[async_trait]
impl<R: Locked> Table<R> for PostgresStore {
    async fn insert(&self, scope: &Scope, record: R) -> Result<(), StoreError> {
        let insert = table::insert(scope, &record);
        match record.sealed() {
            Some(sealed) => self.write_sealed(sealed, insert).await,
            None => self.execute(insert).await.map(drop),
        }
    }

    async fn put(&self, scope: &Scope, record: R, event: EventDraft) -> Result<(), StoreError> {
        let key = record.key();
        let decide = |mut answers: Answers| {
            if let Some(sealed) = record.sealed() {
                sealing::check(answers.next(), sealed)?;
            }
            if answers.any(|found| found.is_empty()) {
                return Err(StoreError::NotFound);
            }
            let revoke = R::replaced(&Revoking::POSTGRES, scope, &key);
            Ok((Some(revoke.into_iter().chain([table::put(scope, &record)]).collect()), ()))
        };
        let named = record.sealed().map(|_| sealing::named());
        let reads = named.into_iter().chain(R::put_locks(scope, &key)).collect();
        self.write_telling(reads, &event, decide).await
    }

    async fn get(&self, scope: &Scope, key: &R::Key) -> Result<Option<R>, StoreError> {
        self.find(table::find::<R>(scope, key)).await
    }

    async fn list(&self, scope: &Scope, page: Page<R::Key>) -> Result<Vec<R>, StoreError> {
        self.list(table::page::<R>(scope, &page)).await
    }

    async fn delete(&self, scope: &Scope, key: &R::Key, event: EventDraft) -> Result<bool, StoreError> {
        let decide = |answers: Answers| {
            if answers.last().unwrap_or_default().is_empty() {
                return Ok((None, false));
            }
            let revoke = R::removed(&Revoking::POSTGRES, scope, key);
            Ok((Some(revoke.into_iter().chain([table::delete::<R>(scope, key)]).collect()), true))
        };
        let reads = R::delete_locks(scope, key).into_iter().chain([table::find::<R>(scope, key)]).collect();
        self.write_telling(reads, &event, decide).await
    }
}
