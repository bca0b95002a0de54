//! The faults of a sign-in through an identity provider.

use doorward_key::RandomError;
use doorward_link::client::SendError;
use doorward_link::{ConnectorError, ExchangeError};
use doorward_types::Foreign;
use http::StatusCode;

/// The reason why a sign-in failed. It never contains a code, a token or a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("too many sign-ins have failed within a minute; try again in a few seconds")]
    Busy,
    #[error("the identity provider refused: {}", Foreign::new(.0))]
    Declined(String),
    #[error("the identity provider cannot be asked")]
    Discovery(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the identity provider rejected the authorization code")]
    Exchange(#[from] ExchangeError),
    #[error("the identity provider's answer does not prove who you are: {0}")]
    Proof(&'static str),
    #[error(
        "this sign-in was not begun in this browser, was used already, or was begun more than ten minutes ago; begin again"
    )]
    NotBegun,
    #[error(
        "the identity provider knows you as {}, but no operator of this name may sign in through it: \
         `doorward operator create --by-provider` adds one",
        Foreign::new(.0)
    )]
    NoOperator(String),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("your account at the identity provider lacks a required claim: {}", Foreign::new(.0))]
    Required(String),
}

impl IdentityError {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Declined(_) | Self::NoOperator(_) | Self::Required(_) => StatusCode::FORBIDDEN,
            Self::NotBegun => StatusCode::BAD_REQUEST,
            Self::Discovery(_) | Self::Exchange(_) | Self::Proof(_) => StatusCode::BAD_GATEWAY,
            Self::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<SendError> for IdentityError {
    fn from(error: SendError) -> Self {
        Self::Discovery(error.into())
    }
}

impl From<ConnectorError> for IdentityError {
    fn from(fault: ConnectorError) -> Self {
        Self::Discovery(fault.into())
    }
}
