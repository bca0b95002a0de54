use doorward_store::{BoxError, Conflict, StoreError};
use tokio_postgres::error::{DbError, SqlState};

pub(crate) fn unavailable(source: impl Into<BoxError>) -> StoreError {
    StoreError::Unavailable(source.into())
}

/// What a failed statement means: the constraints carry the invariants, so that they say what stands against it.
pub(crate) fn of_statement(error: tokio_postgres::Error) -> StoreError {
    match error.code() {
        Some(&SqlState::UNIQUE_VIOLATION) if !is_in_the_catalog(&error) => Conflict::Duplicate.into(),
        Some(&SqlState::FOREIGN_KEY_VIOLATION) => StoreError::Missing,
        _ => unavailable(error),
    }
}

/// Whether the same transaction, tried again, may succeed: the server chose it as the victim of a conflict, or another
/// made the same table at the same moment. `IF NOT EXISTS` looks into a cache, which hears of another's commit a moment
/// after it; which of the catalog's rows the two meet at is chance.
pub(crate) fn is_worth_a_retry(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    let Some(error) = source.downcast_ref::<tokio_postgres::Error>() else { return false };
    match error.code() {
        Some(&SqlState::UNIQUE_VIOLATION) => is_in_the_catalog(error),
        code => matches!(
            code,
            Some(
                &SqlState::T_R_SERIALIZATION_FAILURE
                    | &SqlState::T_R_DEADLOCK_DETECTED
                    | &SqlState::DUPLICATE_TABLE
                    | &SqlState::DUPLICATE_OBJECT
            )
        ),
    }
}

fn is_in_the_catalog(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().and_then(DbError::schema) == Some("pg_catalog")
}
