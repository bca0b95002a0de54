//! Reading bodies: JSON, strictly, within limits. No error holds what was sent.

use std::time::Duration;

use bytes::Bytes;
use doorward::http::{Code, Problem};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

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
pub async fn json<T: Shape, B>(request: Request<B>) -> Result<T, Problem>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    parse(&read(&head.headers, body).await?)
}

/// Reads a body that may be absent.
///
/// # Errors
///
/// A [`Problem`] that says what should have come.
pub async fn json_or_default<T: Shape + Default, B>(request: Request<B>) -> Result<T, Problem>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    let bytes = read(&head.headers, body).await?;
    if bytes.is_empty() { Ok(T::default()) } else { parse(&bytes) }
}

/// Reads a JSON body as it is; none is an empty one.
///
/// # Errors
///
/// A [`Problem`] where it is declared as something else, is too long, or does not arrive.
pub async fn read<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
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
