//! The settings of an identity provider.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// The settings of an identity provider.
#[derive(Clone)]
pub struct ProviderSettings {
    /// The name that people know: the button says "Sign in with …".
    pub name: String,
    /// Its issuer identifier, such as `https://id.example.com`; what else there is, its discovery document tells.
    pub issuer: String,
    /// This page, as the provider knows it.
    pub client_id: String,
    /// The proof that it is this page.
    pub client_secret: Option<Zeroizing<String>>,
    /// The place that the provider sends browsers back to: the page's address with `/sign-in-with-provider/callback` behind it.
    pub redirect_uri: String,
    /// The claim that says, the first time, which operator it is: `email`, which must be verified, or another one, such as
    /// `sub`.
    pub claim: String,
    /// Claims that everybody must have who signs in, each with its value, such as `hd` with a company's domain. A claim that is
    /// a list must have the value in it.
    pub required_claims: BTreeMap<String, String>,
}

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
