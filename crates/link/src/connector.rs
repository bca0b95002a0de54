use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_client::{Endpoint, EndpointError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::form_urlencoded::parse;
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
    /// The place where tokens are revoked (RFC 7009), if the third party has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
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
    /// The third party's name for itself. Each of its answers must bear it (RFC 9207); without an issuer here, none may.
    #[serde(default)]
    pub issuer: Option<String>,
    /// What else the authorization endpoint wants to hear, such as `access_type=offline`.
    #[serde(default)]
    pub authorization_parameters: BTreeMap<String, String>,
    /// Whose tools are called for users, with their credentials.
    #[serde(default)]
    pub upstream: Option<UpstreamSettings>,
}

impl ConnectorSettings {
    /// Returns the URLs that codes, tokens and credentials go to, for an audit log: without what is behind `?`.
    pub(crate) fn urls(&self) -> Vec<String> {
        let optional = [&self.revocation_endpoint, &self.issuer].into_iter().flatten();
        let upstream = self.upstream.iter().map(|upstream| &upstream.url);
        let all = [&self.authorization_endpoint, &self.token_endpoint].into_iter().chain(optional).chain(upstream);
        let without_query = |url: &String| url.split(['?', '#']).next().unwrap_or_default().to_owned();
        all.filter(|url| !url.is_empty()).map(without_query).collect()
    }
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

/// Parameters that the authorization request has already, or could be replaced by (RFC 9101).
const OURS: [&str; 10] = [
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
        if let Some(endpoint) = &self.revocation_endpoint {
            endpoint.parse::<Endpoint>().map_err(ConnectorFault::RevocationEndpoint)?;
        }
        if let Some(issuer) = &self.issuer {
            issuer.parse::<Endpoint>().map_err(ConnectorFault::Issuer)?;
        }
        if self.client_id.is_empty() {
            return Err(ConnectorFault::ClientId);
        }
        let is_ours = |name: &str| OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
        if let Some(name) = self.authorization_parameters.keys().find(|name| is_ours(name)) {
            return Err(ConnectorFault::Parameter(name.clone()));
        }
        // No parameter may be sent twice (RFC 6749, section 3.1).
        let query = self.authorization_endpoint.split_once('?').map_or("", |(_, query)| query);
        match parse(query.as_bytes()).find(|(name, _)| is_ours(name)) {
            Some((name, _)) => Err(ConnectorFault::EndpointParameter(name.into_owned())),
            None => Ok(()),
        }
    }

    /// Returns the name of the application: tokens that it got are sent to no other one. A change of its secret, or of what
    /// it asks for, leaves it the same.
    pub(crate) fn application(&self) -> String {
        let name = format!("doorward:application:1\n{}\n{}", self.token_endpoint, self.client_id);
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(name.as_bytes()))
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
    /// The authorization endpoint has a parameter that is ours to say.
    #[error("`authorization_endpoint` may not have the parameter `{0}`, which is said already")]
    EndpointParameter(String),
    /// The third party's name.
    #[error("`issuer`: {0}")]
    Issuer(EndpointError),
    /// A parameter that is ours to say.
    #[error("`authorization_parameters` may not have `{0}`, which is said already")]
    Parameter(String),
    /// The place where tokens are revoked.
    #[error("`revocation_endpoint`: {0}")]
    RevocationEndpoint(EndpointError),
    /// Where codes are exchanged.
    #[error("`token_endpoint`: {0}")]
    TokenEndpoint(EndpointError),
    /// Where the tools are.
    #[error("`upstream.url`: {0}")]
    Upstream(EndpointError),
}
