use std::convert::Infallible;

use doorward_auth::{ManageError, StartError};
use doorward_key::PrefixError;
use doorward_store::{Doubt, StoreError};
use doorward_types::{ExternalIdError, NameError};

use crate::{StoreUrl, StoreUrlError};

/// The reason why [`AccessKeys`](crate::AccessKeys) did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The external id of an organization is none.
    #[error(transparent)]
    ExternalId(#[from] ExternalIdError),
    /// A change was not made.
    #[error(transparent)]
    Manage(#[from] ManageError),
    /// The name of an organization, of a sink or of the service is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The engine that the URL names is not part of this program.
    #[error("this program was built without the engine of {0}: switch its feature of the crate `doorward` on")]
    NoEngine(StoreUrl),
    /// The prefix is none that keys can have.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The URL names no store.
    #[error(transparent)]
    Url(#[from] StoreUrlError),
}

/// A conversion that cannot fail.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Error {
    /// Returns true if the same call may succeed a little later, with nothing changed: the store is out of reach, or fails over.
    ///
    /// A change that failed so may have been made all the same. Repeat it under an idempotency key
    /// ([`ChangeRequest::with_idempotency_key`](doorward_auth::ChangeRequest::with_idempotency_key)).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use doorward::{AccessKeys, Error};
    /// async fn start() -> Result<AccessKeys, Error> {
    ///     loop {
    ///         match AccessKeys::open("postgres://keys@db.internal/keys").start().await {
    ///             Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_secs(1)).await,
    ///             started => return started,
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        let (Self::Manage(ManageError::Store(store)) | Self::Start(StartError::Store(store)) | Self::Store(store)) =
            self
        else {
            return false;
        };
        matches!(store, StoreError::Unavailable(_) | StoreError::Doubtful(Doubt::ReadOnly | Doubt::Standby))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use doorward_key::KeyPrefix;

    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_retryable() {
        let unavailable = || StoreError::Unavailable("the network is down".into());
        for error in [
            Error::from(unavailable()),
            Error::from(StartError::Store(unavailable())),
            Error::from(ManageError::Store(unavailable())),
            Error::from(StoreError::Doubtful(Doubt::Standby)),
        ] {
            assert!(error.is_retryable(), "{error}");
        }
        for error in [
            Error::from(StoreError::OutcomeUnknown),
            Error::from(ManageError::NoSuchKey),
            Error::from(StoreUrlError::NoEngine),
            Error::from("".parse::<KeyPrefix>().unwrap_err()),
        ] {
            assert!(!error.is_retryable(), "{error}");
        }
        let source = Error::from(unavailable()).source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("the network is down"));
    }
}
