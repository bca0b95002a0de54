use doorward_types::with_fields;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_client::{Endpoint, EndpointError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::form_urlencoded::parse;
use zeroize::Zeroizing;

/// A connector's settings in one environment: the OAuth application with which users link accounts, and the server whose tools
/// are called for them. Either part may be absent. The application's fields are then empty.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConnectorSettings {
    /// The URL to which the user's browser is sent (RFC 6749, section 3.1).
    #[serde(default)]
    pub authorization_endpoint: String,
    /// The URL that exchanges a code for tokens (RFC 6749, section 3.2).
    #[serde(default)]
    pub token_endpoint: String,
    /// The URL that revokes tokens (RFC 7009), if the third party has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// The application's id at the third party.
    #[serde(default)]
    pub client_id: String,
    /// The application's secret. `None` for a public client.
    #[serde(default)]
    pub client_secret: Option<Zeroizing<String>>,
    /// The method to present the secret.
    #[serde(default)]
    pub token_endpoint_auth_method: TokenEndpointAuth,
    /// The requested scopes, separated by spaces.
    #[serde(default)]
    pub scope: Option<String>,
    /// The third party's issuer. Each of its answers must contain it (RFC 9207); if this is `None`, no answer may contain an
    /// issuer.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Further parameters for the authorization endpoint, such as `access_type=offline`.
    #[serde(default)]
    pub authorization_parameters: BTreeMap<String, String>,
    /// The server whose tools are called with users' credentials.
    #[serde(default)]
    pub upstream: Option<UpstreamSettings>,
}

impl ConnectorSettings {
    /// Returns the URLs that receive codes, tokens and credentials, without their queries, for an audit log.
    pub(crate) fn urls(&self) -> Vec<String> {
        let optional = [&self.revocation_endpoint, &self.issuer].into_iter().flatten();
        let upstream = self.upstream.iter().map(|upstream| &upstream.url);
        let all = [&self.authorization_endpoint, &self.token_endpoint].into_iter().chain(optional).chain(upstream);
        let without_query = |url: &String| url.split(['?', '#']).next().unwrap_or_default().to_owned();
        all.filter(|url| !url.is_empty()).map(without_query).collect()
    }
}

with_fields! {
    ConnectorSettings:
    with_authorization_endpoint authorization_endpoint: String,
    with_token_endpoint token_endpoint: String,
    with_revocation_endpoint revocation_endpoint: Option<String>,
    with_client_id client_id: String,
    with_client_secret client_secret: Option<Zeroizing<String>>,
    with_token_endpoint_auth_method token_endpoint_auth_method: TokenEndpointAuth,
    with_scope scope: Option<String>,
    with_issuer issuer: Option<String>,
    with_authorization_parameters authorization_parameters: BTreeMap<String, String>,
    with_upstream upstream: Option<UpstreamSettings>,
}

/// A server with tools.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UpstreamSettings {
    /// The protocol.
    pub protocol: UpstreamProtocol,
    /// The URL.
    pub url: String,
}

impl UpstreamSettings {
    /// Creates the settings of a server with tools.
    #[must_use]
    pub const fn new(protocol: UpstreamProtocol, url: String) -> Self {
        Self { protocol, url }
    }
}

/// The protocol of tool calls.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamProtocol {
    /// `POST {url}/{tool}`, with the arguments as a JSON object.
    Http,
    /// The Model Context Protocol over Streamable HTTP.
    Mcp,
}

/// The method to present a client's secret, by the names of RFC 7591.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenEndpointAuth {
    /// In the `Authorization` header.
    #[default]
    ClientSecretBasic,
    /// In the body.
    ClientSecretPost,
}

/// Parameters that the authorization request already contains, or that could replace those (RFC 9101).
const RESERVED_PARAMETERS: [&str; 10] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "request",
    "request_uri",
];

impl ConnectorSettings {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`ConnectorError`] with the invalid setting.
    pub fn check(&self) -> Result<(), ConnectorError> {
        if let Some(upstream) = &self.upstream {
            upstream.url.parse::<Endpoint>().map_err(ConnectorError::Upstream)?;
            if !self.links_accounts() {
                return Ok(());
            }
        }
        self.authorization_endpoint.parse::<Endpoint>().map_err(ConnectorError::AuthorizationEndpoint)?;
        self.token_endpoint.parse::<Endpoint>().map_err(ConnectorError::TokenEndpoint)?;
        if let Some(endpoint) = &self.revocation_endpoint {
            endpoint.parse::<Endpoint>().map_err(ConnectorError::RevocationEndpoint)?;
        }
        if let Some(issuer) = &self.issuer {
            issuer.parse::<Endpoint>().map_err(ConnectorError::Issuer)?;
        }
        if self.client_id.is_empty() {
            return Err(ConnectorError::ClientId);
        }
        let is_ours = |name: &str| RESERVED_PARAMETERS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
        if let Some(name) = self.authorization_parameters.keys().find(|name| is_ours(name)) {
            return Err(ConnectorError::Parameter(name.clone()));
        }
        // No parameter may be sent twice (RFC 6749, section 3.1).
        let query = self.authorization_endpoint.split_once('?').map_or("", |(_, query)| query);
        match parse(query.as_bytes()).find(|(name, _)| is_ours(name)) {
            Some((name, _)) => Err(ConnectorError::EndpointParameter(name.into_owned())),
            None => Ok(()),
        }
    }

    /// Returns a fingerprint of the application: only this application may send the tokens that it got. The fingerprint stays the
    /// same if the secret or the requested scopes change.
    pub(crate) fn application(&self) -> String {
        let name = format!("doorward:application:1\n{}\n{}", self.token_endpoint, self.client_id);
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(name.as_bytes()))
    }

    /// Returns whether there is an OAuth application.
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

/// The reason why settings are invalid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// The authorization endpoint is invalid.
    #[error("`authorization_endpoint`: {0}")]
    AuthorizationEndpoint(EndpointError),
    /// The client id is missing.
    #[error("`client_id` is empty")]
    ClientId,
    /// The authorization endpoint contains a parameter that Doorward sets.
    #[error("`authorization_endpoint` must not have the parameter `{0}`: Doorward sets it")]
    EndpointParameter(String),
    /// The issuer is invalid.
    #[error("`issuer`: {0}")]
    Issuer(EndpointError),
    /// A parameter that Doorward sets.
    #[error("`authorization_parameters` must not contain `{0}`: Doorward sets it")]
    Parameter(String),
    /// The revocation endpoint is invalid.
    #[error("`revocation_endpoint`: {0}")]
    RevocationEndpoint(EndpointError),
    /// The token endpoint is invalid.
    #[error("`token_endpoint`: {0}")]
    TokenEndpoint(EndpointError),
    /// The upstream's URL is invalid.
    #[error("`upstream.url`: {0}")]
    Upstream(EndpointError),
}
