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
use crate::returning::{self, without_values};
use crate::routes::{ROUTES, find, segments_of};
use crate::state::Parts;

/// Returns the person who sent the request: on the page of visitors the host's, and an operator on every other.
pub(crate) async fn caller(parts: &Parts, head: &request::Parts, presence: Presence) -> Result<Caller, PageError> {
    let caller = match &parts.visitors {
        None => Caller::new(operator(parts, head, presence).await?),
        Some(visitors) => {
            let visitor = visitors.principal(head).ok_or(PageError::SignedOut(None))?;
            match visitors.are_guarded_here() {
                true => Caller::with_form_key(visitor, &head.headers, &**parts.verifier.core().random())?,
                false => Caller::new(visitor),
            }
        }
    };
    Ok(caller.at(&head.headers, here(parts, head)))
}

/// Returns the path of the page that a request is about, as browsers know it. A form is about the page that answers it.
pub(crate) fn here(parts: &Parts, head: &request::Parts) -> String {
    let path = head.uri.path();
    let rest = path.strip_prefix(parts.base.as_str()).unwrap_or(path);
    let segments = segments_of(rest);
    if head.method == Method::POST {
        let form = find(ROUTES, &head.method, &segments).and_then(|route| route.page(&segments));
        return format!("{}{}", parts.base, form.unwrap_or_else(|| "/".to_owned()));
    }
    let is_live = Form::of_query(&head.uri).is_live();
    let page = match head.uri.query().filter(|query| !query.is_empty() && !is_live) {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    format!("{}{}", parts.base, without_values(&page).unwrap_or("/"))
}

async fn operator(parts: &Parts, head: &request::Parts, presence: Presence) -> Result<OperatorPrincipal, PageError> {
    let signed_in = match session(&head.headers) {
        Some(session) => parts.operators.session(&session, presence).await?,
        None => None,
    };
    // Browsers omit a strict cookie after a link on another site, and send it from the page itself.
    let came_from_elsewhere = || head.method == Method::GET && header_is(&head.headers, "sec-fetch-site", "cross-site");
    signed_in
        .ok_or_else(|| if came_from_elsewhere() { PageError::CrossSiteNavigation } else { PageError::SignedOut(None) })
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

/// Sets the session's cookie, and redirects to the page that the person asked for before.
pub(crate) fn start_session(parts: &Parts, head: &request::Parts, session: &OpaqueToken) -> Reply {
    let before = returning::page(parts, &head.headers);
    let is_known = before.is_some();
    let mut reply = reply::see_other(&before.unwrap_or_else(|| format!("{}/?signed-in", parts.base)));
    if let Some(cookie) = cookie(session) {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    if is_known {
        returning::forget(&mut reply);
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
