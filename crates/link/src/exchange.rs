//! A code for tokens (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use doorward_client::{Client, Endpoint, SendError};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::{ConnectorSettings, TokenEndpointAuth};

/// How long the third party may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there are no tokens. None of it holds a code, a token or a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("the token endpoint is none")]
    Endpoint,
    #[error("the token endpoint answers {status} {error}")]
    Refused { status: StatusCode, error: String },
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the token endpoint's answer has no access token")]
    NoToken,
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

/// What the third party answers: JSON with an access token in it, to be sealed as it is.
pub(crate) async fn exchange(
    client: &Client,
    settings: &ConnectorSettings,
    code: &str,
    pkce_verifier: &str,
    redirect_uri: &str,
) -> Result<Zeroizing<Vec<u8>>, ExchangeError> {
    let endpoint: Endpoint = settings.token_endpoint.parse().map_err(|_| ExchangeError::Endpoint)?;
    let (headers, body) = request(settings, code, pkce_verifier, redirect_uri)?;
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

fn request(
    settings: &ConnectorSettings,
    code: &str,
    pkce_verifier: &str,
    redirect_uri: &str,
) -> Result<(HeaderMap, String), ExchangeError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let mut body = Serializer::new(String::new());
    body.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", redirect_uri)
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

/// An error code as OAuth has them; what is none, is not handed on.
pub(crate) fn code_or<'a>(code: &'a str, otherwise: &'a str) -> &'a str {
    let is_code = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { code } else { otherwise }
}
