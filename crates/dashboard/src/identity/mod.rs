//! Signing in through the company's own identity provider: the code flow of OpenID Connect Core 1.0, with PKCE.
//!
//! The provider says who someone is; whether that is an operator, the store says. Nobody becomes an operator by signing in, and
//! nobody becomes a *local* operator, whatever name the provider gives: only an operator that was made for the provider can be
//! signed in to. The first time, it is found by its name; from then on by issuer and subject, which never become another person's.
//!
//! Whoever is not signed in costs the provider next to nothing: its documents are kept, a sign-in asks it once, and what leads
//! to nobody is limited.

mod cookie;
mod documents;
mod pace;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use doorward_key::RandomError;
use doorward_link::client::{Client, RootsError, SendError};
use doorward_link::{CodeGrant, ConnectorFault, ConnectorSettings, ExchangeError, TokenEndpointAuth};
use doorward_records::SealingKeys;
use doorward_store::ProviderIdentity;
use doorward_types::Foreign;
use http::header::SET_COOKIE;
use http::{StatusCode, request};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use self::cookie::{Begun, Used};
use self::documents::{Discovered, Documents};
use self::pace::Pace;
use crate::form::Form;
use crate::reply::{self, Fault, Reply};
use crate::{Parts, guard};

/// The time that the provider may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The settings of an identity provider.
#[derive(Clone)]
pub struct ProviderSettings {
    /// The name that people know: the button says "Sign in with …".
    pub name: String,
    /// Its issuer identifier, such as `https://id.example.com`; what else there is, its discovery document tells.
    pub issuer: String,
    /// This page, as the provider knows it.
    pub client_id: String,
    /// The proof that it is this page.
    pub client_secret: Option<Zeroizing<String>>,
    /// The place that the provider sends browsers back to: the page's address with `/sign-in-with-provider/callback` behind it.
    pub redirect_uri: String,
    /// The claim that says, the first time, which operator it is: `email`, which must be verified, or another one, such as
    /// `sub`.
    pub claim: String,
    /// Claims that everybody must have who signs in, each with its value, such as `hd` with a company's domain. A claim that is
    /// a list must have the value in it.
    pub required_claims: BTreeMap<String, String>,
}

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// An identity provider that operators can sign in through. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IdentityProvider(Arc<Inner>);

struct Inner {
    settings: ProviderSettings,
    /// In the place of the settings' own, which may have been exchanged since.
    client_secret: RwLock<Option<Zeroizing<String>>>,
    sealing_key: Arc<SealingKeys>,
    client: Client,
    documents: Documents,
    used: Used,
    pace: Pace,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// The reason that someone is not signed in. None of it holds a code, a token or a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityFault {
    #[error("too many sign-ins have failed within a minute; try again in a few seconds")]
    Busy,
    #[error("the identity provider refused: {}", Foreign::new(.0))]
    Declined(String),
    #[error("the identity provider cannot be asked")]
    Discovery(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the identity provider does not take its own code")]
    Exchange(#[from] ExchangeError),
    #[error("the identity provider's answer does not prove who you are: {0}")]
    Proof(&'static str),
    #[error(
        "this sign-in was not begun in this browser, was used already, or was begun more than ten minutes ago; begin again"
    )]
    NotBegun,
    #[error(
        "you are {} to the identity provider, and it may sign in to no operator of this name: \
         `doorward operator create --by-provider` adds one",
        Foreign::new(.0)
    )]
    NoOperator(String),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("the identity provider does not say of you what everybody must be who signs in here: {}", Foreign::new(.0))]
    Required(String),
}

impl IdentityFault {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Declined(_) | Self::NoOperator(_) | Self::Required(_) => StatusCode::FORBIDDEN,
            Self::NotBegun => StatusCode::BAD_REQUEST,
            Self::Discovery(_) | Self::Exchange(_) | Self::Proof(_) => StatusCode::BAD_GATEWAY,
            Self::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
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

impl IdentityProvider {
    /// Returns a provider, which is asked when someone signs in and not before. All nodes that browsers may come to have the same
    /// sealing key.
    ///
    /// # Errors
    ///
    /// Fails if the machine's roots of trust cannot be read.
    pub fn new(settings: ProviderSettings, sealing_key: Arc<SealingKeys>) -> Result<Self, RootsError> {
        let client = Client::new()?;
        let documents = Documents::new(client.clone(), settings.issuer.clone());
        let (used, pace) = (Used::default(), Pace::default());
        let client_secret = RwLock::new(settings.client_secret.clone());
        Ok(Self(Arc::new(Inner { settings, client_secret, sealing_key, client, documents, used, pace })))
    }

