//! Faults: the reasons why someone sees another page than was asked for.

use doorward_auth::IssueError;
use doorward_http::Problem;
use doorward_key::RandomError;
use doorward_store::StoreError;

#[cfg(feature = "oidc")]
use crate::identity_fault::IdentityFault;

/// The reason why there is another page than was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Another site sent the form, or nobody can tell that it did not.
    #[error("this form was not sent by this page, or your browser does not say so; nothing was changed")]
    CrossSite,
    /// A field of a form or a query is not as it should be.
    #[error("the field `{0}` is not as it should be; nothing was changed")]
    Field(&'static str),
    /// Another site led here: the cookie stayed behind.
    #[error("go on to the page")]
    FromElsewhere,
    /// The identity provider did not say who it is.
    #[cfg(feature = "oidc")]
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    /// The core refused.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The host has as much of this under way as it takes.
    #[error("{}", .0.detail())]
    Limited(Problem),
    /// What came is no form, is too long, or did not arrive.
    #[error("the form did not arrive whole; nothing was changed")]
    NoForm,
    /// No such page, or no such thing.
    #[error("there is nothing at this address")]
    NotFound,
    /// Nobody is signed in.
    #[error("sign in first")]
    SignedOut,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Issue(IssueError::Store(error))
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Limited(problem)
    }
}

impl From<RandomError> for Fault {
    fn from(error: RandomError) -> Self {
        Self::Issue(error.into())
    }
}

/// An extension of every answer that refuses a sign-in, so that the host can count and limit them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInRefused {
    /// The link does not exist, was used, or has expired.
    Link,
    /// The identity provider did not prove who it is, or the identity is of no operator.
    Provider,
}
