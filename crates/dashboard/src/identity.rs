//! Signing in through the company's own identity provider: the code flow of OpenID Connect Core 1.0, with PKCE.
//!
//! The provider says who someone is; whether that is an operator, the store says. Nobody becomes one by signing in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use doorward_key::OpaqueToken;
use doorward_link::client::{Client, Endpoint, RootsError, SendError};
use doorward_link::{CodeGrant, ConnectorFault, ConnectorSettings, ExchangeError, TokenEndpointAuth, pkce_verifier};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode, request};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::form::Form;
use crate::reply::{self, Fault, Reply};
use crate::{Parts, guard};

/// How long the provider may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far its clock and ours may be apart, in seconds.
const LEEWAY: u64 = 60;

/// What remembers, in the browser that began, that it did. Strict cookies do not come back from another site, and so it is lax.
const COOKIE_NAME: &str = "__Host-doorward-provider";

/// Those with a key that only the provider has. `none` is none of them, nor is what the client's secret could sign.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];

/// How an identity provider is asked.
#[derive(Clone)]
pub struct ProviderSettings {
    /// What people call it: the button says "Sign in with …".
    pub name: String,
    /// Its issuer identifier, such as `https://id.example.com`; what else there is, its discovery document tells.
    pub issuer: String,
    /// This page, as the provider knows it.
    pub client_id: String,
    /// What proves that it is this page.
    pub client_secret: Option<Zeroizing<String>>,
    /// Where the provider sends browsers back to: the page's address with `/sign-in-with-provider/callback` behind it.
    pub redirect_uri: String,
    /// The claim that says which operator it is: `email`, which must be verified, or another one, such as `sub`.
    pub claim: String,
}

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// An identity provider that operators can sign in through. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IdentityProvider {
    settings: Arc<ProviderSettings>,
    client: Client,
}

