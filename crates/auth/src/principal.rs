//! The proofs of who asks, and the callers of [`Scope::assertion`]: there are no others.
//!
//! | proof | comes from | opens |
//! |---|---|---|
//! | [`Principal`] | a verified key | the data of the key's organization and environment |
//! | [`OperatorPrincipal`] | an operator's token or session, or [`OperatorPrincipal::local_administrator`] | the management side |
//! | [`LinkGrant`] | a link session's token | the data of the session's organization and environment |
//! | [`RevocationGrant`] | the store's queue | the data of the tokens' organization and environment |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use doorward_audit::{ActorId, Attribution};
use doorward_key::OpaqueToken;
use doorward_records::{FoundLink, LinkSession, LinkSessions, Revocation, Revocations};
use doorward_store::{LiveSecret, Operator, Scope, StoreError};
use doorward_types::{AccessKeyId, Environment, Locator, Name, OrganizationId};

use crate::Core;

/// The public facts of a verified key, shared by all that it verifies.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) live: LiveSecret,
}

impl Identity {
    #[expect(clippy::disallowed_methods, reason = "the key was verified, and the stored record names its environment")]
    pub(crate) const fn scope(&self) -> Scope {
        Scope::assertion(self.live.key.organization, self.live.key.environment)
    }
}

/// Who a verified key speaks for. There is no way to make one but to verify a key.
///
/// ```compile_fail
/// let nobody = doorward_auth::Principal { identity: Default::default() };
/// ```
#[derive(Clone)]
pub struct Principal {
    identity: Arc<Identity>,
}

impl Principal {
    pub(crate) const fn of(identity: Arc<Identity>) -> Self {
        Self { identity }
    }

    /// The way to the data of this key's organization and environment.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.identity.scope()
    }

    /// The environment, as the stored record has it.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.identity.live.key.environment
    }

    /// The organization.
    #[must_use]
    pub fn organization_id(&self) -> OrganizationId {
        self.identity.live.key.organization
    }

    /// The organization's name.
    #[must_use]
    pub fn organization_name(&self) -> &Name {
        &self.identity.live.organization_name
    }

    /// The key.
    #[must_use]
    pub fn key_id(&self) -> AccessKeyId {
        self.identity.live.key.id
    }

    /// The key's name.
    #[must_use]
    pub fn key_name(&self) -> &Name {
        &self.identity.live.key.name
    }

    /// Returns the actor of what this key does. Its name in audit logs is its id, which no operator can have as a name: anyone
    /// may call a test key by an operator's name.
    #[must_use]
    pub fn attribution(&self) -> Attribution {
        let id = self.key_id();
        let actor = id.to_string().parse().unwrap_or_else(|_| self.key_name().clone());
        Attribution { actor_id: Some(id.into()), ..Attribution::local(actor) }
    }

    /// The public part of the secret that was presented.
    #[must_use]
    pub fn locator(&self) -> Locator {
        self.identity.live.secret.locator
    }

    /// Which of the key's secrets was presented, counted from 1.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.identity.live.secret.generation
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("organization", &self.organization_id())
            .field("environment", &self.environment())
            .field("key", &self.key_id())
            .field("locator", &self.locator())
            .finish()
    }
}

/// The right to manage every organization: an authenticated operator's, or that of a program which holds the store itself.
///
/// Everything that reads or changes for management takes it, or the [`ChangeRequest`](crate::ChangeRequest) that it makes.
///
/// ```compile_fail
/// let forged = doorward_auth::OperatorPrincipal { actor: "ada".parse().unwrap() };
/// ```
#[derive(Clone, Debug)]
pub struct OperatorPrincipal {
    actor: Name,
    actor_id: Option<ActorId>,
}

impl OperatorPrincipal {
    pub(crate) fn of_operator(operator: &Operator) -> Self {
        Self { actor: operator.name.clone(), actor_id: Some(operator.id.into()) }
    }

