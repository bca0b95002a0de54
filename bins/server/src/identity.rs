//! The company's identity provider: the table `[identity_provider]` of the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use doorward::dashboard::{IdentityProvider, ProviderSettings};
use doorward::records::SealingKeys;
use doorward::secret_files;
use serde::Deserialize;
use zeroize::Zeroizing;

/// The settings of the identity provider.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// Its name for people.
    pub name: String,
    /// Its issuer identifier.
    pub issuer: String,
    /// This server's identifier at the provider.
    pub client_id: String,
    /// The file with the client secret. A public client has none.
    pub client_secret_file: Option<PathBuf>,
    /// The claim that names the operator at the first sign-in.
    #[serde(default = "email")]
    pub claim: String,
    /// The claims, with their values, that every person must have to sign in.
    #[serde(default)]
    pub required_claims: BTreeMap<String, String>,
}

fn email() -> String {
    "email".to_owned()
}

/// Reads the secret from its file.
///
/// # Errors
///
/// Fails if the file cannot be read, or if others can read it too.
pub(crate) fn secret(file: Option<&Path>) -> anyhow::Result<Option<Zeroizing<String>>> {
    let text = file.map(secret_files::read).transpose()?;
    Ok(text.map(|text| Zeroizing::new(text.trim().to_owned())))
}

/// Returns the provider, which sends browsers back to this server.
///
/// # Errors
///
/// Fails if the file of the secret cannot be read, or if others can read it too.
pub fn open(
    config: IdentityConfig,
    public_url: &str,
    sealing_key: Arc<SealingKeys>,
) -> anyhow::Result<IdentityProvider> {
    let IdentityConfig { name, issuer, client_id, client_secret_file, claim, required_claims } = config;
    if !matches!(&*claim, "email" | "sub") {
        tracing::warn!(
            claim,
            "people may be able to change this claim at the identity provider, and thereby sign in as another operator the \
             first time: use `email` or `sub`"
        );
    }
    let client_secret = secret(client_secret_file.as_deref())?;
    let redirect_uri = format!("{public_url}/dashboard/sign-in-with-provider/callback");
    let settings = ProviderSettings::new(name, issuer, client_id, redirect_uri)
        .with_client_secret(client_secret)
        .with_claim(claim)
        .with_required_claims(required_claims);
    IdentityProvider::new(settings, sealing_key).context("the identity provider cannot be asked")
}
