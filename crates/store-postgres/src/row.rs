//! How values of ours stand in rows, and how they are handed to a statement.

use std::fmt::Display;
use std::str::FromStr;

use doorward_key::Digest;
use doorward_store::{AccessKey, LiveSecret, Organization, Secret, StoreError};
use doorward_types::{SecretState, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

type Result<T> = std::result::Result<T, StoreError>;

/// A parameter with its type, so that a statement needs no round trip to be prepared, and no state at the server: the same
/// behind PgBouncer in transaction pooling as without it.
pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

pub(crate) fn text<T: ToSql + Sync>(value: &T) -> Param<'_> {
    (value, Type::TEXT)
}

pub(crate) fn texts<T: ToSql + Sync>(value: &T) -> Param<'_> {
    (value, Type::TEXT_ARRAY)
}

pub(crate) fn number<T: ToSql + Sync>(value: &T) -> Param<'_> {
    (value, Type::INT8)
}

pub(crate) fn numbers<T: ToSql + Sync>(value: &T) -> Param<'_> {
    (value, Type::INT8_ARRAY)
}

pub(crate) fn bytes<T: ToSql + Sync>(value: &T) -> Param<'_> {
    (value, Type::BYTEA)
}

/// A count or a sequence, as the store's BIGINT.
pub(crate) fn big(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

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

/// Reads the columns of [`ACCESS_KEY`], which stand first.
pub(crate) fn access_key(row: &Row) -> Result<AccessKey> {
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
pub(crate) fn secret(row: &Row, at: usize) -> Result<Secret> {
    let state = match get(row, at + 3)? {
        "current" => SecretState::Current,
        "staged" => SecretState::Staged,
        other => return Err(unreadable(row, at + 3, other)),
    };
    Ok(Secret {
        locator: parsed(row, at)?,
        digest: digest(row, at + 1)?,
        generation: small(row, at + 2)?,
        state,
        created_at: timestamp(row, at + 4)?,
    })
}

/// Reads [`ACCESS_KEY`], then [`SECRET`], then the organization's name.
pub(crate) fn live_secret(row: &Row) -> Result<LiveSecret> {
    Ok(LiveSecret { key: access_key(row)?, secret: secret(row, 6)?, organization_name: parsed(row, 11)? })
}