    /// Shows the provider another secret from now on.
    pub fn set_client_secret(&self, secret: Option<Zeroizing<String>>) {
        *self.0.client_secret.write().unwrap_or_else(PoisonError::into_inner) = secret;
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.settings.name
    }

    /// Sends the browser to the provider.
    pub(crate) async fn begin(&self, parts: &Parts) -> Result<Reply, Fault> {
        let (random, now) = (&**parts.verifier.core().random(), parts.verifier.core().clock().now());
        let begun = Begun::new(random, now)?;
        let application = self.application(&*self.0.documents.discovered(now).await?, Some(&begun.nonce))?;
        let url = self.grant(&application).authorize_url(&begun.state, &begun.pkce_verifier);
        let mut reply = reply::see_other(&url.map_err(IdentityFault::from)?);
        if let Some(cookie) = begun.cookie(&self.0.sealing_key, random)? {
            reply.headers_mut().insert(SET_COOKIE, cookie);
        }
        Ok(reply)
    }

    /// Signs in the one whom the provider names, in the browser that began.
    pub(crate) async fn finish(&self, parts: &Parts, head: &request::Parts) -> Result<Reply, Fault> {
        let (query, now) = (Form::of_query(&head.uri), parts.verifier.core().clock().now());
        let state = query.get("state").ok_or(IdentityFault::NotBegun)?;
        let begun = Begun::read(&head.headers, state, &self.0.sealing_key, now).ok_or(IdentityFault::NotBegun)?;
        // Who answers must be who was asked (RFC 9207).
        if query.get("iss").is_some_and(|issuer| issuer != self.0.settings.issuer) {
            return Err(IdentityFault::Proof("another issuer answers").into());
        }
        if let Some(error) = query.get("error") {
            let plain: String = error.chars().filter(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
            return Err(IdentityFault::Declined(plain).into());
        }
        let code = query.get("code").ok_or(IdentityFault::NotBegun)?;
        // From here on it costs the provider something.
        if !self.0.used.take(&begun, now) {
            return Err(IdentityFault::NotBegun.into());
        }
        if !self.0.pace.take(now) {
            return Err(IdentityFault::Busy.into());
        }
        let application = self.application(&*self.0.documents.discovered(now).await?, None)?;
        let tokens = self.grant(&application).exchange(&self.0.client, code, &begun.pkce_verifier).await;
        let tokens = tokens.map_err(IdentityFault::from)?;
        // A code that the provider takes comes from someone who was there.
        self.0.pace.give_back();
        let id_token = tokens.id_token().ok_or(IdentityFault::Proof("it has no ID token"))?;
        let keys = self.0.documents.keys(token::key_name(id_token)?.as_deref(), now).await?;
        let proven = token::verify(id_token, &keys, &self.0.settings, &begun.nonce)?;
        self.require(&proven.claims)?;
        let identity = ProviderIdentity { issuer: self.0.settings.issuer.clone(), subject: proven.subject };
        let operator = match parts.desk.by_identity(&identity).await? {
            Some(operator) => operator,
            None => {
                let who = self.who(&identity, &proven.claims)?;
                let bound = parts.desk.bind(who, &identity, guard::visit(head)).await?;
                bound.ok_or_else(|| IdentityFault::NoOperator(who.to_owned()))?
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the identity provider has proved who it is")]
        let session = parts.desk.sign_in_as(&operator, guard::visit(head)).await?;
        let mut reply = guard::let_in(parts, &session);
        if let Some(cookie) = begun.no_cookie() {
            reply.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(reply)
    }

    /// Refuses who lacks a claim that everybody must have.
    fn require(&self, claims: &Map<String, Value>) -> Result<(), IdentityFault> {
        let has = |claim: Option<&Value>, value: &str| match claim {
            Some(Value::String(text)) => text == value,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(value)),
            Some(Value::Bool(flag)) => flag.to_string() == value,
            _ => false,
        };
        match self.0.settings.required_claims.iter().find(|(name, value)| !has(claims.get(*name), value)) {
            Some((name, _)) => Err(IdentityFault::Required(format!("`{name}`"))),
            None => Ok(()),
        }
    }

    /// Returns the operator's name that someone claims the first time.
    fn who<'a>(
        &self,
        identity: &'a ProviderIdentity,
        claims: &'a Map<String, Value>,
    ) -> Result<&'a str, IdentityFault> {
        let claim = &self.0.settings.claim;
        if claim == "sub" {
            return Ok(&identity.subject);
        }
        if claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(IdentityFault::Proof("the e-mail address is not verified"));
        }
        let found = claims.get(claim).and_then(Value::as_str).filter(|who| !who.is_empty());
        found.ok_or(IdentityFault::Proof("it lacks the claim that names operators"))
    }

