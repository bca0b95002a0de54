//! The parts that every page and action uses.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_audit::NoteKey;
use doorward_auth::{Issuer, OperatorPrincipal, Operators, Verifier};
use doorward_http::{Problem, Visitors};
use doorward_origin::CustomSchemes;
use doorward_store::{ManagementEngine, Outbox, Scope, StoreError};
use doorward_types::{ActorName, Environment, Locator, OrganizationId, Timestamp};
use http::{Response, request};

#[cfg(feature = "oidc")]
use crate::identity::IdentityProvider;
#[cfg(any(feature = "oidc", feature = "passkeys"))]
use crate::page_error::PageError;
#[cfg(feature = "passkeys")]
use crate::passkeys::RelyingParty;

/// A slot for a read that scans a log. It is free again on drop.
pub type ScanPlace = Box<dyn Any + Send>;

/// Gives an operator a slot, or returns the reason why it cannot.
type GivePlace = dyn Fn(&ActorName) -> Result<ScanPlace, Problem> + Send + Sync;

/// The host's limit for reads that scan an audit log.
#[derive(Clone)]
pub(crate) struct ScanLimit(pub(crate) Arc<GivePlace>);

doorward_types::debug_as!(ScanLimit, "ScanLimit");

/// The host's own answer to a request without a visitor.
#[derive(Clone)]
pub(crate) struct SignedOut(pub(crate) Arc<WriteSignedOut>);

type WriteSignedOut = dyn Fn(&request::Parts) -> Response<Bytes> + Send + Sync;

doorward_types::debug_as!(SignedOut, "SignedOut");

/// The host's way to the connectors of an environment.
#[derive(Clone)]
pub(crate) struct Connectors(pub(crate) Arc<ReadConnectors>);

type ReadConnectors =
    dyn Fn(Scope) -> Pin<Box<dyn Future<Output = Result<Vec<ConnectorRow>, StoreError>> + Send>> + Send + Sync;

doorward_types::debug_as!(Connectors, "Connectors");

/// The host's present key for signed checkpoints.
#[derive(Clone)]
pub(crate) struct CheckpointKey(pub(crate) Arc<dyn Fn() -> Option<Arc<NoteKey>> + Send + Sync>);

doorward_types::debug_as!(CheckpointKey, "CheckpointKey");

/// A connector, for the page: everything that is no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConnectorRow {
    /// The name, unique within the environment.
    pub name: String,
    /// The third party, by its URL.
    pub third_party: String,
    /// The redirect URI to register at the third party, if the connector links accounts.
    pub redirect_uri: Option<String>,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

impl ConnectorRow {
    /// Creates a row.
    #[must_use]
    pub const fn new(name: String, third_party: String, redirect_uri: Option<String>, updated_at: Timestamp) -> Self {
        Self { name, third_party, redirect_uri, updated_at }
    }
}

/// The parts of the page.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) verifier: Verifier,
    pub(crate) issuer: Issuer,
    pub(crate) operators: Operators,
    pub(crate) store: Arc<dyn ManagementEngine>,
    pub(crate) custom_schemes: CustomSchemes,
    /// The time between the closing of an organization and the erasure of its data.
    pub(crate) erase_after: Duration,
    pub(crate) base: String,
    /// The origin at which browsers reach the page, if the host knows it.
    pub(crate) origin: Option<String>,
    pub(crate) strict_transport: bool,
    pub(crate) scan_limit: ScanLimit,
    /// The visitors, if the page is for them: then it has no operators and no sign-in.
    pub(crate) visitors: Option<Visitors>,
    pub(crate) signed_out: Option<SignedOut>,
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
    pub(crate) connectors: Option<Connectors>,
    pub(crate) checkpoint_key: Option<CheckpointKey>,
    #[cfg(feature = "oidc")]
    pub(crate) identity_provider: Option<IdentityProvider>,
    #[cfg(feature = "passkeys")]
    pub(crate) relying_party: Option<RelyingParty>,
}

impl Parts {
    /// Gives an operator a slot for a read that scans a log.
    pub(crate) fn scan(&self, who: &OperatorPrincipal) -> Result<ScanPlace, Problem> {
        (self.scan_limit.0)(who.actor())
    }

    /// Returns the path of an organization's page.
    pub(crate) fn path(&self, organization: OrganizationId) -> String {
        format!("{}/{organization}", self.base)
    }

    /// Returns a key's public beginning, which scanners and logs show: `dw_test_4fG7hJ2kLm_…`.
    pub(crate) fn public_name(&self, environment: Environment, locator: Locator) -> String {
        format!("{}_{}_{locator}_…", self.verifier.prefix(), environment.key_label())
    }

    /// Returns the identity provider's name for people, if there is a provider.
    pub(crate) fn provider_name(&self) -> Option<&str> {
        #[cfg(feature = "oidc")]
        return self.identity_provider.as_ref().map(|provider| provider.name());
        #[cfg(not(feature = "oidc"))]
        None
    }

    /// Returns the origin at which operators sign in by passkeys, if they can.
    pub(crate) fn passkey_origin(&self) -> Option<&str> {
        #[cfg(feature = "passkeys")]
        return self.relying_party().ok().map(RelyingParty::origin);
        #[cfg(not(feature = "passkeys"))]
        None
    }

    #[cfg(feature = "passkeys")]
    pub(crate) fn relying_party(&self) -> Result<&RelyingParty, PageError> {
        self.relying_party.as_ref().filter(|_| self.operators.keeps_passkeys()).ok_or(PageError::NotFound)
    }

    #[cfg(feature = "oidc")]
    pub(crate) fn identity_provider(&self) -> Result<&IdentityProvider, PageError> {
        self.identity_provider.as_ref().ok_or(PageError::NotFound)
    }
}
