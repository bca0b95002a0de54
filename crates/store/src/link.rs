use async_trait::async_trait;
use doorward_key::Digest;
use doorward_types::{Environment, OrganizationId, Timestamp};

use crate::{LinkSession, Scope, StoreError};

/// Link sessions: opened in a scope, and found by the state that only their maker and the third party know.
#[async_trait]
pub trait LinkSessions: Send + Sync {
    /// Adds a session; [`StoreError::Missing`] where its user does not exist in this scope. Sessions that have expired are
    /// removed on the way.
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError>;

    /// Takes the session with this state out, so that no one takes it again; none where there is none, or it has expired.
    /// Sessions that have expired are removed on the way.
    async fn take_link(&self, state: Digest, now: Timestamp) -> Result<Option<TakenLink>, StoreError>;
}

/// A session that was taken out, with whose it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TakenLink {
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// The session.
    pub session: LinkSession,
}
