use async_trait::async_trait;
use doorward_audit::{ChainError, Event, EventDraft, Pruned};
use doorward_store::{AuditLog, Conflict, EventFilter, Page, Scope, StoreError};
use doorward_store_sql::audit as log;
use doorward_types::{Environment, OrganizationId};

use crate::{SqliteStore, logs, row};

#[async_trait]
impl AuditLog for SqliteStore {
    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        self.scan_all(log::events(scope, filter, &page)).await
    }

    async fn record(&self, event: EventDraft) -> Result<(), StoreError> {
        self.write_first(move |connection| logs::append(connection, &event)).await
    }

    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainError>>, StoreError> {
        self.scan_all(log::chain(scope, &page)).await
    }

    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError> {
        self.find(log::pruned(scope)).await
    }

    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let scope = *scope;
        self.write(move |connection| {
            if !row::exists(connection, &log::prunes_to(&scope, &pruned))? {
                return Err(Conflict::Stale.into());
            }
            if row::exists(connection, &log::unshipped(&scope, &pruned))? {
                return Err(Conflict::Unshipped.into());
            }
            logs::append(connection, &event)?;
            row::write_all(connection, &log::prune(&scope, &pruned))
        })
        .await
    }

    async fn resign(&self, before: &Pruned, after: Pruned, event: EventDraft) -> Result<(), StoreError> {
        match self.touch(log::resign(before, &after.note, &event), event).await? {
            0 => Err(Conflict::Stale.into()),
            _ => Ok(()),
        }
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        self.scan_all(log::logs()).await
    }
}
