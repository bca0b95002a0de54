//! Lists of allowed origins. What changes them is in `keys`, with all other changes.

use doorward_origin::{AllowedOrigin, CustomSchemes};
use doorward_store::{OriginEntry, StoreError};
use doorward_types::{AllowedOriginId, OrganizationId};
use rusqlite::{Row, Transaction, params};

use crate::error::{of_read, of_write, unavailable};
use crate::row;

/// The columns that [`entry`] reads.
pub(crate) const COLUMNS: &str = "organization, id, origin, created_at, created_by";

pub(crate) fn of(transaction: &Transaction<'_>, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM allowed_origins WHERE organization = ?1 ORDER BY id");
    let mut list = transaction.prepare_cached(&sql).map_err(unavailable)?;
    list.query_map([organization.to_string()], entry).and_then(Iterator::collect).map_err(of_read)
}

pub(crate) fn insert(transaction: &Transaction<'_>, entry: &OriginEntry) -> Result<(), StoreError> {
    let OriginEntry { id, organization, origin, created_at, created_by } = entry;
    let sql = format!("INSERT INTO allowed_origins ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)");
    let (organization, id, origin) = (organization.to_string(), id.to_string(), origin.to_string());
    let params = params![organization, id, origin, created_at.as_millis(), created_by.as_str()];
    transaction.execute(&sql, params).map(drop).map_err(of_write)
}

pub(crate) fn delete(
    transaction: &Transaction<'_>,
    organization: OrganizationId,
    id: AllowedOriginId,
) -> Result<(), StoreError> {
    let delete = "DELETE FROM allowed_origins WHERE organization = ?1 AND id = ?2";
    match transaction.execute(delete, [organization.to_string(), id.to_string()]).map_err(of_write)? {
        1 => Ok(()),
        _ => Err(StoreError::Missing),
    }
}

pub(crate) fn entry(found: &Row<'_>) -> rusqlite::Result<OriginEntry> {
    let origin = found.get_ref(2)?.as_str()?;
    Ok(OriginEntry {
        organization: row::parsed(found, 0)?,
        id: row::parsed(found, 1)?,
        // Whether schemes of apps may be added is a setting; whether they were, the store knows.
        origin: AllowedOrigin::parse(origin, CustomSchemes::Allowed).map_err(|error| row::unreadable(2, error))?,
        created_at: row::timestamp(found, 3)?,
        created_by: row::parsed(found, 4)?,
    })
}
