//! Rows: how values of ours stand in them, and how they are written.

use std::str::FromStr;

use doorward_key::Digest;
use doorward_store::{AccessKey, LiveSecret, Organization, Secret, StoreError};
use doorward_types::{SecretState, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, Params, Row};

use crate::error::of_write;

type Result<T> = rusqlite::Result<T>;

/// Writes one row. Fails with [`StoreError::Missing`] if there was no row, or more than one.
pub(crate) fn write(connection: &Connection, sql: &str, params: impl Params) -> std::result::Result<(), StoreError> {
    if write_some(connection, sql, params)? == 1 { Ok(()) } else { Err(StoreError::Missing) }
}

/// Writes any number of rows; returns how many.
pub(crate) fn write_some(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> std::result::Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut write| write.execute(params)).map_err(of_write)
}

pub(crate) fn unreadable(column: usize, error: impl Into<doorward_store::BoxError>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

/// Reads text that has a type of its own.
pub(crate) fn parsed<T: FromStr<Err: Into<doorward_store::BoxError>>>(row: &Row<'_>, column: usize) -> Result<T> {
    row.get_ref(column)?.as_str()?.parse().map_err(|error: T::Err| unreadable(column, error))
}

/// Reads text that has a type of its own, or NULL.
pub(crate) fn parsed_option<T: FromStr<Err: Into<doorward_store::BoxError>>>(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(|text| text.parse().map_err(|error: T::Err| unreadable(column, error))).transpose()
}

pub(crate) fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

pub(crate) fn digest(row: &Row<'_>, column: usize) -> Result<Digest> {
    row.get(column).map(Digest::from_bytes)
}

/// Reads three columns: id, name, created_at.
pub(crate) fn organization(row: &Row<'_>) -> Result<Organization> {
    Ok(Organization { id: parsed(row, 0)?, name: parsed(row, 1)?, created_at: timestamp(row, 2)? })
}

/// The columns that [`access_key`] reads, of a table called `k`.
pub(crate) const ACCESS_KEY: &str = "k.organization, k.environment, k.id, k.name, k.created_at, k.created_by";

/// Reads the columns of [`ACCESS_KEY`], which stand first.
pub(crate) fn access_key(row: &Row<'_>) -> Result<AccessKey> {
    Ok(AccessKey {
        organization: parsed(row, 0)?,
        environment: parsed(row, 1)?,
        id: parsed(row, 2)?,
        name: parsed(row, 3)?,
        created_at: timestamp(row, 4)?,
        created_by: parsed(row, 5)?,
    })
}

/// The columns that [`secret`] reads, of a table called `s`.
pub(crate) const SECRET: &str = "s.locator, s.digest, s.generation, s.state, s.created_at";

/// Reads the columns of [`SECRET`], the first of which is at `at`.
pub(crate) fn secret(row: &Row<'_>, at: usize) -> Result<Secret> {
    Ok(Secret {
        locator: parsed(row, at)?,
        digest: digest(row, at + 1)?,
        generation: row.get(at + 2)?,
        state: secret_state(row, at + 3)?,
        created_at: timestamp(row, at + 4)?,
    })
}

pub(crate) fn secret_state(row: &Row<'_>, column: usize) -> Result<SecretState> {
    match row.get_ref(column)?.as_str()? {
        "current" => Ok(SecretState::Current),
        "staged" => Ok(SecretState::Staged),
        _ => Err(unreadable(column, "no such state")),
    }
}

/// Reads [`ACCESS_KEY`], then [`SECRET`], then the organization's name.
pub(crate) fn live_secret(row: &Row<'_>) -> Result<LiveSecret> {
    Ok(LiveSecret { key: access_key(row)?, secret: secret(row, 6)?, organization_name: parsed(row, 11)? })
}