    /// This page, as an application of the provider's.
    fn application(&self, discovered: &Discovered, nonce: Option<&str>) -> Result<ConnectorSettings, IdentityFault> {
        let methods = &discovered.token_endpoint_auth_methods_supported;
        let knows = |method: &str| methods.iter().any(|known| known == method);
        let in_body = knows("client_secret_post") && !knows("client_secret_basic");
        let settings = ConnectorSettings {
            authorization_endpoint: discovered.authorization_endpoint.clone(),
            token_endpoint: discovered.token_endpoint.clone(),
            revocation_endpoint: None,
            client_id: self.0.settings.client_id.clone(),
            client_secret: self.0.client_secret.read().unwrap_or_else(PoisonError::into_inner).clone(),
            token_endpoint_auth_method: if in_body {
                TokenEndpointAuth::ClientSecretPost
            } else {
                TokenEndpointAuth::ClientSecretBasic
            },
            scope: Some("openid email profile".to_owned()),
            issuer: None,
            authorization_parameters: nonce.map(|nonce| ("nonce".to_owned(), nonce.to_owned())).into_iter().collect(),
            upstream: None,
        };
        // Browsers are sent there, and so it is checked like a connector's.
        settings.check()?;
        Ok(settings)
    }

    fn grant<'a>(&'a self, settings: &'a ConnectorSettings) -> CodeGrant<'a> {
        CodeGrant { settings, redirect_uri: &self.0.settings.redirect_uri }
    }
}

#[cfg(test)]
mod tests {
    use doorward_records::SealingKey;
    use serde_json::json;

    use super::*;

    fn provider(required: &[(&str, &str)]) -> IdentityProvider {
        let settings = ProviderSettings {
            name: "Example ID".into(),
            issuer: "https://id.example".into(),
            client_id: "doorward".into(),
            client_secret: None,
            redirect_uri: "https://keys.example/dashboard/sign-in-with-provider/callback".into(),
            claim: "email".into(),
            required_claims: required.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        IdentityProvider::new(settings, Arc::new(SealingKey::new(&Zeroizing::new([7; 32])).into())).unwrap()
    }

    #[test]
    fn an_address_counts_if_it_is_verified() {
        let (provider, subject) = (provider(&[]), "1".to_owned());
        let identity = ProviderIdentity { issuer: "https://id.example".into(), subject };
        let who = |claims: Value| provider.who(&identity, claims.as_object().unwrap()).map(str::to_owned).ok();
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

    #[test]
    fn everybody_has_the_required_claims() {
        let provider = provider(&[("groups", "doorward"), ("hd", "example.com")]);
        let may = |claims: Value| provider.require(claims.as_object().unwrap()).is_ok();
        assert!(may(json!({"hd": "example.com", "groups": ["a", "doorward"]})));
        assert!(may(json!({"hd": "example.com", "groups": "doorward"})));
        for claims in [
            json!({}),
            json!({"hd": "example.com"}),
            json!({"groups": ["doorward"]}),
            json!({"hd": "example.com.evil.example", "groups": ["doorward"]}),
            json!({"hd": "example.com", "groups": ["a", "doorwards"]}),
            json!({"hd": null, "groups": ["doorward"]}),
            json!({"hd": {"example.com": true}, "groups": ["doorward"]}),
        ] {
            assert!(!may(claims.clone()), "{claims}");
        }
    }

    #[test]
    fn a_browser_is_sent_only_where_connectors_send_it() {
        let provider = provider(&[]);
        let discovered = |endpoint: &str| {
            let document = json!({"issuer": "https://id.example", "authorization_endpoint": endpoint,
                                  "token_endpoint": "https://id.example/t", "jwks_uri": "https://id.example/k"});
            serde_json::from_value::<Discovered>(document).unwrap()
        };
        assert!(provider.application(&discovered("https://id.example/a"), None).is_ok());
        for evil in ["http://evil.example/a", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd?x", ""] {
            assert!(provider.application(&discovered(evil), None).is_err(), "{evil}");
        }
    }
}
