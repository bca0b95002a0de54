//! Errors of the database: their meaning, and what to do about them.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use doorward_store::{BoxError, Conflict, Doubt, StoreError};
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::server::Server;

pub(crate) fn unavailable(source: impl Into<BoxError>) -> StoreError {
    StoreError::Unavailable(source.into())
}

/// An error with what to do about it.
#[derive(Debug)]
pub(crate) struct Explained {
    advice: String,
    source: Option<BoxError>,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.advice)
    }
}

impl Error for Explained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

/// The reason why there is no connection. Several callers may wait for one attempt, and each gets it.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    Doubt(Doubt),
    Explained(Arc<Explained>, u8),
}

/// How much a failure tells of what to do, if several servers failed.
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
        Self::new(SILENT, "the database ended the connection: look into its log".to_owned(), None)
    }

    pub(crate) fn silent(server: &Server, patience: Duration) -> Self {
        let advice = format!(
            "{server} did not answer within {patience:?}: look whether the database runs and can be reached, or allow it \
             longer by `connect_timeout` in the store's URL"
        );
        Self::new(SILENT, advice, None)
    }

    pub(crate) fn unknown_host(server: &Server, error: io::Error) -> Self {
        let advice = format!("there is no address for {server} ({error}): correct the host in the store's URL");
        Self::new(REFUSED, advice, Some(error.into()))
    }

    pub(crate) fn of_connecting(server: &Server, error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let advice = format!(
                "there is no connection to {server} ({}): look whether the database runs there, and correct the store's \
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
                _ => "look into its log",
            },
        );
        let advice = format!("{server} refused the user {user} ({message}): {advice}");
        Self::new(ANSWERED, advice, Some(error.into()))
    }

    pub(crate) fn of_url(error: tokio_postgres::Error) -> StoreError {
        let advice = format!(
            "the store's URL cannot be read ({}): correct it. Its options are sslmode, connect_timeout, options, \
             application_name, channel_binding, keepalives and tcp_user_timeout; SSL_CERT_FILE names certificates to trust",
            deepest(&error)
        );
        unavailable(Explained { advice, source: Some(error.into()) })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Doubt(doubt) => doubt.fmt(f),
            Self::Explained(explained, _) => explained.fmt(f),
        }
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

/// Returns what a failed statement means. The constraints carry the invariants, so that they say what stands against it.
pub(crate) fn of_statement(error: tokio_postgres::Error) -> StoreError {
    let advice = match error.code() {
        Some(&SqlState::UNIQUE_VIOLATION) if !is_in_the_catalog(&error) => return Conflict::Duplicate.into(),
        Some(&SqlState::FOREIGN_KEY_VIOLATION) => return StoreError::Missing,
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => return Doubt::ReadOnly.into(),
        None if error.is_closed() => {
            let advice = "the connection to the database broke: try again, which makes another".to_owned();
            return unavailable(Explained { advice, source: Some(error.into()) });
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            "grant the user of the store's URL all rights on Doorward's tables, or name their owner in the URL"
        }
        Some(&SqlState::DISK_FULL) => "make room on the database's disk",
        _ => return unavailable(error),
    };
    let said = error.as_db_error().map(DbError::message).unwrap_or_default();
    unavailable(Explained { advice: format!("the database refused ({said}): {advice}"), source: Some(error.into()) })
}

/// Returns whether the error is the server's own word on a statement of a transaction that it has ended. Any other error
/// leaves open what became of the transaction: the connection broke, the server went down, or a pooler lost it.
pub(crate) fn is_answer(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        let class = said.code().code();
        let is_error = said.parsed_severity().map_or(said.severity() == "ERROR", |it| it == Severity::Error);
        is_error && !class.starts_with("08") && !class.starts_with("57P")
    })
}

/// Returns whether the same transaction, tried again, may succeed: the server chose it as the victim of a conflict, or
/// another made the same table at the same moment. `IF NOT EXISTS` looks into a cache, which hears of another's commit a
/// moment after it; which of the catalog's rows the two meet at is chance.
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

/// Returns what a failed migration means.
pub(crate) fn of_migration(error: StoreError) -> StoreError {
    let StoreError::Unavailable(source) = &error else { return error };
    match source.downcast_ref::<tokio_postgres::Error>() {
        Some(taken) if taken.code() == Some(&SqlState::DUPLICATE_TABLE) => {
            let said = taken.as_db_error().map(DbError::message).unwrap_or_default();
            unavailable(Explained {
                advice: format!(
                    "the database holds a table of another program under a name that the store needs ({said}): name a \
                     database in the store's URL that holds nothing else, or give its user a schema by ALTER ROLE … SET \
                     search_path"
                ),
                source: None,
            })
        }
        _ => error,
    }
}

fn is_in_the_catalog(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().and_then(DbError::schema) == Some("pg_catalog")
}
