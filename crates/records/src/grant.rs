//! The proofs that give access to a stored record's scope, to continue a link or to revoke tokens.

use std::time::Duration;

use doorward_key::OpaqueToken;
use doorward_store::{Scope, StoreError};
use doorward_types::Timestamp;

use crate::{FoundLink, LinkSession, LinkSessions, Revocation, Revocations};

/// The right to continue one link session. The holder of the session's token has it.
#[derive(Debug)]
pub struct LinkGrant {
    scope: Scope,
    session: LinkSession,
}

impl LinkGrant {
    /// Returns the grant of the session whose start URL has this token.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn by_start(links: &dyn LinkSessions, start: &OpaqueToken) -> Result<Option<Self>, StoreError> {
        Ok(links.link_by_start(start.digest()).await?.map(Self::of))
    }

    /// Returns the grant of the session with this state.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn by_state(links: &dyn LinkSessions, state: &OpaqueToken) -> Result<Option<Self>, StoreError> {
        Ok(links.link_by_state(state.digest()).await?.map(Self::of))
    }

    #[expect(clippy::disallowed_methods, reason = "the token is known, and the stored session names its environment")]
    fn of(FoundLink { organization, environment, session }: FoundLink) -> Self {
        Self { scope: Scope::assertion(organization, environment), session }
    }

    /// Returns the scope of the session.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the session in the state when it was found.
    #[must_use]
    pub const fn session(&self) -> &LinkSession {
        &self.session
    }
}

/// The right to revoke tokens from the store's queue.
#[derive(Debug)]
pub struct RevocationGrant {
    scope: Scope,
    revocation: Revocation,
}

impl RevocationGrant {
    /// Takes up to `limit` due revocations. A revocation that was not ended is due again after `lease`.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn take(
        revocations: &dyn Revocations,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Self>, StoreError> {
        let taken = revocations.take_revocations(now, now + lease, limit).await?;
        Ok(taken.into_iter().map(Self::of).collect())
    }

    #[expect(clippy::disallowed_methods, reason = "no caller is involved: the stored record names its environment")]
    fn of(revocation: Revocation) -> Self {
        Self { scope: Scope::assertion(revocation.organization, revocation.environment), revocation }
    }

    /// Returns the scope of the tokens.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the sealed tokens with their place in the queue.
    #[must_use]
    pub const fn revocation(&self) -> &Revocation {
        &self.revocation
    }
}
