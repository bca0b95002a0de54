//! `GET /openapi.json`: describes the API as OpenAPI 3.1, for generators of clients. It tells nothing of anyone, and may be kept.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use crate::answer::Body;

/// The description of the API, as OpenAPI has it.
pub const OPENAPI: &str = include_str!("../openapi.json");

pub(super) fn handle() -> Response<Body> {
    let mut response = Response::new(Body::from(OPENAPI));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
