//! The server whose tools are called for a user, with the user's token.

use doorward_client::Endpoint;
use doorward_records::{Credential, CredentialKey, SealError, Table};
use doorward_store::Scope;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{ConnectorError, LinkError, Linker, UpstreamProtocol};

/// A server with tools, and one user's token for it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Upstream {
    /// The protocol.
    pub protocol: UpstreamProtocol,
    /// The URL.
    pub endpoint: Endpoint,
    /// The token, sent as `Authorization: Bearer`.
    pub token: UpstreamToken,
}

/// A user's token. The type has no `Debug` or `Display`.
pub struct UpstreamToken(Zeroizing<String>);

impl UpstreamToken {
    /// Returns the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

doorward_types::debug_as!(UpstreamToken, "UpstreamToken");

/// The stored result of a link (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Tokens {
    access_token: Zeroizing<String>,
}

impl Linker {
    /// Returns a connector's upstream with a registered user's opened credential: the access token from a link, or the whole
    /// secret. Both belong to the scope's environment, so that a test key reaches only the sandbox.
    ///
    /// # Errors
    ///
    /// [`LinkError::NoSuchConnector`] if the connector has no upstream here; [`LinkError::NoCredential`] if the user does not
    /// exist or has no credential for it.
    pub async fn upstream(&self, scope: &Scope, key: &CredentialKey) -> Result<Upstream, LinkError> {
        let settings = self.settings(scope, &key.connector).await?;
        let upstream = settings.and_then(|settings| settings.upstream).ok_or(LinkError::NoSuchConnector)?;
        let endpoint = upstream.url.parse().map_err(ConnectorError::Upstream)?;
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