    /// The operator of a program that opens the store itself, such as a command line, or a service at its first start: no token
    /// is asked for, since who holds the store holds its keys. `actor` is the name in the audit log.
    ///
    /// Never call it for a request from elsewhere: [`OperatorDesk::authenticate`](crate::OperatorDesk::authenticate) and
    /// [`OperatorDesk::signed_in`](crate::OperatorDesk::signed_in) prove who sent one. To have clippy show each call in your own
    /// workspace too, list this method under `disallowed-methods` in your `clippy.toml`.
    #[must_use]
    pub const fn local_administrator(actor: Name) -> Self {
        Self { actor, actor_id: None }
    }

    /// Names the id that audit events have beside the name, such as a user's of the service that embeds Doorward.
    #[must_use]
    pub fn with_actor_id(self, id: ActorId) -> Self {
        Self { actor_id: Some(id), ..self }
    }

    /// The operator's name, as audit events have it.
    #[must_use]
    pub const fn actor(&self) -> &Name {
        &self.actor
    }

    /// The actor of what this operator does on this machine, without a request.
    #[must_use]
    pub fn attribution(&self) -> Attribution {
        Attribution { actor_id: self.actor_id.clone(), ..Attribution::local(self.actor.clone()) }
    }

    /// The way to one environment of one organization, of the operator's choice. Clippy shows each call in this workspace.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "operators choose; that is what their right means")]
    pub const fn scope(&self, organization: OrganizationId, environment: Environment) -> Scope {
        Scope::assertion(organization, environment)
    }
}

/// The right of the holder of a link session's token: to go on with linking that one user's account.
#[derive(Debug)]
pub struct LinkGrant {
    scope: Scope,
    session: LinkSession,
}

impl LinkGrant {
    #[expect(clippy::disallowed_methods, reason = "the token is known, and the stored session names its environment")]
    fn of(FoundLink { organization, environment, session }: FoundLink) -> Self {
        Self { scope: Scope::assertion(organization, environment), session }
    }

    /// The way to the data of the organization and environment that the session was opened in.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The session as it was found.
    #[must_use]
    pub const fn session(&self) -> &LinkSession {
        &self.session
    }
}

/// The right to revoke tokens that the store has queued for it.
#[derive(Debug)]
pub struct RevocationGrant {
    scope: Scope,
    revocation: Revocation,
}

impl RevocationGrant {
    #[expect(clippy::disallowed_methods, reason = "nobody asks: the stored record names its environment")]
    fn of(revocation: Revocation) -> Self {
        Self { scope: Scope::assertion(revocation.organization, revocation.environment), revocation }
    }

    /// The way to the data of the organization and environment that the tokens are of.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The tokens, sealed, with their place in the queue.
    #[must_use]
    pub const fn revocation(&self) -> &Revocation {
        &self.revocation
    }
}

impl Core {
    /// Returns the link session whose start URL has this token.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn link_by_start(
        &self,
        links: &dyn LinkSessions,
        start: &OpaqueToken,
    ) -> Result<Option<LinkGrant>, StoreError> {
        Ok(links.link_by_start(start.digest()).await?.map(LinkGrant::of))
    }

    /// Returns the link session with this state.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn link_by_state(
        &self,
        links: &dyn LinkSessions,
        state: &OpaqueToken,
    ) -> Result<Option<LinkGrant>, StoreError> {
        Ok(links.link_by_state(state.digest()).await?.map(LinkGrant::of))
    }

    /// Takes up to `limit` revocations that are due. Each is due again after `lease`, if it was not ended by then.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn take_revocations(
        &self,
        revocations: &dyn Revocations,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<RevocationGrant>, StoreError> {
        let now = self.clock.now();
        let taken = revocations.take_revocations(now, now + lease, limit).await?;
        Ok(taken.into_iter().map(RevocationGrant::of).collect())
    }
}
