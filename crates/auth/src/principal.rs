//! Where a proven credential becomes a [`Scope`]: the three callers of its one mint, and there are no others.

use std::fmt;
use std::sync::Arc;

use doorward_key::OpaqueToken;
use doorward_store::{LinkSession, LiveSecret, Scope, StoreError, TakenLink};
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

/// The right to manage every organization: an operator's, or that of whoever holds the store itself.
#[derive(Clone, Debug)]
pub struct Management {
    actor: Name,
}

impl Management {
    pub(crate) const fn of_operator(actor: Name) -> Self {
        Self { actor }
    }

    /// For a program that opens the store itself, such as the command line: whoever holds the file holds the keys to it.
    #[must_use]
    pub const fn of_store_holder(actor: Name) -> Self {
        Self { actor }
    }

    /// Who it is, as audit events name it.
    #[must_use]
    pub const fn actor(&self) -> &Name {
        &self.actor
    }

    /// The way to one environment of one organization, of the operator's choice.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "operators choose; that is what their right means")]
    pub const fn scope(&self, organization: OrganizationId, environment: Environment) -> Scope {
        Scope::assertion(organization, environment)
    }
}

/// What the bearer of a link session's state may do: finish linking that one user's account.
#[derive(Debug)]
pub struct LinkGrant {
    scope: Scope,
    session: LinkSession,
}

impl LinkGrant {
    /// The way to the data of the organization and environment that the session was opened in.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The session, which no one can take again.
    #[must_use]
    pub const fn session(&self) -> &LinkSession {
        &self.session
    }
}

impl Core {
    /// Takes the session whose state this is; none where there is none, it was taken, or it has expired.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    #[expect(clippy::disallowed_methods, reason = "the state is known, and the stored session names its environment")]
    pub async fn redeem_link_state(&self, state: &OpaqueToken) -> Result<Option<LinkGrant>, StoreError> {
        let taken = self.store.take_link(state.digest(), self.clock.now()).await?;
        Ok(taken.map(|TakenLink { organization, environment, session }| LinkGrant {
            scope: Scope::assertion(organization, environment),
            session,
        }))
    }
}
