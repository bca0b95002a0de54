//! How operators sign in to the page: by a link that works once, into a session in their browser.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_types::{OperatorId, Timestamp};

use crate::{Operator, StoreError};

/// A link, or a session. Of its token there is the digest alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignIn {
    /// SHA-256 of the token.
    pub token: Digest,
    /// Which of the two.
    pub kind: SignInKind,
    /// Whose. It goes when the operator goes.
    pub operator: OperatorId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// When it is worth nothing any more, however much it is used.
    pub expires_at: Timestamp,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInKind {
    /// To sign in, once.
    Link,
    /// To stay signed in.
    Session,
}

impl SignInKind {
    /// As it stands in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Session => "session",
        }
    }
}

impl std::fmt::Display for SignInKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for SignInKind {
    type Err = UnknownSignIn;

    fn from_str(text: &str) -> Result<Self, UnknownSignIn> {
        [Self::Link, Self::Session].into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownSignIn)
    }
}

/// The text names no kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such kind of sign-in")]
pub struct UnknownSignIn;

/// Links and sessions of operators. What has expired is removed whenever one is added.
#[async_trait]
pub trait SignIns: Send + Sync {
    /// Adds a link or a session, with the event that tells of it; [`StoreError::Missing`] if there is no such operator. A session
    /// that a link is spent for takes the link out in the same transaction. Returns false, and adds nothing, if the link is gone.
    async fn add_sign_in(&self, sign_in: SignIn, spent: Option<Digest>, event: EventDraft) -> Result<bool, StoreError>;

    /// The one with this token, with its operator; none where there is none, or it has expired.
    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError>;

    /// Takes a link or a session out, so that nobody uses it again; returns whether it was there, expired or not. If so, the
    /// event that tells of it is written in the same transaction.
    async fn take_sign_in(&self, token: Digest, event: EventDraft) -> Result<bool, StoreError>;

    /// Notes that one was used; nothing where it is gone.
    async fn see_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError>;

    /// Takes out all links and sessions of an operator; returns how many there were. If there were any, the event that tells of it
    /// is written in the same transaction.
    async fn take_sign_ins(&self, operator: OperatorId, event: EventDraft) -> Result<u64, StoreError>;
}
