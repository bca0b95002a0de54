//! Writing answers.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward_auth::TakenKey;
use doorward_http::Problem;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full};
use serde::Serialize;

use crate::code::Code;
use crate::views::TakenView;

/// The outcome of a handler.
pub(crate) type HandlerResult = Result<Response<Body>, Problem>;

/// The error of a body that breaks off.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// The body of an answer: whole, or still being written.
pub struct Body(Either<Full<Bytes>, UnsyncBoxBody<Bytes, BodyError>>);

doorward_types::debug_as!(Body, "Body");

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl<T> From<T> for Body
where
    Full<Bytes>: From<T>,
{
    fn from(whole: T) -> Self {
        Self(Either::Left(whole.into()))
    }
}

impl Body {
    /// A body that is written while it goes out.
    pub(crate) fn streamed(body: impl http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static) -> Self {
        Self(Either::Right(body.map_err(Into::into).boxed_unsync()))
    }
}

/// Most documents are no longer, and need no second allocation.
const USUAL_LENGTH: usize = 512;

/// A JSON document. It is never cached: it may hold a value that is shown once, and always holds what a key may see.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> HandlerResult {
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
pub(crate) fn ok(value: &impl Serialize) -> HandlerResult {
    json(StatusCode::OK, value)
}

/// 201 with a JSON document.
pub(crate) fn created(value: &impl Serialize) -> HandlerResult {
    json(StatusCode::CREATED, value)
}

/// 201 with a key that was taken by its digest, or 200 if the store had it already.
pub(crate) fn taken(taken: &TakenKey) -> HandlerResult {
    let status = if taken.receipt.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    json(status, &TakenView::from(taken))
}

/// 204.
pub(crate) fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
