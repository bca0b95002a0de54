use std::collections::BTreeMap;
use std::fmt;

use doorward_client::{Endpoint, EndpointError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How one environment reaches a third party: the OAuth application by which users link accounts, and the server whose tools
/// are called for them. Either may be absent; what belongs to the application is empty then.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorSettings {
    /// Where the user's browser is sent (RFC 6749, section 3.1).
    #[serde(default)]
    pub authorization_endpoint: String,
    /// Where a code is exchanged for tokens (RFC 6749, section 3.2).
    #[serde(default)]
    pub token_endpoint: String,
    /// The application, as the third party knows it.
    #[serde(default)]
    pub client_id: String,
    /// What proves that it is us; none for a public client.
    #[serde(default)]
    pub client_secret: Option<Zeroizing<String>>,
    /// How that is presented.
    #[serde(default)]
    pub token_endpoint_auth_method: TokenEndpointAuth,
    /// What is asked for, with spaces between.
    #[serde(default)]
    pub scope: Option<String>,
    /// Who must have answered, where the third party says who it is (RFC 9207).
    #[serde(default)]
    pub issuer: Option<String>,
    /// What else the authorization endpoint wants to hear, such as `access_type=offline`.
    #[serde(default)]
    pub authorization_parameters: BTreeMap<String, String>,
    /// Whose tools are called for users, with their credentials.
    #[serde(default)]
    pub upstream: Option<UpstreamSettings>,
}

/// A server with tools.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// How it is spoken to.
    pub protocol: UpstreamProtocol,
    /// Where it is.
    pub url: String,
}

/// How an upstream's tools are called.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamProtocol {
    /// `POST {url}/{tool}`, with the arguments as a JSON object.
    Http,
    /// The Model Context Protocol over Streamable HTTP.
    Mcp,
}

/// How a client's secret is presented, by the names of RFC 7591.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenEndpointAuth {
    /// In the `Authorization` header.
    #[default]
    ClientSecretBasic,
    /// In the body.
    ClientSecretPost,
}

/// What the authorization request says already.
const OURS: [&str; 8] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
];

impl ConnectorSettings {
    /// Looks whether they can be used.
    ///
    /// # Errors
    ///
    /// [`ConnectorFault`]: what cannot.
    pub fn check(&self) -> Result<(), ConnectorFault> {
        if let Some(upstream) = &self.upstream {
            upstream.url.parse::<Endpoint>().map_err(ConnectorFault::Upstream)?;
            if !self.links_accounts() {
                return Ok(());
            }
        }
        self.authorization_endpoint.parse::<Endpoint>().map_err(ConnectorFault::AuthorizationEndpoint)?;
        self.token_endpoint.parse::<Endpoint>().map_err(ConnectorFault::TokenEndpoint)?;
        if self.client_id.is_empty() {
            return Err(ConnectorFault::ClientId);
        }
        match self.authorization_parameters.keys().find(|name| OURS.contains(&name.as_str())) {
            Some(name) => Err(ConnectorFault::Parameter(name.clone())),
            None => Ok(()),
        }
    }

    /// Whether there is an OAuth application.
    #[must_use]
    pub const fn links_accounts(&self) -> bool {
        !(self.authorization_endpoint.is_empty() && self.token_endpoint.is_empty() && self.client_id.is_empty())
    }
}

impl fmt::Debug for ConnectorSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorSettings").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// Why settings cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConnectorFault {
    /// Where browsers are sent.
    #[error("`authorization_endpoint`: {0}")]
    AuthorizationEndpoint(EndpointError),
    /// No client.
    #[error("`client_id` is empty")]
    ClientId,
    /// A parameter that is ours to say.
    #[error("`authorization_parameters` may not have `{0}`, which is said already")]
    Parameter(String),
    /// Where codes are exchanged.
    #[error("`token_endpoint`: {0}")]
    TokenEndpoint(EndpointError),
    /// Where the tools are.
    #[error("`upstream.url`: {0}")]
    Upstream(EndpointError),
}
