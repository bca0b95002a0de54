//! The authorization code grant (RFC 6749, section 4.1), with a proof that whoever began it finishes it (PKCE, RFC 7636).

use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use doorward_client::{Client, Endpoint, EndpointError, SendError};
use doorward_key::{Random, RandomError};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::{ConnectorFault, ConnectorSettings, TokenEndpointAuth};

/// How long the third party may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there are no tokens. None of it holds a code, a token or a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The settings name no token endpoint that can be asked.
    #[error("the token endpoint is none")]
    Endpoint,
    /// The third party said no.
    #[error("the token endpoint answers {status} {error}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// OAuth's code for it, where there was one.
        error: String,
    },
    /// The third party did not answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// It answered otherwise than OAuth has it.
    #[error("the token endpoint's answer has no access token")]
    NoToken,
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

#[derive(Deserialize)]
struct Tokens {
    access_token: Zeroizing<String>,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
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

    /// A code for tokens (RFC 6749, section 4.1.3): the JSON that the third party answers, with an access token in it.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`].
    pub async fn exchange(
        &self,
        client: &Client,
        code: &str,
        pkce_verifier: &str,
    ) -> Result<Zeroizing<Vec<u8>>, ExchangeError> {
        let endpoint: Endpoint = self.settings.token_endpoint.parse().map_err(|_| ExchangeError::Endpoint)?;
        let (headers, body) = self.token_request(code, pkce_verifier)?;
        let answer = client.post(&endpoint, headers, body, PATIENCE).await?;
        if !answer.status().is_success() {
            let Refusal { error } = serde_json::from_slice(answer.body()).unwrap_or_default();
            return Err(ExchangeError::Refused { status: answer.status(), error: code_or(&error, "").to_owned() });
        }
        match serde_json::from_slice::<Tokens>(answer.body()) {
            Ok(Tokens { access_token }) if !access_token.is_empty() => Ok(Zeroizing::new(answer.body().to_vec())),
            _ => Err(ExchangeError::NoToken),
        }
    }

    fn token_request(&self, code: &str, pkce_verifier: &str) -> Result<(HeaderMap, String), ExchangeError> {
        let settings = self.settings;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut body = Serializer::new(String::new());
        body.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("code_verifier", pkce_verifier);
        match (&settings.client_secret, settings.token_endpoint_auth_method) {
            (Some(secret), TokenEndpointAuth::ClientSecretBasic) => {
                // Each is form-encoded first (RFC 6749, section 2.3.1).
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = Zeroizing::new(format!("{}:{}", encoded(&settings.client_id), encoded(secret)));
                let basic = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
                let mut basic = HeaderValue::try_from(basic.as_str()).map_err(|_| ExchangeError::Endpoint)?;
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
        Ok((headers, body.finish()))
    }
}

/// An error code as OAuth has them; what is none, is not handed on.
pub(crate) fn code_or<'a>(code: &'a str, otherwise: &'a str) -> &'a str {
    let is_code = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { code } else { otherwise }
}
