//! The sealed values of a store and the id of their sealing key, as an engine stores them.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_types::{Environment, OrganizationId};

use doorward_store::{SealingKeyId, StoreError};

use crate::Sealed;

/// The sealed values of all scopes, and the id of the sealing key.
#[async_trait]
pub trait Sealing: Send + Sync {
    /// Sets the store's sealing key id ([`doorward_store::StoreIdentity::sealing_key`]) if it is still `expected`, and
    /// writes the event, in one transaction. Returns false if the id is not `expected`. Every other write of a sealed
    /// value calls [`check_seal`] in its own transaction. So it either comes before this write or is refused.
    async fn name_sealing_key(
        &self,
        expected: Option<SealingKeyId>,
        key: SealingKeyId,
        event: Option<EventDraft>,
    ) -> Result<bool, StoreError>;

    /// Returns the number of sealed values of this kind.
    async fn count_sealed(&self, kind: SealedKind) -> Result<u64, StoreError>;

    /// Returns a page of the sealed values of this kind in the engine's order, after the last value of the previous
    /// page.
    async fn sealed_values(
        &self,
        kind: SealedKind,
        after: Option<&SealedValue>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError>;

    /// Replaces the values that have not changed since they were read. Returns the number of replaced values. Other
    /// columns of their rows stay unchanged.
    async fn replace_sealed(&self, values: Vec<(SealedValue, Sealed)>) -> Result<u64, StoreError>;
}

/// The kind of a sealed value: its column and table.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SealedKind {
    /// The settings of a connector.
    Connector,
    /// A user's credential.
    Credential,
    /// The plan of a link session.
    LinkPlan,
    /// The tokens of a pending link session.
    LinkTokens,
    /// The tokens of a revocation.
    Revocation,
}

impl SealedKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Connector, Self::Credential, Self::LinkPlan, Self::LinkTokens, Self::Revocation];

    /// Returns the word for values of this kind, in the plural.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connector => "connectors",
            Self::Credential => "credentials",
            Self::LinkPlan => "link sessions",
            Self::LinkTokens => "pending tokens",
            Self::Revocation => "revocations",
        }
    }
}

/// A sealed value with its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedValue {
    /// The kind.
    pub kind: SealedKind,
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// The rest of the row's primary key.
    pub key: Vec<String>,
    /// The record that the value is sealed for.
    pub record: String,
    /// The value.
    pub sealed: Sealed,
}

impl SealedValue {
    /// Returns the row's primary key as text.
    pub fn place(&self) -> impl Iterator<Item = String> {
        [self.organization.to_string(), self.environment.to_string()].into_iter().chain(self.key.iter().cloned())
    }
}

/// Refuses a value if its sealing key is not the store's. An engine calls this in the transaction that writes the
/// value. So after the store names a new key, no value with an old key is added, and a rotation finds them all.
///
/// # Errors
///
/// [`StoreError::OtherSealingKey`] if the value's sealing key is not the store's.
pub fn check_seal(named: Option<SealingKeyId>, written: &Sealed) -> Result<(), StoreError> {
    if named.is_none() || written.key_id() == named { Ok(()) } else { Err(StoreError::OtherSealingKey) }
}
