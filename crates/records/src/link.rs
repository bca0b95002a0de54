//! Tries to link an account elsewhere, and what is to be revoked there.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_types::{Environment, LinkSessionId, OrganizationId, RegisteredUserId, Timestamp};

use doorward_store::{Conflict, Scope, StoreError};

use crate::{ConnectorName, Credential, Sealed};

/// One try to link a registered user's account elsewhere. Of its tokens of access, the store has digests alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkSession {
    /// Names it.
    pub id: LinkSessionId,
    /// The user that the account is linked for. The session goes when the user goes.
    pub registered_user: RegisteredUserId,
    /// The connector to the third party.
    pub connector: ConnectorName,
    /// SHA-256 of the token in the start URL.
    pub start: Digest,
    /// SHA-256 of the state that the third party brings back.
    pub state: Digest,
    /// The facts that the start and the callback need.
    pub plan: Sealed,
    /// The progress of the session.
    pub status: LinkStatus,
    /// SHA-256 of the cookie of the browser that began, once a browser has begun.
    pub browser: Option<Digest>,
    /// SHA-256 of the confirmation that the browser got, while the session is pending.
    pub confirmation: Option<Digest>,
    /// The tokens, while the session is pending: sealed for [`LinkSession::tokens_record`].
    pub tokens: Option<Sealed>,
    /// The reason of a failure, as the browser is told it.
    pub error: Option<String>,
    /// The third party's own words about a failure.
    pub provider_error: Option<String>,
    /// The end of what the session is now waiting for.
    pub expires_at: Timestamp,
}

impl LinkSession {
    /// Returns the record that the plan of a session is sealed for. A session that is moved to another user or connector has no
    /// plan.
    #[must_use]
    pub fn plan_record(id: LinkSessionId, registered_user: RegisteredUserId, connector: &ConnectorName) -> String {
        format!("link/{id}/{registered_user}/{connector}")
    }

    /// Decides whether this session may end as complete with this credential.
    ///
    /// # Errors
    ///
    /// [`Conflict::Stale`], if the session is not pending, or is of another user or connector than the credential.
    pub fn may_become(&self, credential: &Credential) -> Result<(), Conflict> {
        let fits = self.registered_user == credential.registered_user && self.connector == credential.connector;
        if self.status == LinkStatus::Pending && fits { Ok(()) } else { Err(Conflict::Stale) }
    }

    /// Returns the record that the tokens of this session are sealed for.
    #[must_use]
    pub fn tokens_record(&self) -> String {
        format!("link-tokens/{}/{}", self.id, self.registered_user)
    }
}

/// The progress of a link session, in the order of a session that goes well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinkStatus {
    /// No browser has been at the start URL.
    Begun,
    /// A browser was sent to the third party.
    Started,
    /// The code is being exchanged.
    Exchanging,
    /// The tokens are here, and the backend has not confirmed whose they are.
    Pending,
    /// The tokens are the user's credential.
    Complete,
    /// It went wrong.
    Failed,
    /// Nobody went on in time.
    Expired,
}

impl LinkStatus {
    const ALL: [Self; 7] =
        [Self::Begun, Self::Started, Self::Exchanging, Self::Pending, Self::Complete, Self::Failed, Self::Expired];

    /// As it stands in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Started => "started",
            Self::Exchanging => "exchanging",
            Self::Pending => "pending",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// Returns whether a session stays as it is from here on.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Expired)
    }
}

impl fmt::Display for LinkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LinkStatus {
    type Err = UnknownLinkStatus;

    fn from_str(text: &str) -> Result<Self, UnknownLinkStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownLinkStatus)
    }
}

/// The text names no status.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such status of a link session")]
pub struct UnknownLinkStatus;

/// The time for which the record of a session is kept after its end, for the backend to ask.
pub const LINKS_KEPT: std::time::Duration = std::time::Duration::from_hours(1);

/// Link sessions: opened in a scope, and found by tokens that only their holders know.
///
/// THE RULE of tokens: whatever takes them from a session but [`LinkSessions::complete_link`] makes them a [`Revocation`] in
/// the same transaction. The same holds for a credential that is deleted, that another one replaces, or whose user is deleted.
#[async_trait]
pub trait LinkSessions: Send + Sync {
    /// Adds a session; [`StoreError::Missing`] if its user does not exist in this scope. Expires others on the way, as
    /// [`LinkSessions::expire_links`].
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError>;

    /// Returns the session with this id in this scope.
    async fn link(&self, scope: &Scope, id: LinkSessionId) -> Result<Option<LinkSession>, StoreError>;

    /// Returns the session whose start URL has this token, with its place.
    async fn link_by_start(&self, start: Digest) -> Result<Option<FoundLink>, StoreError>;

    /// Returns the session with this state, with its place.
    async fn link_by_state(&self, state: Digest) -> Result<Option<FoundLink>, StoreError>;

    /// Writes what may change of a session: all from its status on. Only the first of several callers that have seen the same
    /// status succeeds.
    ///
    /// # Errors
    ///
    /// [`doorward_store::Conflict::Stale`] if the session has another status than `from`; [`StoreError::Missing`] if there is no such
    /// session in this scope.
    async fn advance_link(&self, scope: &Scope, from: LinkStatus, session: LinkSession) -> Result<(), StoreError>;

    /// Ends a pending session as complete, puts the credential, and writes the event that tells of it, in one transaction. Only
    /// one caller succeeds.
    ///
    /// # Errors
    ///
    /// [`doorward_store::Conflict::Stale`] if the session is not pending, or is of another user or connector than the credential;
    /// [`StoreError::Missing`] if there is no such session in this scope.
    async fn complete_link(
        &self,
        scope: &Scope,
        id: LinkSessionId,
        credential: Credential,
        event: EventDraft,
    ) -> Result<(), StoreError>;

    /// Ends all sessions whose time is over, and forgets those that ended [`LINKS_KEPT`] ago.
    async fn expire_links(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// A session with its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundLink {
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// The session.
    pub session: LinkSession,
}

/// Tokens that the third party is to be told to revoke (RFC 7009).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revocation {
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// Names it in its scope.
    pub id: String,
    /// The connector that the tokens came by.
    pub connector: ConnectorName,
    /// The record that the tokens were sealed for.
    pub record: String,
    /// The tokens.
    pub sealed: Sealed,
    /// The number of times that it was taken.
    pub attempts: u32,
}

/// The queue of revocations.
#[async_trait]
pub trait Revocations: Send + Sync {
    /// Takes up to `limit` revocations that are due. Each is due again at `next`, so that no other node takes it meanwhile, and
    /// a node that dies loses none.
    async fn take_revocations(
        &self,
        now: Timestamp,
        next: Timestamp,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError>;

    /// Makes a revocation due at another time.
    async fn postpone_revocation(&self, revocation: &Revocation, until: Timestamp) -> Result<(), StoreError>;

    /// Forgets a revocation, whatever came of it.
    async fn end_revocation(&self, revocation: &Revocation) -> Result<(), StoreError>;
}
