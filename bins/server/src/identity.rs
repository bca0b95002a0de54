//! The company's identity provider, as the table `[identity_provider]` of the configuration has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use doorward::dashboard::{IdentityProvider, ProviderSettings};
use doorward::records::SealingKeys;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::secret_file;

/// How operators sign in through it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// What people call it.
    pub name: String,
    /// Its issuer identifier.
    pub issuer: String,
    /// This server, as the provider knows it.
    pub client_id: String,
    /// The file with what proves that it is this server; none for a public client.
    pub client_secret_file: Option<PathBuf>,
    /// The claim that says, the first time, which operator it is.
    #[serde(default = "email")]
    pub claim: String,
    /// Claims that everybody must have who signs in, with their values.
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
    let text = file.map(secret_file::read).transpose()?;
    Ok(text.map(|text| Zeroizing::new(text.trim().to_owned())))
}

/// The provider, which sends browsers back to this server.
///
/// # Errors
///
/// Where the file of the secret cannot be read, or others can read it too.
pub fn open(
    config: IdentityConfig,
    public_url: &str,
    sealing_key: Arc<SealingKeys>,
) -> anyhow::Result<IdentityProvider> {
    let IdentityConfig { name, issuer, client_id, client_secret_file, claim, required_claims } = config;
    if !matches!(&*claim, "email" | "sub") {
        tracing::warn!(
            claim,
            "people may be able to change this claim at the identity provider, and so choose which operator they are the \
             first time: use `email` or `sub`"
        );
    }
    let client_secret = secret(client_secret_file.as_deref())?;
    let redirect_uri = format!("{public_url}/dashboard/sign-in-with-provider/callback");
    let settings = ProviderSettings { name, issuer, client_id, client_secret, redirect_uri, claim, required_claims };
    IdentityProvider::new(settings, sealing_key).context("the identity provider cannot be asked")
}
