//! The authorization code grant (RFC 6749, section 4.1) with PKCE (RFC 7636), which proves that the same client begins and ends
//! it.

use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use doorward_client::{Client, Endpoint, EndpointError, SendError};
use doorward_key::{Random, RandomError};
use doorward_types::Foreign;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::tokens::TokenError;
use crate::{ConnectorError, ConnectorSettings, TokenEndpointAuth, Tokens};

/// The timeout for a third party's answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason why there are no tokens. Its `Display` contains no code, no token and no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The token endpoint is not a valid URL.
    #[error("the token endpoint is not a valid URL")]
    Endpoint,
    /// The third party refused.
    #[error("the token endpoint answers {status} {}", Foreign::new(error))]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// OAuth's error code, or empty.
        error: String,
        /// The third party's own text. It may contain secrets.
        description: String,
    },
    /// The third party did not answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The answer contains no usable tokens.
    #[error("the token endpoint's answer is unusable: {0}")]
    Unusable(&'static str),
}

impl ExchangeError {
    fn refused(status: StatusCode, error: &str, description: String) -> Self {
        Self::Refused { status, error: code_or(error, "").to_owned(), description }
    }
}

/// The reason why a token was not revoked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevokeError {
    /// The third party is busy.
    #[error("the revocation endpoint answers {status}")]
    Busy { status: StatusCode },
    /// The settings have no valid revocation endpoint.
    #[error("the connector has no revocation endpoint")]
    Endpoint,
    /// The third party refused.
    #[error("the revocation endpoint answers {status} {}", Foreign::new(error))]
    Refused { status: StatusCode, error: String },
    /// The third party does not answer.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl RevokeError {
    /// Returns whether a retry may succeed.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Send(_))
    }
}

/// Returns a fresh PKCE verifier of 256 bits, as RFC 7636, section 4.1, recommends.
///
/// # Errors
///
/// Fails if the random generator fails.
pub fn pkce_verifier(random: &dyn Random) -> Result<Zeroizing<String>, RandomError> {
    let mut bytes = Zeroizing::new([0; 32]);
    random.fill(&mut *bytes)?;
    Ok(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*bytes)))
}

/// The requests of one application for the grant.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CodeGrant<'a> {
    /// The application and its endpoints.
    pub settings: &'a ConnectorSettings,
    /// The URI to which the third party sends browsers back.
    pub redirect_uri: &'a str,
}

impl<'a> CodeGrant<'a> {
    /// Creates the requests of an application.
    #[must_use]
    pub const fn new(settings: &'a ConnectorSettings, redirect_uri: &'a str) -> Self {
        Self { settings, redirect_uri }
    }
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl CodeGrant<'_> {
    /// Returns the URL to which a browser is sent (RFC 6749, section 4.1.1; RFC 7636, section 4.3).
    ///
    /// # Errors
    ///
    /// [`ConnectorError::AuthorizationEndpoint`] if the endpoint is not a URL.
    pub fn authorize_url(&self, state: &str, pkce_verifier: &str) -> Result<String, ConnectorError> {
        let malformed = ConnectorError::AuthorizationEndpoint(EndpointError::Malformed);
        let mut url = Url::parse(&self.settings.authorization_endpoint).map_err(|_| malformed)?;
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(pkce_verifier.as_bytes()));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", self.redirect_uri)
            .extend_pairs(self.settings.scope.iter().map(|scope| ("scope", scope)))
            .extend_pairs(&self.settings.authorization_parameters)
            .append_pair("state", state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Exchanges a code for tokens (RFC 6749, section 4.1.3).
    ///
    /// # Errors
    ///
    /// [`ExchangeError`].
    pub async fn exchange(&self, client: &Client, code: &str, pkce_verifier: &str) -> Result<Tokens, ExchangeError> {
        let endpoint: Endpoint = self.settings.token_endpoint.parse().map_err(|_| ExchangeError::Endpoint)?;
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri),
            ("code_verifier", pkce_verifier),
        ];
        let (headers, body) = self.request(&parameters).ok_or(ExchangeError::Endpoint)?;
        let answer = client.post(&endpoint, headers, body, REQUEST_TIMEOUT).await?;
        if !answer.status().is_success() {
            let refusal: Refusal = serde_json::from_slice(answer.body()).unwrap_or_default();
            return Err(ExchangeError::refused(answer.status(), &refusal.error, refusal.error_description));
        }
        Tokens::judge(answer.body()).map_err(|fault| match fault {
            TokenError::Refused { error, description } => ExchangeError::refused(answer.status(), &error, description),
            TokenError::Unusable(why) => ExchangeError::Unusable(why),
        })
    }

    /// Revokes a token (RFC 7009, section 2.1).
    ///
    /// # Errors
    ///
    /// [`RevokeError`].
    pub(crate) async fn revoke(&self, client: &Client, token: &str, kind: &str) -> Result<(), RevokeError> {
        let endpoint = self.settings.revocation_endpoint.as_deref().and_then(|endpoint| endpoint.parse().ok());
        let endpoint: Endpoint = endpoint.ok_or(RevokeError::Endpoint)?;
        let parameters = [("token", token), ("token_type_hint", kind)];
        let (headers, body) = self.request(&parameters).ok_or(RevokeError::Endpoint)?;
        let answer = client.post(&endpoint, headers, body, REQUEST_TIMEOUT).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let Refusal { error, .. } = serde_json::from_slice(answer.body()).unwrap_or_default();
        let error = code_or(&error, "").to_owned();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Err(RevokeError::Busy { status })
        } else {
            Err(RevokeError::Refused { status, error })
        }
    }

    /// Returns the headers and the body of a request. One of the two contains the application's credentials (RFC 6749, section
    /// 2.3.1).
    fn request(&self, parameters: &[(&str, &str)]) -> Option<(HeaderMap, String)> {
        let settings = self.settings;
        let mut body = Serializer::new(String::new());
        body.extend_pairs(parameters);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        match (&settings.client_secret, settings.token_endpoint_auth_method) {
            (Some(secret), TokenEndpointAuth::ClientSecretBasic) => {
                // Each part is form-encoded first.
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = Zeroizing::new(format!("{}:{}", encoded(&settings.client_id), encoded(secret)));
                let basic = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
                let mut basic = HeaderValue::try_from(basic.as_str()).ok()?;
                basic.set_sensitive(true);
                headers.insert(AUTHORIZATION, basic);
            }
            (Some(secret), TokenEndpointAuth::ClientSecretPost) => {
                body.append_pair("client_id", &settings.client_id).append_pair("client_secret", secret);
            }
            (None, _) => {
                body.append_pair("client_id", &settings.client_id);
            }
        }
        Some((headers, body.finish()))
    }
}

/// The maximum length of a forwarded error code.
pub(crate) const MAX_CODE: usize = 64;

/// Returns the code if it has the form of an OAuth error code; else returns `otherwise`.
pub(crate) fn code_or<'a>(code: &'a str, otherwise: &'a str) -> &'a str {
    let may_stand = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let is_code = (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(may_stand);
    if is_code { code } else { otherwise }
}
