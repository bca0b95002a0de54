use doorward_auth::Principal;
use http::Extensions;

use crate::{Code, Problem};

/// Left in a request that a layer has let through without a principal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anonymous;

/// The reason why a request has no principal: a mistake of the service.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrincipalError {
    /// An [`AccessKeyLayer`](crate::AccessKeyLayer) that does not require a key has let the request through without a key.
    #[error(
        "the AccessKeyLayer above this handler lets requests through without a key: leave out `.optional()`, or ask for a \
         principal if there is any"
    )]
    Anonymous,
    /// The request came through no [`AccessKeyLayer`](crate::AccessKeyLayer).
    #[error(
        "a handler asked for the principal of a request that came through no AccessKeyLayer: add \
         `.layer(AccessKeyLayer::new(verifier))` to the service, or `.route_layer(…)` to the router, above it, after its routes"
    )]
    NoLayer,
}

impl PrincipalError {
    /// Returns the word for programs, with its status.
    #[must_use]
    pub const fn code(self) -> Code {
        Code::INTERNAL
    }
}

impl From<PrincipalError> for Problem {
    fn from(error: PrincipalError) -> Self {
        Self::new(error.code(), "the server failed at this request")
    }
}

/// Returns the principal that sent the request with these extensions, in a handler below an
/// [`AccessKeyLayer`](crate::AccessKeyLayer).
///
/// # Errors
///
/// [`PrincipalError`], if no layer that requires a key is above: a mistake of the service, which the log names with its cure.
pub fn principal(extensions: &Extensions) -> Result<&Principal, PrincipalError> {
    principal_if_any(extensions)?.ok_or_else(|| told(PrincipalError::Anonymous))
}

/// Returns the principal that sent the request with these extensions, if a key was sent, in a handler below an optional
/// [`AccessKeyLayer`](crate::AccessKeyLayer).
///
/// ```
/// use doorward_http::{PrincipalError, principal_if_any};
///
/// fn name(request: &http::Request<()>) -> Result<String, PrincipalError> {
///     let principal = principal_if_any(request.extensions())?;
///     Ok(principal.map_or_else(|| "anonymous".to_owned(), |principal| principal.organization_name().to_string()))
/// }
///
/// // No layer is above this handler.
/// assert_eq!(name(&http::Request::new(())), Err(PrincipalError::NoLayer));
/// ```
///
/// # Errors
///
/// [`PrincipalError::NoLayer`], if no layer is above: without a layer, nobody has looked at the key that the request may have.
pub fn principal_if_any(extensions: &Extensions) -> Result<Option<&Principal>, PrincipalError> {
    match extensions.get() {
        None if extensions.get::<Anonymous>().is_none() => Err(told(PrincipalError::NoLayer)),
        found => Ok(found),
    }
}

fn told(error: PrincipalError) -> PrincipalError {
    tracing::error!("{error}");
    error
}
