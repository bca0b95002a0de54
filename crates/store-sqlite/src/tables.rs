//! Data of one environment. Every statement here names the organization and the environment.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_records::Table;
use doorward_store::{Page, Scope, StoreError};
use doorward_store_sql::revoking::Revoking;
use doorward_store_sql::table::{self, Scoped};

use crate::{SqliteStore, logs, row, sealing};

#[async_trait]
impl<R: Scoped> Table<R> for SqliteStore {
    async fn insert(&self, scope: &Scope, record: R) -> Result<(), StoreError> {
        let insert = table::insert(scope, &record);
        self.write(move |connection| {
            sealing::check(connection, record.sealed())?;
            row::write(connection, &insert)
        })
        .await
    }

    async fn put(&self, scope: &Scope, record: R, event: EventDraft) -> Result<(), StoreError> {
        let (revoke, put) = (R::replaced(&Revoking::SQLITE, scope, &record.key()), table::put(scope, &record));
        self.write(move |connection| {
            sealing::check(connection, record.sealed())?;
            row::write_all(connection, &revoke)?;
            row::write(connection, &put)?;
            logs::append(connection, &event)
        })
        .await
    }

    async fn get(&self, scope: &Scope, key: &R::Key) -> Result<Option<R>, StoreError> {
        self.find(table::find::<R>(scope, key)).await
    }

    async fn list(&self, scope: &Scope, page: Page<R::Key>) -> Result<Vec<R>, StoreError> {
        self.list(table::page::<R>(scope, &page)).await
    }

    async fn delete(&self, scope: &Scope, key: &R::Key, event: EventDraft) -> Result<bool, StoreError> {
        let (revoke, delete) = (R::removed(&Revoking::SQLITE, scope, key), table::delete::<R>(scope, key));
        self.write(move |connection| {
            row::write_all(connection, &revoke)?;
            let is_deleted = row::write_some(connection, &delete)? == 1;
            logs::append_if(connection, is_deleted, &event)
        })
        .await
    }
}
