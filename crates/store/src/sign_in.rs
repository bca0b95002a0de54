//! Operators' sign-in to the page: a link that works once begins a session in the browser.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_types::{OperatorId, Timestamp, words};

use crate::{Operator, OperatorStore, Passkeys, StoreError};

/// A sign-in link or a session. Only the digest of its token is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignIn {
    /// SHA-256 of the token.
    pub token: Digest,
    /// The kind: a link or a session.
    pub kind: SignInKind,
    /// The operator. Deleting the operator deletes this record.
    pub operator: OperatorId,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the last use.
    pub seen_at: Timestamp,
    /// The end of its validity, independent of its use.
    pub expires_at: Timestamp,
}

/// The purpose of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInKind {
    /// Signs in once.
    Link,
    /// Stays signed in.
    Session,
}

words! {
    SignInKind, "unknown kind of sign-in": Link = "link", Session = "session"
}

/// Links and sessions of operators. Adding a record deletes the expired records.
#[async_trait]
pub trait SignIns: OperatorStore {
    /// Adds a link or a session and writes the event. Fails with [`StoreError::NotFound`] if there is no such operator.
    /// A new session consumes the link `spent` in the same transaction. If that link is gone, returns false and adds
    /// nothing.
    async fn add_sign_in(&self, sign_in: SignIn, spent: Option<Digest>, event: EventDraft) -> Result<bool, StoreError>;

    /// Returns the link or session with this token and its operator, unless it has expired.
    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError>;

    /// Returns the links and sessions that have not expired, oldest first.
    async fn sign_ins(&self, now: Timestamp) -> Result<Vec<SignIn>, StoreError>;

    /// Deletes a link or a session, even if it has expired, and writes the event in the same transaction. Returns
    /// false, and writes no event, if there is no such record.
    async fn consume_sign_in(&self, token: Digest, event: EventDraft) -> Result<bool, StoreError>;

    /// Records the use of a link or a session. Does nothing if it is gone.
    async fn touch_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError>;

    /// Deletes all links and sessions of an operator. If any were deleted, writes the event in the same transaction.
    /// Returns the number of deleted records.
    async fn delete_sign_ins(&self, operator: OperatorId, event: EventDraft) -> Result<u64, StoreError>;

    /// Returns the passkeys, if the engine keeps them.
    fn passkeys(&self) -> Option<&dyn Passkeys> {
        None
    }
}
