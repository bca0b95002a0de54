//! Who is signed in, and whether this page of ours sent the form.

use doorward_auth::{ChangeRequest, OperatorPrincipal, Presence, Visit};
use doorward_http::SourceAddress;
use doorward_key::OpaqueToken;
use doorward_types::{Locator, RequestId};
use http::header::{HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Method, request};

use crate::cookies::{cookie, session};
use crate::fault::Fault;
use crate::form::Form;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// Who asks.
pub(crate) async fn operator(
    parts: &Parts,
    head: &request::Parts,
    presence: Presence,
) -> Result<OperatorPrincipal, Fault> {
    let signed_in = match session(&head.headers) {
        Some(session) => parts.desk.signed_in(&session, presence).await?,
        None => None,
    };
    // Cookies that are strict stay behind when a link of another site leads here: from our own page they come along.
    let came_from_elsewhere = || head.method == Method::GET && says(&head.headers, "sec-fetch-site", "cross-site");
    signed_in.ok_or_else(|| if came_from_elsewhere() { Fault::FromElsewhere } else { Fault::SignedOut })
}

/// Returns the request's origin, for an audit log.
pub(crate) fn visit(head: &request::Parts) -> Visit {
    Visit {
        source_address: head.extensions.get::<SourceAddress>().map(|address| address.0),
        request_id: head.extensions.get::<RequestId>().copied(),
    }
}

/// Attributes what a form asks for. The page puts into each form what makes a repeat change nothing.
pub(crate) fn change_request(
    head: &request::Parts,
    who: &OperatorPrincipal,
    form: &Form,
) -> Result<ChangeRequest, Fault> {
    let Visit { source_address, request_id } = visit(head);
    let seen = form.get("seen").map(|text| text.split(' ').map(str::parse).collect::<Result<Vec<Locator>, _>>());
    let seen = seen.transpose().map_err(|_| Fault::Field("seen"))?;
    let request = who.request().with_source(source_address, request_id);
    Ok(request.with_idempotency_key(form.parsed("once")?).with_expected_secrets(seen))
}

/// On to the page, with the cookie of a session.
pub(crate) fn let_in(parts: &Parts, session: &OpaqueToken) -> Reply {
    let mut reply = reply::see_other(&format!("{}/?signed-in", parts.base));
    if let Some(cookie) = cookie(session) {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    reply
}

/// Whether a page of ours sent this form: by Fetch Metadata, which every browser of today sends to https and to this machine; else by
/// `Origin`, which every browser sends with a form. Who sends neither is no browser, and has no business with a cookie.
pub(crate) fn check_same_site(head: &request::Parts) -> Result<(), Fault> {
    let headers = &head.headers;
    let same = match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => {
            let host =
                headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| Some(head.uri.authority()?.as_str()));
            let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
            let origin = origin.and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
            origin.is_some() && origin == host
        }
    };
    if same { Ok(()) } else { Err(Fault::CrossSite) }
}

fn says(headers: &HeaderMap, name: &str, value: &str) -> bool {
    headers.get(name).is_some_and(|found| found == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookies::tests::headers;

    #[test]
    fn only_this_origin_sends_forms() {
        let check = |pairs: &[(&'static str, &str)]| {
            let (mut head, ()) = http::Request::new(()).into_parts();
            head.headers = headers(pairs);
            check_same_site(&head).is_ok()
        };
        assert!(check(&[("sec-fetch-site", "same-origin")]));
        assert!(check(&[("origin", "https://keys.example.com"), ("host", "keys.example.com")]));
        for refused in [
            &[][..],
            &[("host", "keys.example.com")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://keys.example.com"), ("host", "keys.example.com")],
            &[("sec-fetch-site", "none")],
            &[("origin", "null"), ("host", "null")],
            &[("origin", "https://evil.example"), ("host", "keys.example.com")],
            &[("origin", "https://keys.example.com.evil.example"), ("host", "keys.example.com")],
            &[("origin", "https://keys.example.com:444"), ("host", "keys.example.com")],
        ] {
            assert!(!check(refused), "{refused:?}");
        }
    }
}
