//! Link sessions, and the revocations that are due at third parties.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_types::{Environment, LinkSessionId, OrganizationId, RegisteredUserId, Timestamp, words};

use doorward_store::{Conflict, Scope, StoreError};

use crate::{ConnectorName, Credential, Sealed};

/// One attempt to link a registered user's account at a third party. The store has only digests of the tokens that give
/// access to the session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkSession {
    /// The id.
    pub id: LinkSessionId,
    /// The user. Deleting the user deletes the session.
    pub registered_user: RegisteredUserId,
    /// The connector to the third party.
    pub connector: ConnectorName,
    /// SHA-256 of the token in the start URL.
    pub start: Digest,
    /// SHA-256 of the state that the third party returns.
    pub state: Digest,
    /// The facts that the start and the callback need.
    pub plan: Sealed,
    /// The progress of the session.
    pub status: LinkStatus,
    /// SHA-256 of the cookie of the browser that opened the start URL, if any.
    pub browser: Option<Digest>,
    /// SHA-256 of the browser's confirmation, while the session is pending.
    pub confirmation: Option<Digest>,
    /// The tokens while the session is pending, sealed for [`LinkSession::tokens_record`].
    pub tokens: Option<Sealed>,
    /// The reason of a failure, as sent to the browser.
    pub error: Option<String>,
    /// The third party's text about a failure.
    pub provider_error: Option<String>,
    /// The end of the current wait.
    pub expires_at: Timestamp,
}

impl LinkSession {
    /// Returns the record that a session's plan is sealed for. If a session is moved to another user or connector, its
    /// plan cannot be opened.
    #[must_use]
    pub fn plan_record(id: LinkSessionId, registered_user: RegisteredUserId, connector: &ConnectorName) -> String {
        format!("link/{id}/{registered_user}/{connector}")
    }

    /// Fails unless this session may become complete with this credential.
    ///
    /// # Errors
    ///
    /// [`Conflict::Stale`] if the session is not pending, or its user or connector is not the credential's.
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

/// The progress of a link session, in the order of a successful session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinkStatus {
    /// No browser has opened the start URL.
    Begun,
    /// A browser was redirected to the third party.
    Started,
    /// The code is being exchanged.
    Exchanging,
    /// The tokens have arrived, and the backend has not confirmed the user.
    Pending,
    /// The tokens are the user's credential.
    Complete,
    /// The session failed.
    Failed,
    /// The session was not continued in time.
    Expired,
}

words! {
    LinkStatus, "unknown status of a link session":
    Begun = "begun",
    Started = "started",
    Exchanging = "exchanging",
    Pending = "pending",
    Complete = "complete",
    Failed = "failed",
    Expired = "expired",
}

impl LinkStatus {
    /// Returns true if the status is final.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Expired)
    }
}

/// The time for which a session is kept after its end, so that the backend can read its result.
pub const LINK_RETENTION: std::time::Duration = std::time::Duration::from_hours(1);

/// Link sessions. They are opened in a scope, and found by tokens that only their holders know.
///
/// THE RULE of tokens: if a session loses its tokens other than by [`LinkSessions::complete_link`], the tokens become a
/// [`Revocation`] in the same transaction. The same holds for a credential that is deleted or replaced, or whose user
/// is deleted.
#[async_trait]
pub trait LinkSessions: Send + Sync {
    /// Adds a session. Fails with [`StoreError::NotFound`] if its user does not exist in this scope. Also expires other
    /// sessions, like [`LinkSessions::expire_links`].
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError>;

    /// Returns the session with this id in this scope.
    async fn link(&self, scope: &Scope, id: LinkSessionId) -> Result<Option<LinkSession>, StoreError>;

    /// Returns the session whose start URL has this token, with its place.
    async fn link_by_start(&self, start: Digest) -> Result<Option<FoundLink>, StoreError>;

    /// Returns the session with this state, with its place.
    async fn link_by_state(&self, state: Digest) -> Result<Option<FoundLink>, StoreError>;

    /// Writes the mutable fields of a session: the status and all fields after it. If several callers have read the
    /// same status, only the first succeeds.
    ///
    /// # Errors
    ///
    /// [`doorward_store::Conflict::Stale`] if the session's status is not `from`. [`StoreError::NotFound`] if there is
    /// no such session in this scope.
    async fn advance_link(&self, scope: &Scope, from: LinkStatus, session: LinkSession) -> Result<(), StoreError>;

    /// Marks a pending session as complete, puts the credential, and writes the event, in one transaction. Only one
    /// caller succeeds.
    ///
    /// # Errors
    ///
    /// [`doorward_store::Conflict::Stale`] if the session is not pending, or its user or connector is not the
    /// credential's. [`StoreError::NotFound`] if there is no such session in this scope.
    async fn complete_link(
        &self,
        scope: &Scope,
        id: LinkSessionId,
        credential: Credential,
        event: EventDraft,
    ) -> Result<(), StoreError>;

    /// Ends all sessions whose time is over, and deletes the sessions that ended [`LINK_RETENTION`] ago.
    async fn expire_links(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// A session with its organization and environment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundLink {
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// The session.
    pub session: LinkSession,
}

/// Tokens to revoke at the third party (RFC 7009).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revocation {
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// The id, unique in the scope.
    pub id: String,
    /// The connector of the tokens.
    pub connector: ConnectorName,
    /// The record that the tokens were sealed for.
    pub record: String,
    /// The tokens.
    pub sealed: Sealed,
    /// The number of times that the revocation was taken.
    pub attempts: u32,
}

/// The queue of revocations.
#[async_trait]
pub trait Revocations: Send + Sync {
    /// Takes up to `limit` due revocations. Each is due again at `next`, so no other node takes it meanwhile, and the
    /// crash of a node loses no revocation.
    async fn take_revocations(
        &self,
        now: Timestamp,
        next: Timestamp,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError>;

    /// Postpones a revocation.
    async fn postpone_revocation(&self, revocation: &Revocation, until: Timestamp) -> Result<(), StoreError>;

    /// Deletes a revocation, whether it succeeded or not.
    async fn end_revocation(&self, revocation: &Revocation) -> Result<(), StoreError>;
}
