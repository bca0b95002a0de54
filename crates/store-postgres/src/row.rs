//! The form of our values in rows.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use doorward_key::Digest;
use doorward_store::{
    AccessKey, LiveSecret, Operation, Organization, Provenance, RequestHash, Revision, Secret, StoreError,
    StoreIdentity,
};
use doorward_types::{Incarnation, SecretState, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::migrations;

type Result<T> = std::result::Result<T, StoreError>;

fn unreadable(row: &Row, column: usize, error: impl Display) -> StoreError {
    let name = row.columns().get(column).map_or("?", tokio_postgres::Column::name);
    StoreError::Corrupt(format!("column {name}: {error}"))
}

/// Reads a column as it is.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(|error| unreadable(row, column, error))
}

/// Reads a number that is never negative.
pub(crate) fn count(row: &Row, column: usize) -> Result<u64> {
    u64::try_from(get::<i64>(row, column)?).map_err(|error| unreadable(row, column, error))
}

/// Reads a small number that is never negative.
pub(crate) fn small(row: &Row, column: usize) -> Result<u32> {
    u32::try_from(get::<i64>(row, column)?).map_err(|error| unreadable(row, column, error))
}

/// Reads text that has a type of its own, or NULL.
pub(crate) fn parsed_option<T: FromStr<Err: Display>>(row: &Row, column: usize) -> Result<Option<T>> {
    let text: Option<&str> = get(row, column)?;
    text.map(|text| text.parse().map_err(|error| unreadable(row, column, error))).transpose()
}

/// Reads text that has a type of its own.
pub(crate) fn parsed<T: FromStr<Err: Display>>(row: &Row, column: usize) -> Result<T> {
    parsed_option(row, column)?.ok_or_else(|| unreadable(row, column, "NULL"))
}

pub(crate) fn timestamp(row: &Row, column: usize) -> Result<Timestamp> {
    get(row, column).map(Timestamp::from_millis)
}

pub(crate) fn digest(row: &Row, column: usize) -> Result<Digest> {
    let bytes: &[u8] = get(row, column)?;
    bytes.try_into().map(Digest::from_bytes).map_err(|error| unreadable(row, column, error))
}

/// Reads three columns: id, name, created_at.
pub(crate) fn organization(row: &Row) -> Result<Organization> {
    Ok(Organization { id: parsed(row, 0)?, name: parsed(row, 1)?, created_at: timestamp(row, 2)? })
}

/// The columns that [`access_key`] reads, of a table called `k`.
pub(crate) const ACCESS_KEY: &str = "k.organization, k.environment, k.id, k.name, k.created_at, k.created_by";

/// Reads the columns of [`ACCESS_KEY`], the first of which is at `at`.
pub(crate) fn access_key(row: &Row, at: usize) -> Result<AccessKey> {
    Ok(AccessKey {
        organization: parsed(row, at)?,
        environment: parsed(row, at + 1)?,
        id: parsed(row, at + 2)?,
        name: parsed(row, at + 3)?,
        created_at: timestamp(row, at + 4)?,
        created_by: parsed(row, at + 5)?,
    })
}

/// The columns that [`secret`] reads, of a table called `s`.
pub(crate) const SECRET: &str = "s.locator, s.digest, s.generation, s.state, s.created_at";

/// Reads the columns of [`SECRET`], the first of which is at `at`.
pub(crate) fn secret(row: &Row, at: usize) -> Result<Secret> {
    Ok(Secret {
        locator: parsed(row, at)?,
        digest: digest(row, at + 1)?,
        generation: small(row, at + 2)?,
        state: state(row, at + 3)?,
        created_at: timestamp(row, at + 4)?,
    })
}

pub(crate) fn state(row: &Row, column: usize) -> Result<SecretState> {
    match get(row, column)? {
        "current" => Ok(SecretState::Current),
        "staged" => Ok(SecretState::Staged),
        other => Err(unreadable(row, column, other)),
    }
}

/// Reads [`ACCESS_KEY`], then [`SECRET`], then the organization's name; the first of them is at `at`.
pub(crate) fn live_secret(row: &Row, at: usize) -> Result<LiveSecret> {
    Ok(LiveSecret { key: access_key(row, at)?, secret: secret(row, at + 6)?, organization_name: parsed(row, at + 11)? })
}

/// The columns that [`identity`] reads, of a table called `i`.
pub(crate) const IDENTITY: &str = "i.identity, i.incarnation, i.prefix, i.longest_lease_ms, i.sealing_key";

/// The number of columns of [`IDENTITY`].
pub(crate) const AFTER_IDENTITY: usize = 5;

/// Reads the columns of [`IDENTITY`], the first of which is at `at`.
pub(crate) fn identity(row: &Row, at: usize) -> Result<StoreIdentity> {
    Ok(StoreIdentity {
        id: parsed(row, at)?,
        incarnation: Incarnation(count(row, at + 1)?),
        prefix: parsed_option(row, at + 2)?,
        longest_lease: Duration::from_millis(count(row, at + 3)?),
        sealing_key: parsed_option(row, at + 4)?,
    })
}

/// The columns that [`provenance`] reads, of a table called `i`: part of each statement whose answer is relied on, so that they
/// are of the same server and snapshot.
pub(crate) const PROVENANCE: &str =
    "i.identity, i.incarnation, i.oldest_schema, pg_is_in_recovery(), current_setting('transaction_read_only')";

/// The number of columns of [`PROVENANCE`].
pub(crate) const AFTER_PROVENANCE: usize = 5;

/// Reads the columns of [`PROVENANCE`], which stand first.
pub(crate) fn provenance(row: &Row) -> Result<Provenance> {
    Ok(Provenance {
        store: parsed(row, 0)?,
        incarnation: Incarnation(count(row, 1)?),
        needs_schema: count(row, 2)?,
        knows_schema: migrations::known(),
        primary: !get::<bool>(row, 3)?,
        writable: get::<&str>(row, 4)? == "off",
    })
}

/// Reads three columns: subject, request, revision; the first of them is at `at`.
pub(crate) fn operation(row: &Row, at: usize) -> Result<Operation> {
    let request: Option<&[u8]> = get(row, at + 1)?;
    let request = request.map(|hash| hash.try_into().map(RequestHash)).transpose();
    let request = request.map_err(|error| unreadable(row, at + 1, error))?;
    Ok(Operation { subject: get(row, at)?, request, revision: Revision(count(row, at + 2)?) })
}
