//! The parts that every page and action uses.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use doorward_auth::{Issuer, OperatorDesk, OperatorPrincipal, Verifier};
use doorward_http::Problem;
use doorward_origin::CustomSchemes;
use doorward_types::{Name, OrganizationId};

#[cfg(feature = "oidc")]
use crate::fault::Fault;
#[cfg(feature = "oidc")]
use crate::identity::IdentityProvider;

/// The place of a read that scans a log. It is free again when this is dropped.
pub type ScanPlace = Box<dyn Any + Send>;

/// Gives an operator a place, or says why there is none.
type GivePlace = dyn Fn(&Name) -> Result<ScanPlace, Problem> + Send + Sync;

/// The host's limit of reads that scan an audit log.
#[derive(Clone)]
pub(crate) struct ScanLimit(pub(crate) Arc<GivePlace>);

impl fmt::Debug for ScanLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScanLimit")
    }
}

/// The parts that the page is made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) verifier: Verifier,
    pub(crate) issuer: Issuer,
    pub(crate) desk: OperatorDesk,
    pub(crate) custom_schemes: CustomSchemes,
    pub(crate) base: String,
    pub(crate) strict_transport: bool,
    pub(crate) scan_limit: ScanLimit,
    #[cfg(feature = "oidc")]
    pub(crate) identity_provider: Option<IdentityProvider>,
}

impl Parts {
    /// Gives an operator a place for a read that scans a log.
    pub(crate) fn scan(&self, who: &OperatorPrincipal) -> Result<ScanPlace, Problem> {
        (self.scan_limit.0)(who.actor())
    }

    /// Returns the path of an organization's page.
    pub(crate) fn path(&self, organization: OrganizationId) -> String {
        format!("{}/{organization}", self.base)
    }

    /// Returns the name that people know the identity provider by, if there is one.
    pub(crate) fn provider_name(&self) -> Option<&str> {
        #[cfg(feature = "oidc")]
        return self.identity_provider.as_ref().map(|provider| provider.name());
        #[cfg(not(feature = "oidc"))]
        None
    }

    #[cfg(feature = "oidc")]
    pub(crate) fn identity_provider(&self) -> Result<&IdentityProvider, Fault> {
        self.identity_provider.as_ref().ok_or(Fault::NotFound)
    }
}