/// Why someone is not signed in. None of it holds a code, a token or a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityFault {
    #[error("the identity provider refused: {0}")]
    Declined(String),
    #[error("the identity provider cannot be asked")]
    Discovery(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the identity provider does not take its own code")]
    Exchange(#[from] ExchangeError),
    #[error("the identity provider's answer does not prove who you are: {0}")]
    Proof(&'static str),
    #[error("this sign-in was not begun in this browser, or more than ten minutes ago; begin again")]
    NotBegun,
    #[error("you are {0} to the identity provider, and no operator has this name: `doorward operator create` adds one")]
    NoOperator(String),
}

impl IdentityFault {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Declined(_) | Self::NoOperator(_) => StatusCode::FORBIDDEN,
            Self::NotBegun => StatusCode::BAD_REQUEST,
            Self::Discovery(_) | Self::Exchange(_) | Self::Proof(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

impl From<SendError> for IdentityFault {
    fn from(error: SendError) -> Self {
        Self::Discovery(error.into())
    }
}

impl From<ConnectorFault> for IdentityFault {
    fn from(fault: ConnectorFault) -> Self {
        Self::Discovery(fault.into())
    }
}

/// What is needed of the discovery document (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct Keys {
    /// One by one, so that a key of a kind that nobody here knows does not hide the others.
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Claims {
    nonce: Option<String>,
    azp: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What one sign-in began with.
struct Begun {
    state: String,
    nonce: String,
    pkce_verifier: Zeroizing<String>,
}

impl Begun {
    /// As the browser's cookie has it.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let text = guard::cookie_named(headers, COOKIE_NAME)?;
        let mut parts = text.splitn(3, '.').map(str::to_owned);
        let (state, nonce, pkce_verifier) = (parts.next()?, parts.next()?, Zeroizing::new(parts.next()?));
        Some(Self { state, nonce, pkce_verifier })
    }

    fn cookie(&self) -> Option<HeaderValue> {
        let Self { state, nonce, pkce_verifier } = self;
        let value = Zeroizing::new(format!("{state}.{nonce}.{}", pkce_verifier.as_str()));
        let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600";
        let mut cookie = HeaderValue::try_from(format!("{COOKIE_NAME}={}; {attributes}", value.as_str())).ok()?;
        cookie.set_sensitive(true);
        Some(cookie)
    }
}

impl IdentityProvider {
    /// A provider, which is asked when someone signs in and not before.
    ///
    /// # Errors
    ///
    /// Where the machine's roots of trust cannot be read.
    pub fn new(settings: ProviderSettings) -> Result<Self, RootsError> {
        Ok(Self { settings: Arc::new(settings), client: Client::new()? })
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Sends the browser to the provider.
    pub(crate) async fn begin(&self, parts: &Parts) -> Result<Reply, Fault> {
        let random = &**parts.verifier.core().random();
        let token = || OpaqueToken::generate(random).map(|token| token.expose().to_owned());
        let begun = Begun { state: token()?, nonce: token()?, pkce_verifier: pkce_verifier(random)? };
        let application = self.application(&self.discover().await?, Some(&begun.nonce));
        let url = self.grant(&application).authorize_url(&begun.state, &begun.pkce_verifier);
        let mut reply = reply::see_other(&url.map_err(IdentityFault::from)?);
        if let Some(cookie) = begun.cookie() {
            reply.headers_mut().insert(SET_COOKIE, cookie);
        }
        Ok(reply)
    }

    /// Signs in whoever the provider says that it is, in the browser that began.
    pub(crate) async fn finish(&self, parts: &Parts, head: &request::Parts) -> Result<Reply, Fault> {
        let query = Form::of_query(&head.uri);
        let begun = Begun::read(&head.headers).filter(|begun| query.get("state") == Some(&begun.state));
        let begun = begun.ok_or(IdentityFault::NotBegun)?;
        // Who answers must be who was asked (RFC 9207).
        if query.get("iss").is_some_and(|issuer| issuer != self.settings.issuer) {
            return Err(IdentityFault::Proof("another issuer answers").into());
        }
        if let Some(error) = query.get("error") {
            let plain: String = error.chars().filter(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
            return Err(IdentityFault::Declined(plain).into());
        }
        let code = query.get("code").ok_or(IdentityFault::NotBegun)?;
        let claims = self.claims(code, &begun).await?;
        let who = self.who(&claims)?;
        let operator = parts.desk.named(who).await?.ok_or_else(|| IdentityFault::NoOperator(who.to_owned()))?;
        let mut reply = guard::let_in(parts, &parts.desk.sign_in_as(&operator).await?);
        let over = "__Host-doorward-provider=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
        reply.headers_mut().append(SET_COOKIE, HeaderValue::from_static(over));
        Ok(reply)
    }

    /// What a code proves.
    async fn claims(&self, code: &str, begun: &Begun) -> Result<Map<String, Value>, IdentityFault> {
        let discovered = self.discover().await?;
        let application = self.application(&discovered, None);
        let tokens = self.grant(&application).exchange(&self.client, code, &begun.pkce_verifier).await?;
        let id_token = tokens.id_token().ok_or(IdentityFault::Proof("it has no ID token"))?;
        let Keys { keys } = self.document(&discovered.jwks_uri).await?;
        let keys: Vec<Jwk> = keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        verify(id_token, &keys, &self.settings, &begun.nonce)
    }

    /// Which operator someone claims to be.
    fn who<'a>(&self, claims: &'a Map<String, Value>) -> Result<&'a str, IdentityFault> {
        let claim = &self.settings.claim;
        if claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(IdentityFault::Proof("the e-mail address is not verified"));
        }
        let found = claims.get(claim).and_then(Value::as_str).filter(|who| !who.is_empty());
        found.ok_or(IdentityFault::Proof("it lacks the claim that names operators"))
    }

    async fn discover(&self) -> Result<Discovered, IdentityFault> {
        let issuer = &self.settings.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let discovered: Discovered = self.document(&url).await?;
        if discovered.issuer == *issuer {
            Ok(discovered)
        } else {
            Err(IdentityFault::Discovery(format!("it calls itself {}, and not {issuer}", discovered.issuer).into()))
        }
    }

    async fn document<T: DeserializeOwned>(&self, url: &str) -> Result<T, IdentityFault> {
        let endpoint: Endpoint = url.parse().map_err(|error| IdentityFault::Discovery(Box::new(error)))?;
        let answer = self.client.get(&endpoint, HeaderMap::new(), PATIENCE).await?;
        if !answer.status().is_success() {
            return Err(IdentityFault::Discovery(format!("{url} answers {}", answer.status()).into()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| IdentityFault::Discovery(error.into()))
    }

    /// This page, as an application of the provider's.
    fn application(&self, discovered: &Discovered, nonce: Option<&str>) -> ConnectorSettings {
        let methods = &discovered.token_endpoint_auth_methods_supported;
        let knows = |method: &str| methods.iter().any(|known| known == method);
        let in_body = knows("client_secret_post") && !knows("client_secret_basic");
        ConnectorSettings {
            authorization_endpoint: discovered.authorization_endpoint.clone(),
            token_endpoint: discovered.token_endpoint.clone(),
            client_id: self.settings.client_id.clone(),
            client_secret: self.settings.client_secret.clone(),
            token_endpoint_auth_method: if in_body {
                TokenEndpointAuth::ClientSecretPost
            } else {
                TokenEndpointAuth::ClientSecretBasic
            },
            scope: Some("openid email profile".to_owned()),
            issuer: None,
            authorization_parameters: nonce.map(|nonce| ("nonce".to_owned(), nonce.to_owned())).into_iter().collect(),
            revocation_endpoint: None,
            upstream: None,
        }
    }

    fn grant<'a>(&'a self, settings: &'a ConnectorSettings) -> CodeGrant<'a> {
        CodeGrant { settings, redirect_uri: &self.settings.redirect_uri }
    }
}

/// The claims of an ID token (OpenID Connect Core 1.0, section 3.1.3.7).
fn verify(
    token: &str,
    keys: &[Jwk],
    settings: &ProviderSettings,
    nonce: &str,
) -> Result<Map<String, Value>, IdentityFault> {
    let header = decode_header(token).map_err(|_| IdentityFault::Proof("its ID token is none"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(IdentityFault::Proof("its ID token is signed by nobody else's key"));
    }
    let named = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let mut fitting = keys.iter().filter(named);
    let (Some(key), None) = (fitting.next(), fitting.next()) else {
        return Err(IdentityFault::Proof("its ID token is signed by no key of its own"));
    };
    let key = DecodingKey::from_jwk(key).map_err(|_| IdentityFault::Proof("its key cannot be used"))?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.set_audience(&[&settings.client_id]);
    validation.set_issuer(&[&settings.issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Claims>(token, &key, &validation).map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "an ID token was refused");
        IdentityFault::Proof("its ID token is expired, of someone else, for someone else, or forged")
    })?;
    let Claims { nonce: answered, azp, others } = claims.claims;
    if answered.as_deref() != Some(nonce) || azp.is_some_and(|azp| azp != settings.client_id) {
        return Err(IdentityFault::Proof("its ID token is of another sign-in"));
    }
    Ok(others)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    /// A provider's key, and how others see it.
    fn key(name: &str) -> (EncodingKey, Jwk) {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": name, "x": x});
        (EncodingKey::from_ed_der(pkcs8.as_ref()), serde_json::from_value(jwk).unwrap())
    }

    fn settings() -> ProviderSettings {
        ProviderSettings {
            name: "Example ID".into(),
            issuer: "https://id.example".into(),
            client_id: "doorward".into(),
            client_secret: Some(Zeroizing::new("secret".into())),
            redirect_uri: "https://keys.example/dashboard/sign-in-with-provider/callback".into(),
            claim: "email".into(),
        }
    }

    fn header(kid: Option<&str>) -> Header {
        Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) }
    }

    #[test]
    fn only_what_proves_it_is_believed() {
        let (signs, known) = key("a");
        let (stranger, _) = key("a");
        let (other_signs, other) = key("b");
        let keys = [known.clone(), other];
        let now = get_current_timestamp();
        let good = json!({"iss": "https://id.example", "aud": "doorward", "sub": "1", "exp": now + 300, "nonce": "n", "email": "ada@x"});
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        let check = |token: &str, keys: &[Jwk]| verify(token, keys, &settings(), "n").is_ok();
        let signed = |claims: &Value| encode(&header(Some("a")), claims, &signs).unwrap();
        assert!(check(&signed(&good), &keys));
        assert!(check(&signed(&with("aud", json!(["doorward", "other"]))), &keys));
        assert!(check(&signed(&with("azp", json!("doorward"))), &keys));
        assert!(check(&encode(&header(None), &good, &signs).unwrap(), &[known]), "one key needs no name");
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("iss", json!(null)),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("azp", json!("other")),
            ("exp", json!(now - 61)),
            ("exp", json!(null)),
            ("sub", json!(null)),
            ("nonce", json!("of another sign-in")),
            ("nonce", json!(null)),
        ] {
            assert!(!check(&signed(&with(name, value.clone())), &keys), "{name}: {value}");
        }
        assert!(!check(&encode(&header(Some("a")), &good, &stranger).unwrap(), &keys), "a stranger's key");
        assert!(!check(&encode(&header(Some("a")), &good, &other_signs).unwrap(), &keys), "another key's name");
        assert!(!check(&encode(&header(Some("c")), &good, &signs).unwrap(), &keys), "an unknown name");
        assert!(!check(&encode(&header(None), &good, &signs).unwrap(), &keys), "no name, and two keys");
        // Signed with what is public, or with nothing.
        let by_secret = EncodingKey::from_secret(b"secret");
        let hmac = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) };
        assert!(!check(&encode(&hmac, &good, &by_secret).unwrap(), &keys));
        let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let none = format!("{}.{}.", encoded(&json!({"alg": "none", "kid": "a"})), encoded(&good));
        for nonsense in [&*none, "", "a.b.c", "..", &signed(&good)[1..]] {
            assert!(!check(nonsense, &keys), "{nonsense}");
        }
    }

    #[test]
    fn an_address_counts_where_it_is_verified() {
        let provider = IdentityProvider::new(settings()).unwrap();
        let who = |claims: Value| provider.who(claims.as_object().unwrap()).map(str::to_owned).ok();
        assert_eq!(who(json!({"email": "ada@x", "email_verified": true})).as_deref(), Some("ada@x"));
        for claims in [
            json!({"email": "ada@x"}),
            json!({"email": "ada@x", "email_verified": false}),
            json!({"email": "ada@x", "email_verified": "true"}),
            json!({"email": "", "email_verified": true}),
            json!({"email_verified": true}),
        ] {
            assert_eq!(who(claims.clone()), None, "{claims}");
        }
    }
}
