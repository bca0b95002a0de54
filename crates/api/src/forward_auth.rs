//! For gateways: the answer to "may this request pass?", for any method and path.
//!
//! The path's profile says which environment's keys pass. Query and body are ignored: some gateways hand on the client's own.
//!
//! A gateway that hands on every header of a client lets a service read names that no gateway replaces: other spellings of
//! Doorward's, and those of later versions. A request that has such a name is refused here.

use std::borrow::Cow;

use doorward_auth::Principal;
use doorward_http::{Problem, Rejection};
use http::header::{CACHE_CONTROL, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::answer::{Body, HandlerResult};
use crate::assertions::{Assertions, Keys};
use crate::code::Code;
use crate::request_context::RequestContext;
use crate::state::State;

const ORGANIZATION: HeaderName = HeaderName::from_static("x-doorward-organization");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-doorward-environment");
const KEY_ID: HeaderName = HeaderName::from_static("x-doorward-key-id");
const KEY_NAME: HeaderName = HeaderName::from_static("x-doorward-key-name");
const ASSERTION: HeaderName = HeaderName::from_static("x-doorward-assertion");
const AUTH_STATUS: HeaderName = HeaderName::from_static("x-auth-status");

/// The names that gateways replace. A service can verify the assertion, so an old gateway file may leave a client's.
const REPLACED: [HeaderName; 5] = [ORGANIZATION, ENVIRONMENT, KEY_ID, KEY_NAME, ASSERTION];

/// The ASCII characters that are percent-encoded in a header, like all others: names of keys may be in any language.
const NOT_IN_A_HEADER: &AsciiSet = &CONTROLS.add(b'%');

/// The question of a gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Profile {
    keys: Keys,
    /// True if nginx asks, which turns every status but 200, 401 and 403 into 500.
    nginx: bool,
}

impl Profile {
    /// `production`, `test` or `any`; with `-nginx` after it where nginx asks.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let (name, nginx) = text.strip_suffix("-nginx").map_or((text, false), |name| (name, true));
        Some(Self { keys: Keys::named(name)?, nginx })
    }
}

/// Says whether the request may pass, and who sends it.
pub(crate) fn answer(
    state: &State,
    profile: Option<Profile>,
    presented: Result<Principal, Rejection>,
    call: &RequestContext,
) -> HandlerResult {
    let nginx = profile.is_some_and(|profile| profile.nginx);
    let presented = presented.map_err(|rejection| Problem::from(&rejection));
    match presented.and_then(|principal| passes(state, profile, &principal, &call.head.headers)) {
        Err(problem) if nginx => Ok(for_nginx(problem.for_request(call.id))),
        other => other,
    }
}

fn passes(state: &State, profile: Option<Profile>, principal: &Principal, sent: &HeaderMap) -> HandlerResult {
    let profile = profile.ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "there is no such profile: `production`, `test` or `any`, each with `-nginx` after it where nginx asks",
        )
    })?;
    let environment = principal.environment();
    if profile.keys != Keys::Any && profile.keys != Keys::Of(environment) {
        return Err(Problem::from(&Rejection::WrongEnvironment(environment)));
    }
    if sent.keys().any(could_be_read_as_ours) {
        return Err(Problem::new(
            Code::MalformedRequest,
            "a header's name begins like `X-Doorward-`, which is for Doorward alone, in every spelling",
        ));
    }
    let name = Cow::from(utf8_percent_encode(principal.key_name().as_str(), NOT_IN_A_HEADER));
    let mut response = Response::new(Body::from(""));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Every header, every time: a gateway that copies them leaves no forged header behind.
    for (header, value) in [
        (ORGANIZATION, HeaderValue::try_from(principal.organization_id().to_string())),
        (ENVIRONMENT, Ok(HeaderValue::from_static(environment.as_str()))),
        (KEY_ID, HeaderValue::try_from(principal.key_id().to_string())),
        (KEY_NAME, HeaderValue::from_str(&name)),
    ] {
        headers.insert(header, value.map_err(|_| Problem::new(Code::Internal, "a name cannot stand in a header"))?);
    }
    let sign = |assertions: &Assertions| assertions.sign(profile.keys, principal, state.clock().now());
    if let Some(assertion) = state.assertions.as_deref().and_then(sign) {
        let refused = |_| Problem::new(Code::Internal, "an assertion cannot stand in a header");
        headers.insert(ASSERTION, HeaderValue::try_from(assertion).map_err(refused)?);
    }
    Ok(response)
}

/// Returns whether a service could read a client's header as a header of Doorward's that the gateway does not replace: CGI and
/// WSGI read every character but letters and digits as `_`.
fn could_be_read_as_ours(name: &HeaderName) -> bool {
    let mut letters = name.as_str().bytes().filter(u8::is_ascii_alphanumeric);
    b"xdoorward".iter().all(|letter| letters.next() == Some(*letter)) && !REPLACED.contains(name)
}

/// Returns the refusal in a form that nginx passes on: `X-Auth-Status` has the status that it should have.
fn for_nginx(problem: Problem) -> Response<Body> {
    let mut response: Response<Body> = problem.into_response();
    let status = response.status();
    response.headers_mut().insert(AUTH_STATUS, HeaderValue::from(status.as_u16()));
    if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response
}

#[cfg(test)]
mod tests {
    use doorward_types::Environment;

    use super::*;

    #[test]
    fn names_like_ours_are_told_from_those_that_gateways_replace() {
        let ours = |name: &str| HeaderName::from_bytes(name.as_bytes()).map(|name| could_be_read_as_ours(&name)).ok();
        for name in [
            "X_Doorward_Organization",
            "x.doorward.key.id",
            "X-Doorward_Key-Id",
            "XDoorward-Organization",
            "X!Doorward~Environment",
            "X-Doorward-Later",
            "X-Doorward",
        ] {
            assert_eq!(ours(name), Some(true), "{name}");
        }
        for name in ["X-Doorward-Organization", "x-doorward-assertion", "Authorization", "X-Door", "Doorward-Id", "X"] {
            assert_eq!(ours(name), Some(false), "{name}");
        }
    }

    #[test]
    fn a_profile_is_one_of_six() {
        let of = |keys, nginx| Some(Profile { keys, nginx });
        assert_eq!(Profile::named("production"), of(Keys::Of(Environment::Production), false));
        assert_eq!(Profile::named("test-nginx"), of(Keys::Of(Environment::Test), true));
        assert_eq!(Profile::named("any"), of(Keys::Any, false));
        for other in ["", "-nginx", "nginx", "Production", "any-nginx-nginx", "staging", "any "] {
            assert_eq!(Profile::named(other), None, "{other}");
        }
    }
}
