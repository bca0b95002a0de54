//! Faults of a sign-in through an identity provider.

use doorward_key::RandomError;
use doorward_link::client::SendError;
use doorward_link::{ConnectorFault, ExchangeError};
use doorward_types::Foreign;
use http::StatusCode;

/// The reason that someone is not signed in. None of it holds a code, a token or a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityFault {
    #[error("too many sign-ins have failed within a minute; try again in a few seconds")]
    Busy,
    #[error("the identity provider refused: {}", Foreign::new(.0))]
    Declined(String),
    #[error("the identity provider cannot be asked")]
    Discovery(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the identity provider does not take its own code")]
    Exchange(#[from] ExchangeError),
    #[error("the identity provider's answer does not prove who you are: {0}")]
    Proof(&'static str),
    #[error(
        "this sign-in was not begun in this browser, was used already, or was begun more than ten minutes ago; begin again"
    )]
    NotBegun,
    #[error(
        "you are {} to the identity provider, and it may sign in to no operator of this name: \
         `doorward operator create --by-provider` adds one",
        Foreign::new(.0)
    )]
    NoOperator(String),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("the identity provider does not say of you what everybody must be who signs in here: {}", Foreign::new(.0))]
    Required(String),
}

impl IdentityFault {
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

impl From<SendError> for IdentityFault {
    fn from(error: SendError) -> Self {
        Self::Discovery(error.into())
    }
}

impl From<ConnectorFault> for IdentityFault {
    fn from(fault: ConnectorFault) -> Self {
        Self::Discovery(fault.into())
    }
}
