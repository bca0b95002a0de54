//! Reading bodies: JSON, strictly, within limits. No error holds what was sent.

use std::time::Duration;

use bytes::Bytes;
use doorward::http::{Code, Problem};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use crate::app::{App, Call};
use crate::budget::Share;

/// Ample for what the routes take, and little to hold for a thousand connections.
pub const MAX_BODY: usize = 64 * 1024;

/// How long a body may take to arrive.
pub const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// What a route takes. The description is shown to whoever sends something else.
pub trait Shape: DeserializeOwned {
    /// Such as `{"name": string}`.
    const DESCRIPTION: &'static str;
}

/// Reads a body that must be there.
///
/// # Errors
///
/// A [`Problem`] that says what should have come.
pub(crate) async fn json<T: Shape>(app: &App, call: Call) -> Result<T, Problem> {
    parse(&read(app, call).await?.1)
}

/// Reads a body that may be absent.
///
/// # Errors
///
/// A [`Problem`] that says what should have come.
pub(crate) async fn json_or_default<T: Shape + Default>(app: &App, call: Call) -> Result<T, Problem> {
    let (_, bytes) = read(app, call).await?;
    if bytes.is_empty() { Ok(T::default()) } else { parse(&bytes) }
}

/// Reads a JSON body as it is; none is an empty one. Returns the request's head, and the body.
///
/// # Errors
///
/// A [`Problem`], if the body is declared as something else, is too long, does not arrive, or if there is no room for it.
pub(crate) async fn read(app: &App, call: Call) -> Result<(Parts, Bytes), Problem> {
    let room = room(app, &call).await?;
    let (head, body) = call.request.into_parts();
    let bytes = receive(&head.headers, body).await?;
    drop(room);
    Ok((head, bytes))
}

/// Waits for room for the body of this request; none, if it has no body.
///
/// # Errors
///
/// A [`Problem`], if there is no room within the time that a body may take.
pub(crate) async fn room(app: &App, call: &Call) -> Result<Option<Share>, Problem> {
    let body = call.request.body();
    if body.is_end_stream() {
        return Ok(None);
    }
    // A body of unknown length may be as long as any; a longer one is refused before it is read.
    let most = body.size_hint().exact().and_then(|exact| usize::try_from(exact).ok()).unwrap_or(MAX_BODY);
    app.budgets().body(most.min(MAX_BODY), call.peer, BODY_DEADLINE).await.map(Some)
}

async fn receive(headers: &HeaderMap, body: Incoming) -> Result<Bytes, Problem> {
    let declared_json = headers.get(CONTENT_TYPE).is_some_and(|value| is_json(value.as_bytes()));
    let body = Limited::new(body, MAX_BODY);
    if !declared_json && !body.is_end_stream() {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "the body must be JSON: `Content-Type: application/json`",
        ));
    }
    let too_large = || Problem::new(Code::BodyTooLarge, "the body may have 65536 bytes at the most");
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_DEADLINE, body.collect()).await {
        Err(_) => Err(Problem::new(Code::RequestTimeout, "the body did not arrive within ten seconds")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Code::InvalidRequest, "the body broke off")),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

fn parse<T: Shape>(bytes: &[u8]) -> Result<T, Problem> {
    // serde's own messages quote what was sent, which may be a secret in the wrong field.
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column, shape) = (error.line(), error.column(), T::DESCRIPTION);
        let detail = if error.is_data() {
            format!("the body is JSON, but not {shape} (line {line}, column {column})")
        } else {
            format!("the body is no JSON from line {line}, column {column} on; send {shape}")
        };
        Problem::new(Code::InvalidRequest, detail)
    })
}
