//! Errors of the database, their meaning and their remedy.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use doorward_store::{BoxError, Conflict, Doubt, StoreError};
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::server::Server;

pub(crate) fn unavailable(source: impl Into<BoxError>) -> StoreError {
    StoreError::Unavailable(source.into())
}

/// An error with its remedy.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
pub(crate) struct Explained {
    advice: String,
    source: Option<BoxError>,
}

/// The reason why there is no connection. It is cloned for every caller that waits for the attempt.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Doubt(#[from] Doubt),
    #[error("{0}")]
    Explained(Arc<Explained>, u8),
}

/// Ranks of failures: if several servers failed, the most useful failure is reported.
const SILENT: u8 = 0;
const REFUSED: u8 = 1;
const ANSWERED: u8 = 3;

impl Failure {
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::Doubt(_) => 2,
            Self::Explained(_, weight) => *weight,
        }
    }

    fn new(weight: u8, advice: String, source: Option<BoxError>) -> Self {
        Self::Explained(Arc::new(Explained { advice, source }), weight)
    }

    pub(crate) fn nowhere() -> Self {
        Self::new(SILENT, "the database ended the connection: read its log".to_owned(), None)
    }

    pub(crate) fn silent(server: &Server, patience: Duration) -> Self {
        let advice = format!(
            "{server} did not answer within {patience:?}: check that the database runs and can be reached, or raise \
             `connect_timeout` in the store's URL"
        );
        Self::new(SILENT, advice, None)
    }

    pub(crate) fn unknown_host(server: &Server, error: io::Error) -> Self {
        let advice = format!("cannot resolve {server} ({error}): correct the host in the store's URL");
        Self::new(REFUSED, advice, Some(error.into()))
    }

    pub(crate) fn of_connecting(server: &Server, error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let advice = format!(
                "cannot connect to {server} ({}): check that the database runs there, and correct the store's \
                 URL if it does not",
                deepest(&error)
            );
            return Self::new(REFUSED, advice, Some(error.into()));
        };
        let message = said.message();
        let (user, advice) = (
            server.user(),
            match *said.code() {
                SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                    "correct the user and the password in the store's URL, or allow that user in pg_hba.conf"
                }
                SqlState::INVALID_CATALOG_NAME => "create that database, or correct its name in the store's URL",
                SqlState::TOO_MANY_CONNECTIONS => "raise max_connections, or put a pooler before the database",
                SqlState::CANNOT_CONNECT_NOW => "wait until it has started",
                _ => "read its log",
            },
        );
        let advice = format!("{server} refused the user {user} ({message}): {advice}");
        Self::new(ANSWERED, advice, Some(error.into()))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Doubt(doubt) => doubt.into(),
            Failure::Explained(explained, _) => unavailable(explained),
        }
    }
}

fn deepest(error: &tokio_postgres::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Returns the meaning of a failed statement. A violated constraint names the invariant that rejects the write.
pub(crate) fn of_statement(error: tokio_postgres::Error) -> StoreError {
    let advice = match error.code() {
        Some(&SqlState::UNIQUE_VIOLATION) if !is_in_the_catalog(&error) => return Conflict::Duplicate.into(),
        Some(&SqlState::FOREIGN_KEY_VIOLATION) => return StoreError::NotFound,
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => return Doubt::ReadOnly.into(),
        None if error.is_closed() => {
            let advice = "the connection to the database broke: try again on a new connection".to_owned();
            return unavailable(Explained { advice, source: Some(error.into()) });
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            "grant the user of the store's URL all rights on Doorward's schema and its tables, or name their owner in the \
             URL"
        }
        Some(&SqlState::DISK_FULL) => "make room on the database's disk",
        _ => return unavailable(error),
    };
    let said = error.as_db_error().map(DbError::message).unwrap_or_default();
    unavailable(Explained { advice: format!("the database refused ({said}): {advice}"), source: Some(error.into()) })
}

/// Returns true if the server itself rejected a statement and ended the transaction. After any other error, the
/// transaction's outcome is unknown: the connection broke, the server went down, or a pooler lost the transaction.
pub(crate) fn is_answer(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        let class = said.code().code();
        let is_error = said.parsed_severity().map_or(said.severity() == "ERROR", |it| it == Severity::Error);
        is_error && !class.starts_with("08") && !class.starts_with("57P")
    })
}

/// Returns true if a retry of the transaction may succeed: the server chose it as the victim of a conflict, or another
/// transaction created the same table at the same moment. `IF NOT EXISTS` reads a cache that lags behind commits, so
/// the conflict can show at any row of the catalog.
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
                    | &SqlState::DUPLICATE_SCHEMA
            )
        ),
    }
}

/// Returns the code of the server's error, if the server caused this error.
pub(crate) fn code_of(error: &StoreError) -> Option<&SqlState> {
    let source = error.source();
    successors(source, |cause| (**cause).source())
        .find_map(|cause| cause.downcast_ref::<tokio_postgres::Error>()?.code())
}

fn is_in_the_catalog(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().and_then(DbError::schema) == Some("pg_catalog")
}
