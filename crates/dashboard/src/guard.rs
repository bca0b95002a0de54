//! Finds the signed-in operator, and checks that a form was sent by this page.

use doorward_auth::{ChangeRequest, OperatorPrincipal, Presence, Visit};
use doorward_http::{SourceAddress, sent_by_own_origin};
use doorward_key::OpaqueToken;
use doorward_types::{Locator, RequestId};
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, request};

use crate::caller::Caller;
use crate::cookies::{cookie, session};
use crate::form::Form;
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// Returns the person who sent the request: on the page of visitors the host's, and an operator on every other.
pub(crate) async fn caller(parts: &Parts, head: &request::Parts, presence: Presence) -> Result<Caller, PageError> {
    let Some(visitors) = &parts.visitors else { return Ok(Caller::new(operator(parts, head, presence).await?)) };
    let visitor = visitors.principal(head).ok_or(PageError::SignedOut)?;
    match visitors.are_guarded_here() {
        true => Ok(Caller::with_form_key(visitor, &head.headers, &**parts.verifier.core().random())?),
        false => Ok(Caller::new(visitor)),
    }
}

async fn operator(parts: &Parts, head: &request::Parts, presence: Presence) -> Result<OperatorPrincipal, PageError> {
    let signed_in = match session(&head.headers) {
        Some(session) => parts.operators.session(&session, presence).await?,
        None => None,
    };
    // Browsers omit a strict cookie after a link on another site, and send it from the page itself.
    let came_from_elsewhere = || head.method == Method::GET && header_is(&head.headers, "sec-fetch-site", "cross-site");
    signed_in.ok_or_else(|| if came_from_elsewhere() { PageError::CrossSiteNavigation } else { PageError::SignedOut })
}

/// Returns the request's source, for an audit log.
pub(crate) fn visit(head: &request::Parts) -> Visit {
    Visit::new(
        head.extensions.get::<SourceAddress>().map(|address| address.0),
        head.extensions.get::<RequestId>().copied(),
    )
}

/// Returns the change request of a form. The page gives each form an idempotency key, so that a repeat changes nothing.
pub(crate) fn change_request(
    head: &request::Parts,
    who: &OperatorPrincipal,
    form: &Form,
) -> Result<ChangeRequest, PageError> {
    let Visit { source_address, request_id, .. } = visit(head);
    let seen = form.get("seen").map(|text| text.split(' ').map(str::parse).collect::<Result<Vec<Locator>, _>>());
    let seen = seen.transpose().map_err(|_| PageError::Field("seen"))?;
    let request = who.request().with_source(source_address, request_id);
    Ok(request.with_idempotency_key(form.parsed("once")?).with_expected_secrets(seen))
}

/// Redirects to the page and sets the session's cookie.
pub(crate) fn start_session(parts: &Parts, session: &OpaqueToken) -> Reply {
    let mut reply = reply::see_other(&format!("{}/?signed-in", parts.base));
    if let Some(cookie) = cookie(session) {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    reply
}

/// Checks that a page of this origin sent the form.
pub(crate) fn check_same_site(parts: &Parts, head: &request::Parts) -> Result<(), PageError> {
    let is_forged = match &parts.visitors {
        Some(visitors) => visitors.is_forged(head),
        None => !sent_by_own_origin(head),
    };
    if is_forged { Err(PageError::CrossSite) } else { Ok(()) }
}

fn header_is(headers: &HeaderMap, name: &str, value: &str) -> bool {
    headers.get(name).is_some_and(|found| found == value)
}
