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
    matches!(code(error), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED))
}

/// Whether a table could not be made because another transaction makes it at this moment: which of the catalog's rows
/// the two meet at is chance.
pub(crate) fn is_made_by_another(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict(Conflict::Duplicate))
        || matches!(code(error), Some(&SqlState::DUPLICATE_TABLE | &SqlState::DUPLICATE_OBJECT))
}

fn code(error: &StoreError) -> Option<&SqlState> {
    let StoreError::Unavailable(source) = error else { return None };
    source.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code)
}
