use doorward_store::{BoxError, Conflict, StoreError};
use tokio_postgres::error::SqlState;

pub(crate) fn unavailable(source: impl Into<BoxError>) -> StoreError {
    StoreError::Unavailable(source.into())
}

/// What a failed statement means: the constraints carry the invariants, so that they say what stands against it.
pub(crate) fn of_statement(error: tokio_postgres::Error) -> StoreError {
    match error.code() {
        Some(&SqlState::UNIQUE_VIOLATION) => Conflict::Duplicate.into(),
        Some(&SqlState::FOREIGN_KEY_VIOLATION) => StoreError::Missing,
        _ => unavailable(error),
    }
}

/// Whether the same transaction, tried again, may succeed: the server chose it as the victim of a conflict.
pub(crate) fn is_worth_a_retry(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    let code = source.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    matches!(code, Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED))
}
