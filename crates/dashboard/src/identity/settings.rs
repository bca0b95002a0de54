//! The settings of an identity provider.

use std::collections::BTreeMap;
use std::fmt;

use doorward_types::with_fields;
use zeroize::Zeroizing;

/// The settings of an identity provider.
#[derive(Clone)]
#[non_exhaustive]
pub struct ProviderSettings {
    /// The provider's name for people: the button says "Sign in with …".
    pub name: String,
    /// The issuer identifier, such as `https://id.example.com`. The discovery document has the rest.
    pub issuer: String,
    /// The page's client id at the provider.
    pub client_id: String,
    /// The page's client secret.
    pub client_secret: Option<Zeroizing<String>>,
    /// The URI to which the provider sends browsers back: the page's URL with `/sign-in-with-provider/callback` appended.
    pub redirect_uri: String,
    /// The claim with the operator's name for the first sign-in: `email`, which must be verified, or another claim, such as
    /// `sub`.
    pub claim: String,
    /// Claims that are required for each sign-in, with their values, such as `hd` with a company's domain. A claim that is a list
    /// must contain the value.
    pub required_claims: BTreeMap<String, String>,
}

impl ProviderSettings {
    /// Creates the settings of a public client, which takes the operator's name from the claim `email` and requires no further
    /// claims.
    #[must_use]
    pub fn new(name: String, issuer: String, client_id: String, redirect_uri: String) -> Self {
        let (client_secret, claim, required_claims) = (None, "email".to_owned(), BTreeMap::new());
        Self { name, issuer, client_id, client_secret, redirect_uri, claim, required_claims }
    }
}

with_fields! {
    ProviderSettings:
    with_client_secret client_secret: Option<Zeroizing<String>>,
    with_claim claim: String,
    with_required_claims required_claims: BTreeMap<String, String>,
}

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
