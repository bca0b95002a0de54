//! Lists of allowed origins. What changes them is in `changes`, with all other changes.

use doorward_origin::{AllowedOrigin, CustomSchemes};
use doorward_store::{OriginEntry, StoreError};
use doorward_types::OrganizationId;
use tokio_postgres::Row;

use crate::row;
use crate::statement::{Statement, sql};

/// The columns that [`entry`] reads, of a table called `a`.
pub(crate) const COLUMNS: &str = "a.organization, a.id, a.origin, a.created_at, a.created_by";

/// Returns the statement that reads an organization's list.
pub(crate) fn of_organization(organization: OrganizationId) -> Statement {
    sql(format!("SELECT {COLUMNS} FROM allowed_origins a WHERE a.organization = $1 ORDER BY a.id")).text(organization)
}

/// Reads the columns of [`COLUMNS`], the first of which is at `at`.
pub(crate) fn entry(found: &Row, at: usize) -> Result<OriginEntry, StoreError> {
    // Whether schemes of apps may be added is a setting; whether they were, the store knows.
    let origin = AllowedOrigin::parse(row::get(found, at + 2)?, CustomSchemes::Allowed);
    Ok(OriginEntry {
        organization: row::parsed(found, at)?,
        id: row::parsed(found, at + 1)?,
        origin: origin.map_err(|error| StoreError::Corrupt(error.to_string()))?,
        created_at: row::timestamp(found, at + 3)?,
        created_by: row::parsed(found, at + 4)?,
    })
}
