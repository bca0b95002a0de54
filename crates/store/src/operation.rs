//! Operations: named changes, with the answer to a repeat.

use std::str::FromStr;
use std::time::Duration;

use doorward_audit::EventDraft;
use doorward_types::Timestamp;
use sha2::{Digest, Sha256};

use crate::{OperationId, Revision, StoreError};

/// A change that the store remembers for a while: for repeats with the same idempotency key, for unanswered commits,
/// and for answers that must wait until the change is in effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operation {
    /// The id of the changed record, as in the audit event.
    pub subject: String,
    /// The hash of the request, or `None` if the operation is older than these hashes.
    pub request: Option<RequestHash>,
    /// The change's number.
    pub revision: Revision,
}

impl Operation {
    /// Returns the answer to a repeat under the same idempotency key.
    #[must_use]
    pub fn repeated(&self, request: &RequestHash) -> StoreError {
        if self.request.is_none_or(|first| first == *request) {
            StoreError::AlreadyDone { subject: self.subject.clone(), revision: self.revision }
        } else {
            StoreError::IdempotencyKeyReused
        }
    }
}

/// The SHA-256 of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestHash(pub [u8; 32]);

impl RequestHash {
    /// Returns the hash of a request with these parts. Each part is hashed with its length, so that different lists
    /// have different hashes.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

/// The time for which an operation without an idempotency key is remembered: longer than any earlier lease can last,
/// even if the clocks of two machines differ by minutes.
pub const OPERATION_WINDOW: Duration = Duration::from_secs(600);

/// Returns two times: a change deletes operations without an idempotency key up to the first, and all operations up to
/// the second.
#[must_use]
pub fn operations_forgotten(now: Timestamp) -> (Timestamp, Timestamp) {
    let before = |window: Duration| {
        Timestamp::from_millis(now.as_millis().saturating_sub(i64::try_from(window.as_millis()).unwrap_or(i64::MAX)))
    };
    (before(OPERATION_WINDOW), before(IDEMPOTENCY_WINDOW))
}

/// The row of an operation, as every engine writes it.
#[derive(Debug)]
pub struct OperationRow<'a> {
    /// The name of the operation.
    pub operation: OperationId,
    /// The first audit event, which names the actor, the subject and the time.
    pub event: &'a EventDraft,
    /// The client's name for the request.
    pub idempotency_key: Option<&'a str>,
    /// The hash of the request.
    pub request: RequestHash,
}

/// The time for which an operation with an idempotency key is remembered: as long as clients retry, and as others in the field do.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_hours(24);

/// A client's name for one request, so that a repeat changes nothing (the `Idempotency-Key` header).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The maximum number of characters in a key.
    pub const MAX_LENGTH: usize = 128;

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, IdempotencyKeyError> {
        if (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdempotencyKeyError)
        }
    }
}

/// The error for a text that is not an idempotency key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an idempotency key has 1 to 128 visible ASCII characters")]
#[non_exhaustive]
pub struct IdempotencyKeyError;
