//! `GET /.well-known/jwks.json`: shows the public keys of assertions, a JSON Web Key Set.
//!
//! Services may keep it for half of the time between a key's making and its first signature. Errors: 404 `not_found` if
//! assertions are off.

use doorward_http::Problem;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};

use crate::answer::{Answer, Body};
use crate::code::Code;
use crate::state::State;

pub(super) fn handle(state: &State) -> Answer {
    let off =
        || Problem::new(Code::NotFound, "this server makes no assertions: docs/gateways says how to switch them on");
    let mut response = Response::new(Body::from(state.assertions.as_ref().ok_or_else(off)?.public()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
