//! Sealed values of all scopes, and the id of their sealing key.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_records::{Sealed, SealedKind, SealedValue, Sealing, check_seal};
use doorward_store::{SealingKeyId, StoreError};
use doorward_store_sql::sealing;
use rusqlite::Connection;

use crate::{SqliteStore, identity, logs, row};

#[async_trait]
impl Sealing for SqliteStore {
    async fn name_sealing_key(
        &self,
        expected: Option<SealingKeyId>,
        key: SealingKeyId,
        event: Option<EventDraft>,
    ) -> Result<bool, StoreError> {
        self.write_first(move |connection| {
            let named = row::write_some(connection, &sealing::name_key(expected, key))? == 1;
            event.map_or(Ok(named), |event| logs::append_if(connection, named, &event))
        })
        .await
    }

    async fn count_sealed(&self, kind: SealedKind) -> Result<u64, StoreError> {
        self.scan(move |connection| Ok(row::value(connection, &sealing::count(kind))?.unwrap_or_default())).await
    }

    async fn sealed_values(
        &self,
        kind: SealedKind,
        after: Option<&SealedValue>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        let page = sealing::page(kind, after, limit);
        self.scan(move |connection| row::list_by(connection, &page, |row| sealing::value(kind, row))).await
    }

    async fn replace_sealed(&self, values: Vec<(SealedValue, Sealed)>) -> Result<u64, StoreError> {
        self.write(move |connection| {
            let replace = |(old, new): &(_, _)| row::write_some(connection, &sealing::replace(old, new));
            values.iter().map(replace).sum()
        })
        .await
    }
}

/// Refuses a value if its sealing key differs from the store's.
pub(crate) fn check(connection: &Connection, written: Option<&Sealed>) -> Result<(), StoreError> {
    written.map_or(Ok(()), |written| check_seal(identity::of(connection)?.sealing_key, written))
}
