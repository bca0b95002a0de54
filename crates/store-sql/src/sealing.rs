//! Sealed values of all scopes, and the id of their sealing key.

use std::iter::zip;

use doorward_records::{Connector, Credential, LinkSession, Revocation, Sealed, SealedKind, SealedValue};
use doorward_store::copy::CopiedTable;
use doorward_store::{SealingKeyId, StoreError};

use crate::table::{Stored, names, places};
use crate::{Reader, Statement, sql};

/// Sets the store's sealing key id, if the id is still `expected`.
pub fn name_key(expected: Option<SealingKeyId>, key: SealingKeyId) -> Statement {
    let name = "UPDATE store SET sealing_key = $1 WHERE id = 1 AND coalesce(sealing_key, '') = coalesce($2, '')";
    sql(name).bind(&key).bind(&expected)
}

/// The columns with the values of a kind.
struct Place {
    table: CopiedTable,
    column: &'static str,
    /// The SQL expression of the record that a value is sealed for.
    record: &'static str,
}

impl Place {
    const fn of(kind: SealedKind) -> Self {
        let (table, column, record) = match kind {
            SealedKind::Connector => (Connector::TABLE, "sealed", "'connector/' || name"),
            SealedKind::Credential => (Credential::TABLE, "sealed", "registered_user || '/' || connector"),
            SealedKind::LinkPlan => {
                (LinkSession::TABLE, "plan", "'link/' || id || '/' || registered_user || '/' || connector")
            }
            SealedKind::LinkTokens => (LinkSession::TABLE, "tokens", "'link-tokens/' || id || '/' || registered_user"),
            SealedKind::Revocation => (Revocation::TABLE, "sealed", "record"),
        };
        Self { table, column, record }
    }

    /// The primary key, which begins with organization and environment.
    fn key(&self) -> Vec<&'static str> {
        names(self.table.columns).into_iter().take(self.table.key).collect()
    }
}

/// Counts the values of a kind.
pub fn count(kind: SealedKind) -> Statement {
    let Place { table, column, .. } = Place::of(kind);
    sql(format!("SELECT count(*) FROM {} WHERE {column} IS NOT NULL", table.name))
}

/// Reads a page of the values of a kind: the value, the record that it is sealed for, and the primary key.
pub fn page(kind: SealedKind, after: Option<&SealedValue>, limit: u32) -> Statement {
    let place = Place::of(kind);
    let (Place { table, column, record }, key) = (&place, place.key());
    let places = places(1, key.len());
    let key = key.join(", ");
    let after_it = if after.is_none() { "TRUE".to_owned() } else { format!("({key}) > ({places})") };
    let page = sql(format!(
        "SELECT {column}, {record}, {key} FROM {} WHERE {column} IS NOT NULL AND {after_it} ORDER BY {key} LIMIT {limit}",
        table.name
    ));
    after.into_iter().flat_map(SealedValue::place).fold(page, |page, part| page.bind(&part))
}

/// Reads a row of [`page`].
///
/// # Errors
///
/// [`StoreError::Corrupt`] if a column holds an invalid value.
pub fn value(kind: SealedKind, row: &mut Reader<'_>) -> Result<SealedValue, StoreError> {
    Ok(SealedValue {
        kind,
        sealed: row.take()?,
        record: row.take()?,
        organization: row.take()?,
        environment: row.take()?,
        key: (2..Place::of(kind).table.key).map(|_| row.take()).collect::<Result<_, _>>()?,
    })
}

/// Replaces a value, if it is still `old`.
pub fn replace(old: &SealedValue, new: &Sealed) -> Statement {
    let place = Place::of(old.kind);
    let key: String = zip(place.key(), 3..).map(|(name, number)| format!(" AND {name} = ${number}")).collect();
    let (name, column) = (place.table.name, place.column);
    let replace = sql(format!("UPDATE {name} SET {column} = $1 WHERE {column} = $2{key}")).bind(new).bind(&old.sealed);
    old.place().fold(replace, |replace, part| replace.bind(&part))
}
