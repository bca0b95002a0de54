//! Faults: the reasons why an answer is an error page.

use doorward_auth::ManageError;
use doorward_http::Problem;
use doorward_key::RandomError;
use doorward_store::StoreError;

#[cfg(feature = "oidc")]
use crate::identity_error::IdentityError;
#[cfg(feature = "passkeys")]
use crate::passkey_error::PasskeyError;

/// The reason why the requested page is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    /// Another site sent the form, or the browser does not say which site did.
    #[error("this page did not send the form, or your browser does not say so; nothing was changed")]
    CrossSite,
    /// A field of a form or a query is invalid.
    #[error("the field `{0}` is invalid; nothing was changed")]
    Field(&'static str),
    /// A link on another site led here, so the browser did not send the strict cookie.
    #[error("go on to the page")]
    CrossSiteNavigation,
    /// The form is of another visitor, another browser or another site.
    #[error(
        "this form is not of your present session, or your browser keeps no cookies here; load the page again. Nothing was changed"
    )]
    ForeignForm,
    /// The identity provider did not prove an identity.
    #[cfg(feature = "oidc")]
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The core refused.
    #[error(transparent)]
    Issue(#[from] ManageError),
    /// The host's limit is reached.
    #[error("{}", .0.detail())]
    Limited(Problem),
    /// The body is not a form, is too long, or did not arrive completely.
    #[error("the form did not arrive completely; nothing was changed")]
    NoForm,
    /// The page or the record does not exist.
    #[error("there is nothing at this address")]
    NotFound,
    /// No passkey can be added.
    #[cfg(feature = "passkeys")]
    #[error(transparent)]
    NoPasskey(PasskeyError),
    /// No passkey has signed in.
    #[cfg(feature = "passkeys")]
    #[error(transparent)]
    Passkey(#[from] PasskeyError),
    /// The visitor is not signed in. An operator whose session has just ended can send the form again.
    #[error("sign in first")]
    SignedOut(Option<UnsentForm>),
}

/// A form of an operator whose session had ended.
#[derive(Debug)]
pub(crate) struct UnsentForm {
    pub(crate) path: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Issue(ManageError::Store(error))
    }
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        Self::Limited(problem)
    }
}

impl From<RandomError> for PageError {
    fn from(error: RandomError) -> Self {
        Self::Issue(error.into())
    }
}

/// An extension of every answer that refuses a sign-in. The host counts and limits refusals by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SignInError {
    /// The link does not exist, was used, or has expired.
    Link,
    /// No passkey of an operator has signed this browser's challenge.
    Passkey,
    /// The identity provider did not prove an identity, or the identity belongs to no operator.
    Provider,
}

impl SignInError {
    /// Returns the name of the way in, for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Passkey => "passkey",
            Self::Provider => "provider",
        }
    }
}
