//! Types for the bodies of requests and answers.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

/// The error of an interrupted body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer: complete, except for an export, which is written while it is sent.
pub type Content = UnsyncBoxBody<Bytes, BodyError>;

/// Returns a complete body.
pub(crate) fn whole(content: Bytes) -> Content {
    Full::new(content).map_err(|never| match never {}).boxed_unsync()
}
