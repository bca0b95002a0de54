//! Signs operators in through an identity provider.

use http::header::SET_COOKIE;
use http::request;

use crate::guard;
use crate::identity_error::IdentityError;
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// Redirects the browser to the provider.
pub(crate) async fn begin(parts: &Parts) -> Result<Reply, PageError> {
    let core = parts.verifier.core();
    let (url, cookie) = parts.identity_provider()?.begin(&**core.random(), core.clock().now()).await?;
    let mut reply = reply::see_other(&url);
    if let Some(cookie) = cookie {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(reply)
}

/// Signs in the operator whom the provider names, if this browser began the sign-in.
pub(crate) async fn finish(parts: &Parts, head: &request::Parts) -> Result<Reply, PageError> {
    let provider = parts.identity_provider()?;
    let finished = provider.finish(head, parts.verifier.core().clock().now()).await?;
    let operator = match parts.operators.by_identity(&finished.identity).await? {
        Some(operator) => operator,
        None => {
            let who = provider.who(&finished.identity, &finished.claims)?;
            let bound = parts.operators.bind(who, &finished.identity, guard::visit(head)).await?;
            bound.ok_or_else(|| IdentityError::NoOperator(who.to_owned()))?
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the identity provider has proved who it is")]
    let session = parts.operators.sign_in_as(&operator, guard::visit(head)).await?;
    let mut reply = guard::start_session(parts, head, &session);
    if let Some(cookie) = finished.no_cookie {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(reply)
}
