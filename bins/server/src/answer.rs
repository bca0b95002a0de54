//! Writing answers.

use bytes::Bytes;
use doorward::http::{Code, Problem};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// What every handler comes back with.
pub type Answer = Result<Response<Full<Bytes>>, Problem>;

/// A JSON document. It is never cached: it may hold a value that is shown once, and always holds what a key may see.
///
/// # Errors
///
/// [`Code::Internal`], where the value does not serialize.
pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|_| Problem::new(Code::Internal, "the answer cannot be written"))?;
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// 200 with a JSON document.
///
/// # Errors
///
/// As [`json`].
pub fn ok(value: &impl Serialize) -> Answer {
    json(StatusCode::OK, value)
}

/// 201 with a JSON document.
///
/// # Errors
///
/// As [`json`].
pub fn created(value: &impl Serialize) -> Answer {
    json(StatusCode::CREATED, value)
}

/// 204.
///
/// # Errors
///
/// None; it has the shape of the others.
pub fn no_content() -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
