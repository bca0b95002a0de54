//! Organizations, keys with their secrets, and allowed origins.

use doorward_store::{
    AccessKey, AccessKeyWithSecrets, ActiveSecret, KeyOverview, Organization, OriginEntry, Page, RETIRED_RETENTION,
    Refusals, RetiredSecret, Secret, StoreError, WhichKey,
};
use doorward_types::{ExternalId, Locator, Name, OrganizationId, Timestamp, altered};

use crate::table::{Stored, columns, insert_text, places, select_text, table};
use crate::{FromRow, Reader, Statement, sql, text};

table! {
    Organization in "organizations" key 1 ( id, name, created_at ) then { external_id, state, erase_at }
}

table! {
    AccessKey in "access_keys" key 3 ( organization, environment, id, name, created_at, created_by )
    with { slot: Text, generations: Number, note: Text }
}

table! {
    Secret in "secrets" key 4 of { organization: Text, environment: Text, access_key: Text }
    ( state, locator, digest, generation, created_at ) then { imported, reported_at, quarantined_at }
}

table! {
    RetiredSecret in "retired_secrets" key 3
    ( organization, environment, locator, digest, access_key, generation, state, retired_at )
    then { refused, last_refused_at, last_refused_from }
}

/// Reads the secrets that were revoked last.
pub fn newest_retired(limit: u32) -> Statement {
    let list = text!("{} ORDER BY retired_at DESC, locator LIMIT $1", select_text::<RetiredSecret>());
    sql(list).bind(&limit)
}

/// Reads the secrets of an organization that were revoked last.
pub fn retired_of(organization: OrganizationId, limit: u32) -> Statement {
    let list =
        text!("{} WHERE organization = $1 ORDER BY retired_at DESC, locator LIMIT $2", select_text::<RetiredSecret>());
    sql(list).bind(&organization).bind(&limit)
}

/// Reads a revoked secret.
pub fn retired(locator: Locator) -> Statement {
    sql(text!("{} WHERE locator = $1", select_text::<RetiredSecret>())).bind(&locator)
}

/// Adds refused calls to the count of a revoked secret.
pub fn add_refusals(refusals: &Refusals) -> Statement {
    let add = "UPDATE retired_secrets SET refused = refused + $1,
                      last_refused_from = CASE WHEN coalesce(last_refused_at, 0) <= $2 THEN $3 ELSE last_refused_from END,
                      last_refused_at = CASE WHEN coalesce(last_refused_at, 0) <= $2 THEN $2 ELSE last_refused_at END
               WHERE locator = $4";
    let Refusals { locator, calls, last_at, last_from } = refusals;
    sql(add).bind(calls).bind(last_at).bind(last_from).bind(locator)
}

/// Deletes the revoked secrets whose time is over.
pub fn forget_retired(now: Timestamp) -> Statement {
    sql("DELETE FROM retired_secrets WHERE retired_at <= $1").bind(&(now - RETIRED_RETENTION))
}

/// Reads the state of the keys of some organizations, in any order.
pub fn key_overviews(organizations: &[OrganizationId]) -> Statement {
    let overview = format!(
        "SELECT o.id,
                (SELECT s.created_at FROM secrets s
                 WHERE s.organization = o.id AND s.environment = 'production' AND s.state = 'current'),
                (SELECT s.created_at FROM secrets s
                 WHERE s.organization = o.id AND s.environment = 'production' AND s.state = 'staged'),
                (SELECT max(l.last_used_at) FROM secrets s JOIN last_uses l ON l.locator = s.locator
                 WHERE s.organization = o.id AND s.environment = 'production'),
                (SELECT count(*) FROM access_keys k WHERE k.organization = o.id AND k.environment = 'test')
         FROM organizations o WHERE o.id IN ({})",
        places(1, organizations.len())
    );
    organizations.iter().fold(sql(overview), |overview, id| overview.bind(id))
}

impl FromRow for KeyOverview {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let overview = Self::new(row.take()?);
        let (current_since, staged_since, last_used_at) = (row.take()?, row.take()?, row.take()?);
        Ok(altered!(
            overview,
            current_since: current_since,
            staged_since: staged_since,
            last_used_at: last_used_at,
            test_keys: row.take()?
        ))
    }
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
        "SELECT {}, {}, k.generations, k.note FROM access_keys k
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
    let (key, secret, generations, note) = (AccessKey::read(row)?, Secret::read(row)?, row.take()?, row.take()?);
    match keys.last_mut() {
        Some(last) if last.key.id == key.id => last.secrets.push(secret),
        _ => {
            let found = AccessKeyWithSecrets::new(key, generations, vec![secret]);
            keys.push(altered!(found, note: note));
        }
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

/// Returns the overviews in the order of these organizations. An organization that is gone has no keys.
#[must_use]
pub fn in_order(organizations: &[OrganizationId], found: Vec<KeyOverview>) -> Vec<KeyOverview> {
    let of = |id: &OrganizationId| found.iter().find(|overview| overview.organization == *id).copied();
    organizations.iter().map(|id| of(id).unwrap_or_else(|| KeyOverview::new(*id))).collect()
}
