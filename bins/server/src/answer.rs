//! Writing answers.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward::http::{Code, Problem};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full};
use serde::Serialize;

use crate::assertions::Assertions;

/// What every handler comes back with.
pub type Answer = Result<Response<Body>, Problem>;

/// The error of a body that breaks off.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// A body: whole, or still being written.
pub struct Body {
    content: Either<Full<Bytes>, UnsyncBoxBody<Bytes, BodyError>>,
    /// Let go of with the last byte.
    held: Option<Box<dyn Held>>,
}

/// A thing that a body holds until it has gone out.
pub trait Held: Send {
    /// The client has taken a part of the body.
    fn progresses(&mut self) {}
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(held) = &mut self.held {
            held.progresses();
        }
        Pin::new(&mut self.content).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl<T> From<T> for Body
where
    Full<Bytes>: From<T>,
{
    fn from(whole: T) -> Self {
        Self { content: Either::Left(whole.into()), held: None }
    }
}

impl Body {
    /// With something that is let go of when the body has gone out, or never will.
    #[must_use]
    pub fn holding(self, held: impl Held + 'static) -> Self {
        Self { held: Some(Box::new(held)), ..self }
    }

    /// A body that is written while it goes out.
    #[must_use]
    pub fn streamed(body: impl http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static) -> Self {
        Self { content: Either::Right(body.map_err(Into::into).boxed_unsync()), held: None }
    }
}

/// Most documents are no longer, and need no second allocation.
const USUAL_LENGTH: usize = 512;

/// A JSON document. It is never cached: it may hold a value that is shown once, and always holds what a key may see.
///
/// # Errors
///
/// [`Code::Internal`], where the value does not serialize.
pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let mut text = Vec::with_capacity(USUAL_LENGTH);
    serde_json::to_writer(&mut text, value)
        .map_err(|_| Problem::new(Code::Internal, "the answer cannot be written"))?;
    let mut response = Response::new(Body::from(text));
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
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The API, as OpenAPI has it. It tells nothing of anyone, and may be kept.
#[must_use]
pub fn described() -> Response<Body> {
    let mut response = Response::new(Body::from(include_str!("openapi.json")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns the public keys of assertions: a JSON Web Key Set, which services may keep for half of the time between a key's making and its
/// first signature.
pub(crate) fn assertion_keys(assertions: Option<&Assertions>) -> Answer {
    let off =
        || Problem::new(Code::NotFound, "this server makes no assertions: docs/gateways says how to switch them on");
    let mut response = Response::new(Body::from(assertions.ok_or_else(off)?.public()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
