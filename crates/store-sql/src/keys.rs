//! Organizations, keys with their secrets, and allowed origins.

use doorward_store::{
    AccessKey, AccessKeyWithSecrets, ActiveSecret, Organization, OriginEntry, Page, Secret, StoreError, WhichKey,
};
use doorward_types::{ExternalId, Locator, Name, OrganizationId, altered};

use crate::table::{Stored, columns, insert_text, select_text, table};
use crate::{FromRow, Reader, Statement, sql, text};

table! {
    Organization in "organizations" key 1 ( id, name, created_at ) then { external_id, state, erase_at }
}

table! {
    AccessKey in "access_keys" key 3 ( organization, environment, id, name, created_at, created_by )
    with { slot: Text, generations: Number }
}

table! {
    Secret in "secrets" key 4 of { organization: Text, environment: Text, access_key: Text }
    ( state, locator, digest, generation, created_at ) then { imported }
}

table! {
    /// The locators of all secrets that were ever imported, also of those that were revoked since.
    IMPORTS = "imports" key 1 { locator: Text }
}

/// Records that a secret was imported. Fails if it was imported before.
pub(crate) fn remember_import(locator: &Locator) -> Statement {
    sql(text!("{}", insert_text(&IMPORTS))).bind(locator)
}

table! {
    OriginEntry in "allowed_origins" key 2 ( organization, id, origin, created_at, created_by )
}

/// Reads an organization.
pub fn organization(id: OrganizationId) -> Statement {
    sql(text!("{} WHERE id = $1", select_text::<Organization>())).bind(&id)
}

/// Reads a page of organizations, newest first.
pub fn organizations(page: &Page<OrganizationId>) -> Statement {
    let list = text!("{} WHERE $1 IS NULL OR id < $1 ORDER BY id DESC LIMIT $2", select_text::<Organization>());
    sql(list).bind(&page.after).bind(&page.limit)
}

/// Reads the newest organizations with this name.
pub fn organizations_named(name: &Name, limit: u32) -> Statement {
    let list = text!("{} WHERE name = $1 ORDER BY id DESC LIMIT $2", select_text::<Organization>());
    sql(list).bind(name).bind(&limit)
}

/// Reads the organization with this external id.
pub fn organization_by_external_id(id: &ExternalId) -> Statement {
    sql(text!("{} WHERE external_id = $1", select_text::<Organization>())).bind(id)
}

/// Reads the keys of an organization for [`add_secret`]: one row for each secret.
pub fn access_keys(organization: OrganizationId) -> Statement {
    sql(text!("{} ORDER BY k.environment, k.id, s.state", keys_text())).bind(&organization)
}

/// Reads one key of an organization, in the form of [`access_keys`].
pub fn access_key(organization: OrganizationId, which: WhichKey) -> Statement {
    match which {
        // Name both environments: the primary key has the environment before the id.
        WhichKey::Id(id) => {
            let find = text!(
                "{} AND k.environment IN ('production', 'test') AND k.id = $2 ORDER BY k.environment, k.id, s.state",
                keys_text()
            );
            sql(find).bind(&organization).bind(&id)
        }
        WhichKey::Production => {
            let find = text!("{} AND k.environment = 'production' ORDER BY k.environment, k.id, s.state", keys_text());
            sql(find).bind(&organization)
        }
    }
}

/// Returns the first part of the statements that read keys with their secrets.
fn keys_text() -> String {
    format!(
        "SELECT {}, {}, k.generations FROM access_keys k
         JOIN secrets s ON s.organization = k.organization AND s.environment = k.environment AND s.access_key = k.id
         WHERE k.organization = $1",
        columns::<AccessKey>("k"),
        columns::<Secret>("s")
    )
}

/// Adds a row of [`access_keys`] to the keys of the earlier rows.
///
/// # Errors
///
/// [`StoreError::Corrupt`] if a column holds an invalid value.
pub fn add_secret(keys: &mut Vec<AccessKeyWithSecrets>, row: &mut Reader<'_>) -> Result<(), StoreError> {
    let (key, secret, generations) = (AccessKey::read(row)?, Secret::read(row)?, row.take()?);
    match keys.last_mut() {
        Some(last) if last.key.id == key.id => last.secrets.push(secret),
        _ => keys.push(AccessKeyWithSecrets::new(key, generations, vec![secret])),
    }
    Ok(())
}

/// Reads an organization's list of origins.
pub fn origins(organization: OrganizationId) -> Statement {
    sql(text!("{} WHERE organization = $1 ORDER BY id", select_text::<OriginEntry>())).bind(&organization)
}

/// The number of columns of an active secret.
pub const ACTIVE_COLUMNS: usize = AccessKey::OWN.len() + Secret::OWN.len() + 2;

/// Returns the columns of an active secret: its key's (`k`), its own (`s`), and its organization's name and state (`o`).
#[must_use]
pub fn active_columns() -> String {
    format!("{}, {}, o.name, o.state", columns::<AccessKey>("k"), columns::<Secret>("s"))
}

impl FromRow for ActiveSecret {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let (key, secret) = (AccessKey::read(row)?, Secret::read(row)?);
        let active = ActiveSecret::new(secret, key, row.take()?);
        Ok(altered!(active, organization_state: row.take()?))
    }
}

/// Adds the parameters of a page of active secrets: the place of the last secret before the page (or the beginning),
/// and the limit.
pub fn bind_active_page(page: Statement, after: Option<&ActiveSecret>, limit: u32) -> Statement {
    let page = match after {
        Some(ActiveSecret { key, secret, .. }) => {
            page.bind(&key.organization).bind(&key.environment).bind(&key.id).bind(&secret.state)
        }
        None => page.text("").text("").text("").text(""),
    };
    page.bind(&limit)
}

/// Adds the parameters of a page of origins: the place of the last origin before the page (or the beginning), and the
/// limit.
pub fn bind_origin_page(page: Statement, after: Option<&OriginEntry>, limit: u32) -> Statement {
    let page = match after {
        Some(entry) => page.bind(&entry.organization).bind(&entry.id),
        None => page.text("").text(""),
    };
    page.bind(&limit)
}
