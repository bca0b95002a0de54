//! The parts that every page and action uses.

use doorward_auth::{Issuer, OperatorDesk, Verifier};
use doorward_origin::CustomSchemes;
use doorward_types::OrganizationId;

#[cfg(feature = "oidc")]
use crate::fault::Fault;
#[cfg(feature = "oidc")]
use crate::identity::IdentityProvider;

/// The parts that the page is made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) verifier: Verifier,
    pub(crate) issuer: Issuer,
    pub(crate) desk: OperatorDesk,
    pub(crate) custom_schemes: CustomSchemes,
    pub(crate) base: String,
    pub(crate) strict_transport: bool,
    #[cfg(feature = "oidc")]
    pub(crate) identity_provider: Option<IdentityProvider>,
}

impl Parts {
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
