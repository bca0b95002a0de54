//! The faults of passkeys.

use std::error::Error;

use doorward_key::RandomError;
use http::StatusCode;

/// The reason why a passkey was not added, or did not sign in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasskeyError {
    #[error("the passkey cannot be asked for")]
    Begin(#[source] Box<dyn Error + Send + Sync>),
    #[error(
        "the passkey “{0}” has counted fewer signatures than before, so somebody may have copied it; remove it, and add a new one"
    )]
    Counter(String),
    #[error(
        "this was not begun in this browser, was finished already, or was begun more than five minutes ago; begin again"
    )]
    NotBegun,
    #[error("a newer version of Doorward has used this passkey")]
    OtherVersion,
    #[error("the answer of your device does not prove that it has the passkey")]
    Proof(#[source] Box<dyn Error + Send + Sync>),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("the answer of your device cannot be read")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
    #[error("no operator has this passkey: it was removed, or its operator was")]
    Unknown,
}

impl PasskeyError {
    pub(crate) fn begin(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Begin(Box::new(error))
    }

    pub(crate) fn proof(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Proof(Box::new(error))
    }

    pub(crate) fn unreadable(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Unreadable(Box::new(error))
    }

    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Begin(_) | Self::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotBegun | Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Counter(_) | Self::OtherVersion | Self::Proof(_) | Self::Unknown => StatusCode::FORBIDDEN,
        }
    }
}
