//! The answers that send a browser on.

use doorward_http::Problem;
use doorward_link::CallbackResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

use crate::answer::{Body, HandlerResult};
use crate::code::Code;

/// Sends a browser on. The query goes to no log, and the page that comes next does not hear of it.
pub(super) fn onward(finish: CallbackResponse) -> HandlerResult {
    let mut response = match finish {
        CallbackResponse::Redirect(url) => {
            let mut response = Response::new(Body::from(""));
            *response.status_mut() = StatusCode::SEE_OTHER;
            let url = HeaderValue::try_from(url);
            let url = url.map_err(|_| Problem::new(Code::Internal, "the callback's URL cannot be a header"))?;
            response.headers_mut().insert(LOCATION, url);
            response
        }
        CallbackResponse::Page(status, text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            response
        }
    };
    for (name, value) in
        [(CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer"), (X_CONTENT_TYPE_OPTIONS, "nosniff")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
