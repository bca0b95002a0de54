//! Reading bodies: JSON, strictly, within limits. No error holds what was sent.

use std::time::Duration;

use bytes::Bytes;
use doorward_http::{Problem, RequestHead};
use doorward_key::{OfferedKey, OfferedKeyError};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::budget::{MAX_BODY, Share};
use crate::code::Code;
use crate::request_context::{RequestBody, RequestContext};
use crate::state::State;

/// The time that a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The body that a route takes. A sender of another body is shown the description.
pub(crate) trait JsonBody: DeserializeOwned {
    /// Such as `{"name": string}`.
    const DESCRIPTION: &'static str;
}

/// Reads the public part of a key that was made elsewhere.
pub(crate) fn offered(text: &str) -> Result<OfferedKey, Problem> {
    text.parse().map_err(|error: OfferedKeyError| Problem::new(Code::InvalidRequest, error.to_string()))
}

/// Reads a body that must be there.
pub(crate) async fn json<T: JsonBody>(state: &State, call: RequestContext) -> Result<T, Problem> {
    parse(&looked_at(state, call).await?.1)
}

/// Reads a body that may be absent.
pub(crate) async fn json_or_default<T: JsonBody + Default>(state: &State, call: RequestContext) -> Result<T, Problem> {
    let (_, bytes) = looked_at(state, call).await?;
    if bytes.is_empty() { Ok(T::default()) } else { parse(&bytes) }
}

/// Reads a JSON body, and warns the owner of a key in it.
pub(crate) async fn looked_at(state: &State, call: RequestContext) -> Result<(Parts, Bytes), Problem> {
    let (source, id) = (call.source(), call.id);
    let (head, bytes) = read(state, call).await?;
    state.layer.look_at_body(&bytes, RequestHead::from(&head).named(source, id));
    Ok((head, bytes))
}

/// Reads a JSON body as it is. A missing body is read as empty. Returns the request's head, and the body.
pub(crate) async fn read(state: &State, call: RequestContext) -> Result<(Parts, Bytes), Problem> {
    read_up_to(MAX_BODY, state, call).await
}

/// Reads a JSON body of up to `most` bytes as it is.
pub(crate) async fn read_up_to(most: usize, state: &State, call: RequestContext) -> Result<(Parts, Bytes), Problem> {
    let room = room_up_to(most, state, &call).await?;
    let bytes = receive(most, &call.head.headers, call.body).await?;
    drop(room);
    Ok((*call.head, bytes))
}

/// Waits for room for the body of this request. Returns none if the request has no body. Fails if there is no room within the
/// time that a body may take.
pub(crate) async fn room(state: &State, call: &RequestContext) -> Result<Option<Share>, Problem> {
    room_up_to(MAX_BODY, state, call).await
}

async fn room_up_to(most: usize, state: &State, call: &RequestContext) -> Result<Option<Share>, Problem> {
    if call.body.is_end_stream() {
        return Ok(None);
    }
    // A body of unknown length may be as long as any; a longer one is refused before it is read.
    let exact = call.body.size_hint().exact().and_then(|exact| usize::try_from(exact).ok()).unwrap_or(most);
    state.budgets.body(exact.min(most), call.sender, BODY_DEADLINE).await.map(Some)
}

async fn receive(most: usize, headers: &HeaderMap, body: RequestBody) -> Result<Bytes, Problem> {
    let declared_json = headers.get(CONTENT_TYPE).is_some_and(|value| is_json(value.as_bytes()));
    let body = Limited::new(body, most);
    if !declared_json && !body.is_end_stream() {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "the body must be JSON: `Content-Type: application/json`",
        ));
    }
    let too_large = || Problem::new(Code::BodyTooLarge, format!("the body may have at most {most} bytes"));
    if body.size_hint().lower() > most as u64 {
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

/// Parses a JSON body.
pub(crate) fn parse<T: JsonBody>(bytes: &[u8]) -> Result<T, Problem> {
    // serde's own messages quote what was sent, which may be a secret in the wrong field.
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column, shape) = (error.line(), error.column(), T::DESCRIPTION);
        let detail = if error.is_data() {
            format!("the body is JSON, but not {shape} (line {line}, column {column})")
        } else {
            format!("the body is not JSON from line {line}, column {column} on; send {shape}")
        };
        Problem::new(Code::InvalidRequest, detail)
    })
}
