use async_trait::async_trait;
use doorward_audit::{ChainFault, Event, EventDraft, Pruned};
use doorward_store::{AuditLog, Conflict, EventFilter, Page, Scope, StoreError};
use doorward_store_sql::{audit as log, sql};
use doorward_types::{Environment, OrganizationId};
use rusqlite::Connection;

use crate::{SqliteStore, identity, row};

/// Writes an event as the next of its log, in the transaction of the change that it tells of.
pub(crate) fn append(connection: &Connection, draft: &EventDraft) -> Result<(), StoreError> {
    let last = sql("SELECT sequence, hash FROM audit_events WHERE organization = $1 AND environment = $2
                    ORDER BY sequence DESC LIMIT 1");
    let last = last.bind(&draft.organization).bind(&draft.environment);
    let last = row::find(connection, &last)?;
    let event = Event::following(last, identity::incarnation(connection)?, draft.clone());
    row::write(connection, &log::append(&event)?)
}

/// Writes an event if what it tells of was done; returns whether that was done.
pub(crate) fn append_if(connection: &Connection, is_done: bool, draft: &EventDraft) -> Result<bool, StoreError> {
    if is_done {
        append(connection, draft)?;
    }
    Ok(is_done)
}

#[async_trait]
impl AuditLog for SqliteStore {
    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        self.scan_all(log::events(scope, filter, &page)).await
    }

    async fn record(&self, event: EventDraft) -> Result<(), StoreError> {
        self.write_first(move |connection| append(connection, &event)).await
    }

    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainFault>>, StoreError> {
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
            append(connection, &event)?;
            row::write_all(connection, &log::prune(&scope, &pruned))
        })
        .await
    }

    async fn resign(&self, before: &Pruned, after: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let resign = log::resign(before, &after.note, &event);
        self.write(move |connection| {
            let is_signed = row::write_some(connection, &resign)? == 1;
            if append_if(connection, is_signed, &event)? { Ok(()) } else { Err(Conflict::Stale.into()) }
        })
        .await
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        self.scan_all(log::logs()).await
    }
}
