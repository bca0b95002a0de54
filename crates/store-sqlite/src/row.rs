//! How values of ours stand in rows.

use std::str::FromStr;

use doorward_key::Digest;
use doorward_store::{AccessKey, LiveSecret, Organization, Secret};
use doorward_types::{SecretState, Timestamp};
use rusqlite::Row;
use rusqlite::types::Type;

type Result<T> = rusqlite::Result<T>;

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
    let state = match row.get_ref(at + 3)?.as_str()? {
        "current" => SecretState::Current,
        "staged" => SecretState::Staged,
        _ => return Err(unreadable(at + 3, "no such state")),
    };
    Ok(Secret {
        locator: parsed(row, at)?,
        digest: digest(row, at + 1)?,
        generation: row.get(at + 2)?,
        state,
        created_at: timestamp(row, at + 4)?,
    })
}

/// Reads [`ACCESS_KEY`], then [`SECRET`], then the organization's name.
pub(crate) fn live_secret(row: &Row<'_>) -> Result<LiveSecret> {
    Ok(LiveSecret { key: access_key(row)?, secret: secret(row, 6)?, organization_name: parsed(row, 11)? })
}
