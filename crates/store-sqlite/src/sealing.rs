//! Sealed values of all scopes, and the name of their key.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Sealed, SealedKind, SealedValue, Sealing, SealingKeyId, StoreError, check_seal};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use crate::error::of_read;
use crate::{SqliteStore, audit, identity, row};

#[async_trait]
impl Sealing for SqliteStore {
    async fn name_sealing_key(
        &self,
        expected: Option<SealingKeyId>,
        key: SealingKeyId,
        event: Option<EventDraft>,
    ) -> Result<bool, StoreError> {
        self.write_first(move |connection| {
            let name = "UPDATE store SET sealing_key = ?1 WHERE id = 1 AND sealing_key IS ?2";
            let expected = expected.map(|id| id.to_string());
            let named = row::write_some(connection, name, params![key.to_string(), expected])? == 1;
            if let Some(event) = event.filter(|_| named) {
                audit::append(connection, &event)?;
            }
            Ok(named)
        })
        .await
    }

    async fn count_sealed(&self, kind: SealedKind) -> Result<u64, StoreError> {
        let sql = kind.count_statement();
        self.scan(move |connection| connection.query_row(&sql, [], |row| row.get(0)).map_err(of_read)).await
    }

    async fn sealed_values(
        &self,
        kind: SealedKind,
        after: Option<&SealedValue>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        let sql = kind.page_statement(after.is_none(), limit, place);
        let after: Vec<_> = after.map(|after| after.place().collect()).unwrap_or_default();
        self.scan(move |connection| {
            let mut list = connection.prepare_cached(&sql).map_err(of_read)?;
            list.query_map(params_from_iter(after), |row| value(row, kind)).and_then(Iterator::collect).map_err(of_read)
        })
        .await
    }

    async fn replace_sealed(&self, values: Vec<(SealedValue, Sealed)>) -> Result<u64, StoreError> {
        self.write(move |connection| {
            let mut replaced = 0;
            for (old, new) in values {
                let bytes = [new, old.sealed.clone()].map(|sealed| Value::Blob(sealed.as_bytes().to_vec()));
                let params = bytes.into_iter().chain(old.place().map(Value::Text));
                replaced += row::write_some(connection, &old.kind.replace_statement(place), params_from_iter(params))?;
            }
            Ok(replaced as u64)
        })
        .await
    }
}

/// Refuses a value that is sealed with another key than the store names.
pub(crate) fn check(connection: &Connection, written: &Sealed) -> Result<(), StoreError> {
    check_seal(identity::of(connection)?.sealing_key, written)
}

fn place(number: usize) -> String {
    format!("?{number}")
}

fn value(row: &Row<'_>, kind: SealedKind) -> rusqlite::Result<SealedValue> {
    Ok(SealedValue {
        kind,
        sealed: Sealed::from_bytes(row.get(0)?),
        record: row.get(1)?,
        organization: row::parsed(row, 2)?,
        environment: row::parsed(row, 3)?,
        key: (4..2 + kind.key_length()).map(|column| row.get(column)).collect::<Result<_, _>>()?,
    })
}
