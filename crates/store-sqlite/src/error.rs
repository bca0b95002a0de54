use std::error::Error;
use std::fmt;
use std::sync::Arc;

use doorward_store::{BoxError, Conflict, Doubt, StoreError};
use rusqlite::{ErrorCode, ffi};

pub(crate) fn unavailable(source: impl Into<Failure>) -> StoreError {
    source.into().into()
}

/// The reason why a transaction failed, to be told to everybody whose write was in the transaction.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    Doubtful(Doubt),
    Engine(EngineError),
    /// The commit was answered, by a file that is no longer the store's.
    OutcomeUnknown,
    Said(Arc<str>),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Doubtful(doubt) => doubt.into(),
            Failure::Engine(error) => Self::Unavailable(error.into()),
            Failure::OutcomeUnknown => Self::OutcomeUnknown,
            Failure::Said(text) => Self::Unavailable(text.as_ref().into()),
        }
    }
}

impl From<Doubt> for Failure {
    fn from(doubt: Doubt) -> Self {
        Self::Doubtful(doubt)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(EngineError(Arc::new(error)))
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Said(text.into())
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self::Said(text.into())
    }
}

/// An error of SQLite's, with what to do.
#[derive(Clone, Debug)]
pub(crate) struct EngineError(Arc<rusqlite::Error>);

impl EngineError {
    fn cure(&self) -> Option<&'static str> {
        Some(match self.0.sqlite_error_code()? {
            ErrorCode::CannotOpen => {
                "the store's files cannot be opened: check that their folder exists and that this user may write there"
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                "another process holds the store's file: end the process that holds it for so long, then try again"
            }
            ErrorCode::DatabaseCorrupt => {
                "the store's file is damaged: stop all programs that use it, and restore a backup"
            }
            ErrorCode::DiskFull => {
                "the disk with the store is full, and nothing was changed: make room there, then try again"
            }
            ErrorCode::NotADatabase => {
                "the file is no SQLite database, or its beginning is damaged: name the store's file, or restore a backup"
            }
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
                "the store's file cannot be written: mount its file system for writing, and let this user write the file \
                 and its folder"
            }
            ErrorCode::SystemIoFailure => {
                "the disk with the store failed to read or write: check the disk, then start this program again"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cure() {
            Some(cure) => f.write_str(cure),
            None => f.write_str("SQLite failed"),
        }
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Returns the meaning of a failed write: the constraints carry the invariants, so that they say what stands against it.
pub(crate) fn of_write(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error().map(|failure| failure.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_ROWID) => {
            Conflict::Duplicate.into()
        }
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => StoreError::Missing,
        _ => unavailable(error),
    }
}

/// Returns the meaning of a failed read: a value of the wrong type is a corrupt row.
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

/// Returns whether an error says that the file cannot be read as a store.
pub(crate) fn is_damage(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt(_) => true,
        StoreError::Unavailable(source) => source.downcast_ref::<EngineError>().is_some_and(|error| {
            matches!(error.0.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        }),
        _ => false,
    }
}

/// Joins what failed in the file system to what to do.
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
