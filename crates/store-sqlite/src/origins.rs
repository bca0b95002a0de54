//! Lists of allowed origins. [`crate::change`] has what changes them, with all other changes.

use doorward_origin::{AllowedOrigin, CustomSchemes};
use doorward_store::{OriginEntry, StoreError};
use doorward_types::OrganizationId;
use rusqlite::{Connection, Row, params};

use crate::error::{of_read, unavailable};
use crate::row;

/// The columns that [`entry`] reads.
pub(crate) const COLUMNS: &str = "organization, id, origin, created_at, created_by";

pub(crate) fn of(connection: &Connection, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM allowed_origins WHERE organization = ?1 ORDER BY id");
    let mut list = connection.prepare_cached(&sql).map_err(unavailable)?;
    list.query_map([organization.to_string()], entry).and_then(Iterator::collect).map_err(of_read)
}

pub(crate) fn insert(connection: &Connection, entry: &OriginEntry) -> Result<(), StoreError> {
    let OriginEntry { id, organization, origin, created_at, created_by } = entry;
    let sql = format!("INSERT INTO allowed_origins ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)");
    let (organization, id, origin) = (organization.to_string(), id.to_string(), origin.to_string());
    row::write(connection, &sql, params![organization, id, origin, created_at.as_millis(), created_by.as_str()])
}

pub(crate) fn entry(found: &Row<'_>) -> rusqlite::Result<OriginEntry> {
    let origin = found.get_ref(2)?.as_str()?;
    Ok(OriginEntry {
        organization: row::parsed(found, 0)?,
        id: row::parsed(found, 1)?,
        // A setting decides if schemes of apps may be added. The store may hold some from before.
        origin: AllowedOrigin::parse(origin, CustomSchemes::Allowed).map_err(|error| row::unreadable(2, error))?,
        created_at: row::timestamp(found, 3)?,
        created_by: row::parsed(found, 4)?,
    })
}
