//! `GET /openapi.json`: describes the API as OpenAPI 3.1, for generators of clients. It holds no data, and may be cached.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use super::open_call::OpenCall;
use crate::answer::{Body, HandlerResult};

/// The description of the API, as OpenAPI has it.
pub const OPENAPI: &str = include_str!("../openapi.json");

pub(super) async fn handle(_: OpenCall<'_>) -> HandlerResult {
    let mut response = Response::new(Body::from(OPENAPI));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
