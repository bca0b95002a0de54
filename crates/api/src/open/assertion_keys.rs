//! `GET /.well-known/jwks.json`: shows the public keys of assertions, a JSON Web Key Set.
//!
//! Services may keep it for half of the time between a key's making and its first signature. Errors: 404 `not_found` if
//! assertions are off.

use doorward_http::Problem;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};

use super::open_call::OpenCall;
use crate::answer::{Body, HandlerResult};
use crate::code::Code;

pub(super) async fn handle(call: OpenCall<'_>) -> HandlerResult {
    let off = || Problem::new(Code::NotFound, "this server makes no assertions; its operator can switch them on");
    let mut response = Response::new(Body::from(call.state.assertions.as_ref().ok_or_else(off)?.public()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
