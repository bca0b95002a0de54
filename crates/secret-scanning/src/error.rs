//! The reasons why a report is refused.

use crate::FetchError;

/// The reason why a report is refused. No message contains any part of the request.
///
/// The errors of the JSON and base64 parsers are not kept as sources, since their messages quote the request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The signature does not belong to this body and this public key.
    #[error("the signature does not match the body")]
    BadSignature,
    /// A header occurs more than once. Its name is the value.
    #[error("the header {0} occurs more than once")]
    DuplicateHeader(&'static str),
    /// GitHub's public keys are needed and cannot be fetched. The sender may retry later: answer with status 503.
    #[error("the public keys are not available at the moment")]
    KeysUnavailable(#[source] FetchError),
    /// The body is signed, but is not a list of found tokens.
    #[error("the body is not a JSON array of objects with token and type: line {line}, column {column}")]
    MalformedBody {
        /// The line of the fault, from 1.
        line: usize,
        /// The column of the fault in bytes, from 1. It is 0 if the line is empty up to the fault.
        column: usize,
    },
    /// The key identifier is empty, is too long, or contains other characters than visible ASCII.
    #[error("the key identifier is malformed")]
    MalformedIdentifier,
    /// The signature is not base64, or has an impossible length.
    #[error("the signature is not valid base64 of an ECDSA signature")]
    MalformedSignature,
    /// A header is missing. Its name is the value.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// The body is signed, but has more tokens than [`MAX_TOKENS`](crate::MAX_TOKENS).
    #[error("the report has too many tokens")]
    TooManyTokens,
    /// No public key on GitHub's list has this identifier.
    #[error("no public key has this identifier")]
    UnknownKey,
}

impl ReportError {
    /// Returns true if the request itself is at fault. A retry of the same request does not help then.
    #[must_use]
    pub const fn is_fault_of_sender(&self) -> bool {
        !matches!(self, Self::KeysUnavailable(_))
    }
}
