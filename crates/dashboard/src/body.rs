//! Types for the bodies of requests and answers.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// The error of an interrupted body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer: complete, except for an export, which is written while it is sent.
pub type Content = UnsyncBoxBody<Bytes, BodyError>;
