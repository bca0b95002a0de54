//! Signing operators in through an identity provider.

use http::header::SET_COOKIE;
use http::request;

use crate::fault::Fault;
use crate::guard;
use crate::identity_fault::IdentityFault;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// Sends the browser to the provider.
pub(crate) async fn begin(parts: &Parts) -> Result<Reply, Fault> {
    let core = parts.verifier.core();
    let (url, cookie) = parts.identity_provider()?.begin(&**core.random(), core.clock().now()).await?;
    let mut reply = reply::see_other(&url);
    if let Some(cookie) = cookie {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(reply)
}

/// Signs in the operator whom the provider names, in the browser that began.
pub(crate) async fn finish(parts: &Parts, head: &request::Parts) -> Result<Reply, Fault> {
    let provider = parts.identity_provider()?;
    let finished = provider.finish(head, parts.verifier.core().clock().now()).await?;
    let operator = match parts.desk.by_identity(&finished.identity).await? {
        Some(operator) => operator,
        None => {
            let who = provider.who(&finished.identity, &finished.claims)?;
            let bound = parts.desk.bind(who, &finished.identity, guard::visit(head)).await?;
            bound.ok_or_else(|| IdentityFault::NoOperator(who.to_owned()))?
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the identity provider has proved who it is")]
    let session = parts.desk.sign_in_as(&operator, guard::visit(head)).await?;
    let mut reply = guard::let_in(parts, &session);
    if let Some(cookie) = finished.no_cookie {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(reply)
}
