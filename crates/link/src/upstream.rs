//! Whose tools are called for a user, and with what.

use doorward_client::Endpoint;
use doorward_records::{Credential, CredentialKey, SealError, Table};
use doorward_store::Scope;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{ConnectorFault, LinkError, Linker, UpstreamProtocol};

/// A server with tools, and what opens it for one user.
#[derive(Debug)]
pub struct Upstream {
    /// How it is spoken to.
    pub protocol: UpstreamProtocol,
    /// Where it is.
    pub endpoint: Endpoint,
    /// What it is sent as `Authorization: Bearer`.
    pub token: UpstreamToken,
}

/// A user's token: nothing formats it.
pub struct UpstreamToken(Zeroizing<String>);

impl UpstreamToken {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for UpstreamToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpstreamToken")
    }
}

/// What linking an account leaves (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Tokens {
    access_token: Zeroizing<String>,
}

impl Linker {
    /// The upstream of a connector, with a registered user's credential opened: the whole secret, or the access token in it where
    /// linking an account put it there. Both are of the scope's environment, so that a test key reaches the sandbox only.
    ///
    /// # Errors
    ///
    /// [`LinkError::NoSuchConnector`] where it has no upstream here; [`LinkError::NoCredential`] where the user has none for it, or
    /// there is no such user.
    pub async fn upstream(&self, scope: &Scope, key: &CredentialKey) -> Result<Upstream, LinkError> {
        let settings = self.settings(scope, &key.connector).await?;
        let upstream = settings.and_then(|settings| settings.upstream).ok_or(LinkError::NoSuchConnector)?;
        let endpoint = upstream.url.parse().map_err(ConnectorFault::Upstream)?;
        let credentials: &dyn Table<Credential> = &*self.store;
        let credential = credentials.get(scope, key).await?.ok_or(LinkError::NoCredential)?;
        let secret = self.sealing_key.open(scope, &key.to_string(), &credential.sealed)?;
        let token = match serde_json::from_slice(&secret) {
            Ok(Tokens { access_token }) => access_token,
            Err(_) => {
                Zeroizing::new(std::str::from_utf8(&secret).map_err(|_| LinkError::Sealed(SealError))?.to_owned())
            }
        };
        Ok(Upstream { protocol: upstream.protocol, endpoint, token: UpstreamToken(token) })
    }
}
