//! The proofs of a caller's identity.
//!
//! | proof | comes from | opens |
//! |---|---|---|
//! | [`Principal`] | a verified key | the data of the key's organization and environment |
//! | [`OperatorPrincipal`] | an operator's token or session, or [`OperatorPrincipal::local_administrator`] | the management side |
//! | the same, by [`OperatorPrincipal::of_visitor`] | the session of the service that embeds Doorward | the management of one organization |
//!
//! `doorward-records` has two more: for the holder of a link session's token, and for the queue of revocations.

use std::fmt;
use std::sync::Arc;

use doorward_audit::{ActorId, Attribution};
#[cfg(feature = "operators")]
use doorward_store::Operator;
use doorward_store::{ActiveSecret, Scope};
#[cfg(feature = "operators")]
use doorward_types::OperatorId;
use doorward_types::{AccessKeyId, ActorName, Environment, Locator, Name, OrganizationId, Timestamp};

use crate::{KnownKey, ManageError, Visitor};

/// The public facts of a verified key, shared by all its verifications.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) live: ActiveSecret,
}

impl Identity {
    #[expect(clippy::disallowed_methods, reason = "the key was verified, and the stored record names its environment")]
    pub(crate) const fn scope(&self) -> Scope {
        Scope::assertion(self.live.key.organization, self.live.key.environment)
    }
}

/// The identity of a verified key. Only the verification of a key makes a principal.
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

    /// Returns the scope of this key's organization and environment.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.identity.scope()
    }

    /// Returns the environment of the stored record.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.identity.live.key.environment
    }

    /// Returns the organization's id.
    #[must_use]
    pub fn organization_id(&self) -> OrganizationId {
        self.identity.live.key.organization
    }

    /// Returns the organization's name.
    #[must_use]
    pub fn organization_name(&self) -> &Name {
        &self.identity.live.organization_name
    }

    /// Returns the key's id.
    #[must_use]
    pub fn key_id(&self) -> AccessKeyId {
        self.identity.live.key.id
    }

    /// Returns the key's name.
    #[must_use]
    pub fn key_name(&self) -> &Name {
        &self.identity.live.key.name
    }

    /// Returns the actor for the audit events of this key. The actor's name is the key's id, which no operator can have
    /// as a name. The key's own name could be an operator's.
    #[must_use]
    pub fn attribution(&self) -> Attribution {
        let id = self.key_id();
        let actor = id.to_string().parse().unwrap_or_else(|_| self.key_name().clone().into());
        Attribution::local(actor).with_actor_id(ActorId::from(id))
    }

    /// Returns the presented secret with its key.
    #[must_use]
    pub fn known_key(&self) -> KnownKey {
        KnownKey::from(&self.identity.live)
    }

    /// Returns the public part of the presented secret.
    #[must_use]
    pub fn locator(&self) -> Locator {
        self.identity.live.secret.locator
    }

    /// Returns the generation of the presented secret.
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

/// The right to manage every organization. An authenticated operator has it, and a program that opens the store itself.
/// A visitor has the right to manage one organization: for the visitor's principal, nothing else exists.
///
/// Every management call needs an operator principal, or a [`ChangeRequest`](crate::ChangeRequest) made from one.
///
/// ```compile_fail
/// let forged = doorward_auth::OperatorPrincipal { actor: "ada".parse().unwrap() };
/// ```
#[derive(Clone, Debug)]
pub struct OperatorPrincipal {
    actor: ActorName,
    actor_id: Option<ActorId>,
    reach: Reach,
    session_ends_at: Option<Timestamp>,
}

/// The organizations that a principal manages.
#[derive(Clone, Copy, Debug)]
enum Reach {
    /// Every organization, and the installation.
    Every,
    /// This organization alone.
    Only(OrganizationId),
}

impl OperatorPrincipal {
    #[cfg(feature = "operators")]
    pub(crate) fn of_operator(operator: &Operator) -> Self {
        let (actor, actor_id) = (operator.name.clone().into(), Some(operator.id.into()));
        Self { actor, actor_id, reach: Reach::Every, session_ends_at: None }
    }

