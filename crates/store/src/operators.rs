use std::fmt;

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_types::{Locator, Name, OperatorId, Timestamp};

use crate::StoreError;

/// The store of operators.
#[async_trait]
pub trait OperatorStore: fmt::Debug + Send + Sync {
    /// Adds an operator and writes the event.
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError>;

    /// Removes an operator and writes the event. Fails with [`StoreError::NotFound`] if there is no such operator.
    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError>;

    /// Returns all operators, oldest first.
    async fn operators(&self) -> Result<Vec<Operator>, StoreError>;

    /// Returns the operator whose token has this locator.
    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError>;

    /// Returns the operator with this provider identity.
    async fn operator_by_identity(&self, identity: &ProviderIdentity) -> Result<Option<Operator>, StoreError>;

    /// Binds an operator to a provider identity permanently, and writes the event.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if there is no such operator, or the operator's provider access is not
    /// [`crate::ProviderAccess::Expected`]. [`crate::Conflict::Duplicate`] if another operator has the identity.
    async fn bind_operator(
        &self,
        id: OperatorId,
        identity: &ProviderIdentity,
        event: EventDraft,
    ) -> Result<(), StoreError>;
}

/// An operator, who may manage every organization. The name is the actor of audit events.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Operator {
    /// The permanent id.
    pub id: OperatorId,
    /// The name, which is unique.
    pub name: Name,
    /// The public part of the token.
    pub locator: Locator,
    /// The digest of the token. The token itself is not stored.
    pub digest: Digest,
    /// The time when the operator was added.
    pub created_at: Timestamp,
    /// The sign-in by an identity provider.
    pub provider: ProviderAccess,
}

impl Operator {
    /// Creates the record of an operator.
    #[must_use]
    pub const fn new(
        id: OperatorId,
        name: Name,
        locator: Locator,
        digest: Digest,
        created_at: Timestamp,
        provider: ProviderAccess,
    ) -> Self {
        Self { id, name, locator, digest, created_at, provider }
    }
}

/// The ways in which an identity provider can sign in an operator.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ProviderAccess {
    /// No provider can sign in the operator, whatever names it gives.
    #[default]
    Local,
    /// The provider can sign in the operator. The first identity with the operator's name is bound to the operator.
    Expected,
    /// The provider can sign in the operator by this identity only.
    Bound(ProviderIdentity),
}

/// A person's identity at an identity provider. A provider never reassigns a subject (OpenID Connect Core 1.0, section
/// 5.7), but may reassign names and addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ProviderIdentity {
    /// The provider's issuer URL.
    pub issuer: String,
    /// The provider's id of the person.
    pub subject: String,
}

impl ProviderIdentity {
    /// Creates an identity.
    #[must_use]
    pub const fn new(issuer: String, subject: String) -> Self {
        Self { issuer, subject }
    }
}
