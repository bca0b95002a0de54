use std::fmt;
use std::sync::Arc;

use doorward_store::{BoxError, Conflict, Doubt, StoreError};
use rusqlite::{ErrorCode, ffi};

pub(crate) fn unavailable(source: impl Into<SqliteFailure>) -> StoreError {
    source.into().into()
}

/// The reason why a transaction failed. It is cloned for every write of the transaction.
#[derive(Clone, Debug)]
pub(crate) enum SqliteFailure {
    Doubtful(Doubt),
    Engine(EngineError),
    /// The commit succeeded, but the file is no longer the store's.
    OutcomeUnknown,
    Said(Arc<str>),
}

impl From<SqliteFailure> for StoreError {
    fn from(failure: SqliteFailure) -> Self {
        match failure {
            SqliteFailure::Doubtful(doubt) => doubt.into(),
            SqliteFailure::Engine(error) => Self::Unavailable(error.into()),
            SqliteFailure::OutcomeUnknown => Self::OutcomeUnknown,
            SqliteFailure::Said(text) => Self::Unavailable(text.as_ref().into()),
        }
    }
}

impl From<Doubt> for SqliteFailure {
    fn from(doubt: Doubt) -> Self {
        Self::Doubtful(doubt)
    }
}

impl From<rusqlite::Error> for SqliteFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(EngineError(Arc::new(error)))
    }
}

impl From<String> for SqliteFailure {
    fn from(text: String) -> Self {
        Self::Said(text.into())
    }
}

impl From<&str> for SqliteFailure {
    fn from(text: &str) -> Self {
        Self::Said(text.into())
    }
}

/// An error of SQLite, with its remedy.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.cure())]
pub(crate) struct EngineError(#[source] Arc<rusqlite::Error>);

impl EngineError {
    fn cure(&self) -> &'static str {
        const FULL: &str = "the disk with the store is full, and nothing was changed: make room there, then try again";
        // SQLite makes room for the memory that its processes share before it writes anything.
        if self.0.sqlite_error().is_some_and(|failure| failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE) {
            return FULL;
        }
        match self.0.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) => {
                "the store's files cannot be opened: check that their folder exists and that this user may write there"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another process holds the lock of the store's file: end that process, then try again"
            }
            Some(ErrorCode::DatabaseCorrupt) => {
                "the store's file is damaged: stop all programs that use it, and restore a backup"
            }
            Some(ErrorCode::DiskFull) => FULL,
            Some(ErrorCode::NotADatabase) => {
                "the file is no SQLite database, or its beginning is damaged: name the store's file, or restore a backup"
            }
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                "the store's file cannot be written: mount its file system for writing, and let this user write the file \
                 and its folder"
            }
            Some(ErrorCode::SystemIoFailure) => {
                "the disk with the store failed to read or write: check the disk, then start this program again"
            }
            _ => "SQLite failed",
        }
    }
}

/// Returns the meaning of a failed write. A violated constraint names the invariant that rejects the write.
pub(crate) fn of_write(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error().map(|failure| failure.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_ROWID) => {
            Conflict::Duplicate.into()
        }
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => StoreError::NotFound,
        _ => unavailable(error),
    }
}

/// Returns the meaning of a failed read. A value of the wrong type means a corrupt row.
pub(crate) fn of_read(error: rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => StoreError::Corrupt(error.to_string()),
        other => unavailable(other),
    }
}

pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Returns true if the error says that the file is damaged or no database.
pub(crate) fn is_damage(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt(_) => true,
        StoreError::Unavailable(source) => source.downcast_ref::<EngineError>().is_some_and(|error| {
            matches!(error.0.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        }),
        _ => false,
    }
}

/// Adds the remedy to an error of the file system.
pub(crate) fn of_files(error: &std::io::Error, what: impl fmt::Display) -> StoreError {
    use std::io::ErrorKind;
    let cure = match error.kind() {
        ErrorKind::NotFound => "check the path",
        ErrorKind::PermissionDenied => "let this user read and write there",
        ErrorKind::ReadOnlyFilesystem => "mount its file system for writing",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on its disk",
        _ => "check its disk",
    };
    StoreError::Unavailable(BoxError::from(format!("{what}: {error}: {cure}")))
}
