//! Organizations, keys and their secrets, allowed origins.

use doorward_store::{
    AccessKey, AccessKeyWithSecrets, LiveSecret, Organization, OriginEntry, Page, Secret, StoreError, WhichKey,
};
use doorward_types::{Name, OrganizationId};

use crate::table::{Stored, columns, select_text, table};
use crate::{FromRow, Reader, Statement, sql, text};

table! {
    Organization in "organizations" key 1 { id, name, created_at }
}

table! {
    AccessKey in "access_keys" key 3 { organization, environment, id, name, created_at, created_by }
    with { slot: Text, generations: Number }
}

table! {
    Secret in "secrets" key 4 of { organization: Text, environment: Text, access_key: Text }
    { state, locator, digest, generation, created_at }
}

table! {
    OriginEntry in "allowed_origins" key 2 { organization, id, origin, created_at, created_by }
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

/// Reads the newest organizations with a name.
pub fn organizations_named(name: &Name, limit: u32) -> Statement {
    let list = text!("{} WHERE name = $1 ORDER BY id DESC LIMIT $2", select_text::<Organization>());
    sql(list).bind(name).bind(&limit)
}

/// Reads the keys of an organization: a row for each secret, to be read by [`add_secret`].
pub fn access_keys(organization: OrganizationId) -> Statement {
    sql(text!("{} ORDER BY k.environment, k.id, s.state", keys_text())).bind(&organization)
}

/// Reads one key of an organization, as [`access_keys`] does.
pub fn access_key(organization: OrganizationId, which: WhichKey) -> Statement {
    match which {
        // By both environments, which the primary key names before the id.
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

/// Returns the beginning of the statements that read keys with their secrets.
fn keys_text() -> String {
    format!(
        "SELECT {}, {}, k.generations FROM access_keys k
         JOIN secrets s ON s.organization = k.organization AND s.environment = k.environment AND s.access_key = k.id
         WHERE k.organization = $1",
        columns::<AccessKey>("k"),
        columns::<Secret>("s")
    )
}

/// Adds a row of [`access_keys`] to the keys of the rows before it.
///
/// # Errors
///
/// [`StoreError::Corrupt`].
pub fn add_secret(keys: &mut Vec<AccessKeyWithSecrets>, row: &mut Reader<'_>) -> Result<(), StoreError> {
    let (key, secret, generations) = (AccessKey::read(row)?, Secret::read(row)?, row.take()?);
    match keys.last_mut() {
        Some(last) if last.key.id == key.id => last.secrets.push(secret),
        _ => keys.push(AccessKeyWithSecrets { key, generations, secrets: vec![secret] }),
    }
    Ok(())
}

/// Reads an organization's list of origins.
pub fn origins(organization: OrganizationId) -> Statement {
    sql(text!("{} WHERE organization = $1 ORDER BY id", select_text::<OriginEntry>())).bind(&organization)
}

/// The number of columns of a live secret.
pub const LIVE_COLUMNS: usize = AccessKey::OWN.len() + Secret::OWN.len() + 1;

/// Returns the columns of a live secret: of its key (`k`), of itself (`s`), and its organization's name (`o`).
#[must_use]
pub fn live_columns() -> String {
    format!("{}, {}, o.name", columns::<AccessKey>("k"), columns::<Secret>("s"))
}

impl FromRow for LiveSecret {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(LiveSecret { key: AccessKey::read(row)?, secret: Secret::read(row)?, organization_name: row.take()? })
    }
}

/// Adds the parameters of a page of live secrets: the place of the one before, which is the beginning if there is none, and
/// how many.
pub fn bind_live_page(page: Statement, after: Option<&LiveSecret>, limit: u32) -> Statement {
    let page = match after {
        Some(LiveSecret { key, secret, .. }) => {
            page.bind(&key.organization).bind(&key.environment).bind(&key.id).bind(&secret.state)
        }
        None => page.text("").text("").text("").text(""),
    };
    page.bind(&limit)
}

/// Adds the parameters of a page of origins: the place of the one before, which is the beginning if there is none, and how
/// many.
pub fn bind_origin_page(page: Statement, after: Option<&OriginEntry>, limit: u32) -> Statement {
    let page = match after {
        Some(entry) => page.bind(&entry.organization).bind(&entry.id),
        None => page.text("").text(""),
    };
    page.bind(&limit)
}
