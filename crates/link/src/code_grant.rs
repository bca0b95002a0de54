//! The authorization code grant (RFC 6749, section 4.1), with a proof that whoever began it finishes it (PKCE, RFC 7636).

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

use crate::tokens::TokenFault;
use crate::{ConnectorFault, ConnectorSettings, TokenEndpointAuth, Tokens};

/// How long the third party may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The reason that there are no tokens. What is displayed of it holds no code, no token and no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The settings name no token endpoint that can be asked.
    #[error("the token endpoint is none")]
    Endpoint,
    /// The third party said no.
    #[error("the token endpoint answers {status} {}", Foreign::new(error))]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// OAuth's code for it, if there was one.
        error: String,
        /// The third party's own words. They may hold anything that it knows.
        description: String,
    },
    /// The third party did not answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// It answered what cannot be kept.
    #[error("the token endpoint's answer cannot be kept: {0}")]
    Unusable(&'static str),
}

impl ExchangeError {
    fn refused(status: StatusCode, error: &str, description: String) -> Self {
        Self::Refused { status, error: code_or(error, "").to_owned(), description }
    }
}

/// The reason that a token is not revoked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevokeError {
    /// The third party cannot do it now.
    #[error("the revocation endpoint answers {status}")]
    Busy { status: StatusCode },
    /// The settings name no revocation endpoint that can be asked.
    #[error("the connector has no revocation endpoint")]
    Endpoint,
    /// The third party says no.
    #[error("the revocation endpoint answers {status} {}", Foreign::new(error))]
    Refused { status: StatusCode, error: String },
    /// The third party does not answer.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl RevokeError {
    /// Returns whether another try may succeed.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Send(_))
    }
}

/// 256 bits, as RFC 7636, section 4.1, recommends.
///
/// # Errors
///
/// Where the generator fails.
pub fn pkce_verifier(random: &dyn Random) -> Result<Zeroizing<String>, RandomError> {
    let mut bytes = Zeroizing::new([0; 32]);
    random.fill(&mut *bytes)?;
    Ok(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*bytes)))
}

/// One application's way through the grant.
#[derive(Clone, Copy, Debug)]
pub struct CodeGrant<'a> {
    /// The application, and where it asks.
    pub settings: &'a ConnectorSettings,
    /// Where browsers are sent back to.
    pub redirect_uri: &'a str,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl CodeGrant<'_> {
    /// Where a browser is sent (RFC 6749, section 4.1.1; RFC 7636, section 4.3).
    ///
    /// # Errors
    ///
    /// [`ConnectorFault::AuthorizationEndpoint`] where that is no URL.
    pub fn authorize_url(&self, state: &str, pkce_verifier: &str) -> Result<String, ConnectorFault> {
        let malformed = ConnectorFault::AuthorizationEndpoint(EndpointError::Malformed);
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
        let answer = client.post(&endpoint, headers, body, PATIENCE).await?;
        if !answer.status().is_success() {
            let refusal: Refusal = serde_json::from_slice(answer.body()).unwrap_or_default();
            return Err(ExchangeError::refused(answer.status(), &refusal.error, refusal.error_description));
        }
        Tokens::judge(answer.body()).map_err(|fault| match fault {
            TokenFault::Refused { error, description } => ExchangeError::refused(answer.status(), &error, description),
            TokenFault::Unusable(why) => ExchangeError::Unusable(why),
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
        let answer = client.post(&endpoint, headers, body, PATIENCE).await?;
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

    /// Returns the headers and the body of a request of this application, which proves itself in one of them (RFC 6749, section
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
                // Each is form-encoded first.
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

/// The longest error code that is handed on.
pub(crate) const MAX_CODE: usize = 64;

/// An error code as OAuth has them; what is none, is not handed on.
pub(crate) fn code_or<'a>(code: &'a str, otherwise: &'a str) -> &'a str {
    let may_stand = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let is_code = (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(may_stand);
    if is_code { code } else { otherwise }
}
