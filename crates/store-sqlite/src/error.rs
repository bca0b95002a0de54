use doorward_store::{BoxError, Conflict, StoreError};
use rusqlite::ffi;

pub(crate) fn unavailable(source: impl Into<BoxError>) -> StoreError {
    StoreError::Unavailable(source.into())
}

/// What a failed write means: the constraints carry the invariants, so that they say what stands against it.
pub(crate) fn of_write(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error().map(|failure| failure.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_ROWID) => {
            Conflict::Duplicate.into()
        }
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => StoreError::Missing,
        _ => unavailable(error),
    }
}

/// What a failed read means: a value of the wrong type is a corrupt row.
pub(crate) fn of_read(error: rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => StoreError::Corrupt(error.to_string()),
        other => unavailable(other),
    }
}
