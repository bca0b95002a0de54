//! Bodies of requests and answers.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// The error of a body that breaks off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of every answer: whole, but for an export, which is written while it goes out.
pub type Content = UnsyncBoxBody<Bytes, BodyError>;