    /// Sets the end of the session that proved the operator.
    #[cfg(feature = "operators")]
    pub(crate) fn in_session_until(self, ends_at: Timestamp) -> Self {
        Self { session_ends_at: Some(ends_at), ..self }
    }

    /// Returns the time at which the operator's session ends if nobody uses it before, or `None` without a session.
    #[must_use]
    pub const fn session_ends_at(&self) -> Option<Timestamp> {
        self.session_ends_at
    }

    /// Returns the operator of a program that opens the store itself, such as a command line or a service at its first
    /// start. It needs no token, because a program with the store can change every key. `actor` is the name in the
    /// audit log.
    ///
    /// Never call it for a request from elsewhere: `Operators::authenticate` and `Operators::session` prove the sender of
    /// a request. To find each call in your own workspace, list this method under `disallowed-methods` in `clippy.toml`.
    #[must_use]
    pub const fn local_administrator(actor: ActorName) -> Self {
        Self { actor, actor_id: None, reach: Reach::Every, session_ends_at: None }
    }

    /// Returns the principal of a visitor, who manages one organization. Another organization, the list of organizations,
    /// operators and the installation do not exist for it: every call answers [`ManageError::NoSuchOrganization`].
    ///
    /// The service that embeds Doorward says who the visitor is. Call it only after the lookup of the service's own session.
    /// To find each call in your workspace, list this method under `disallowed-methods` in `clippy.toml`.
    #[must_use]
    pub fn of_visitor(visitor: &Visitor) -> Self {
        Self {
            actor: visitor.actor().clone(),
            actor_id: Some(visitor.actor_id().clone()),
            reach: Reach::Only(visitor.organization()),
            session_ends_at: None,
        }
    }

    /// Checks that this organization exists for the principal.
    pub(crate) fn check(&self, organization: OrganizationId) -> Result<(), ManageError> {
        match self.reach {
            Reach::Every => Ok(()),
            // A host that names the installation as an organization opens nothing.
            Reach::Only(own) if own == organization && own != OrganizationId::INSTALLATION => Ok(()),
            Reach::Only(_) => Err(ManageError::NoSuchOrganization),
        }
    }

    /// Checks that the principal manages the installation: operators, lost changes, and which organizations there are.
    pub(crate) fn check_installation(&self) -> Result<(), ManageError> {
        self.check(OrganizationId::INSTALLATION)
    }

    /// Sets the actor's id in audit events, such as a user id of the service that embeds Doorward.
    #[must_use]
    pub fn with_actor_id(self, id: ActorId) -> Self {
        Self { actor_id: Some(id), ..self }
    }

    /// Returns the only organization that exists for a visitor's principal, or `None` for an operator, who manages every
    /// organization.
    #[must_use]
    pub const fn only_organization(&self) -> Option<OrganizationId> {
        match self.reach {
            Reach::Every => None,
            Reach::Only(own) => Some(own),
        }
    }

    /// Returns the operator's name in audit events.
    #[must_use]
    pub const fn actor(&self) -> &ActorName {
        &self.actor
    }

    /// Returns the operator's id in audit events, if there is one.
    #[must_use]
    pub const fn actor_id(&self) -> Option<&ActorId> {
        self.actor_id.as_ref()
    }

    /// Returns whether the principal is this operator of the store. A program that opens the store itself is none.
    #[cfg(feature = "operators")]
    #[must_use]
    pub fn is_operator(&self, id: OperatorId) -> bool {
        self.actor_id.as_ref() == Some(&ActorId::from(id))
    }

    /// Returns the actor for changes by this operator on this machine, without a request.
    #[must_use]
    pub fn attribution(&self) -> Attribution {
        Attribution::local(self.actor.clone()).with_actor_id(self.actor_id.clone())
    }

    /// Returns the scope of any organization that the principal manages, and of any environment. To find each call in
    /// your workspace, list this method under `disallowed-methods` in `clippy.toml`.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrganization`] if a visitor's principal asks for another organization.
    #[expect(clippy::disallowed_methods, reason = "operators may choose any scope within their reach")]
    pub fn scope(&self, organization: OrganizationId, environment: Environment) -> Result<Scope, ManageError> {
        self.check(organization)?;
        Ok(Scope::assertion(organization, environment))
    }
}
