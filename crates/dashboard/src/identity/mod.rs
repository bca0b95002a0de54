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
mod settings;
mod token;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use doorward_key::Random;
use doorward_link::client::{Client, RootsError};
use doorward_link::{CodeGrant, ConnectorSettings, TokenEndpointAuth};
use doorward_records::SealingKeys;
use doorward_store::ProviderIdentity;
use doorward_types::Timestamp;
use http::{HeaderValue, request};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use self::cookie::{Begun, Used};
use self::documents::{Discovered, Documents};
use self::pace::Pace;
use crate::fault::Fault;
use crate::form::Form;
use crate::identity_fault::IdentityFault;

pub use self::settings::ProviderSettings;

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

/// The end of a sign-in at the provider.
pub(crate) struct Finished {
    pub(crate) identity: ProviderIdentity,
    /// All else that the provider says, which may change.
    pub(crate) claims: Map<String, Value>,
    /// The cookie that takes away the one that the browser came back with.
    pub(crate) no_cookie: Option<HeaderValue>,
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

    /// Begins a sign-in: returns the URL of the provider that the browser goes to, and the cookie that it comes back with.
    pub(crate) async fn begin(
        &self,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<(String, Option<HeaderValue>), Fault> {
        let begun = Begun::new(random, now)?;
        let application = self.application(&*self.0.documents.discovered(now).await?, Some(&begun.nonce))?;
        let url = self.grant(&application).authorize_url(&begun.state, &begun.pkce_verifier);
        Ok((url.map_err(IdentityFault::from)?, begun.cookie(&self.0.sealing_key, random)?))
    }

    /// Returns the identity that the provider proves of the one who comes back, in the browser that began.
    pub(crate) async fn finish(&self, head: &request::Parts, now: Timestamp) -> Result<Finished, Fault> {
        let query = Form::of_query(&head.uri);
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
        Ok(Finished { identity, claims: proven.claims, no_cookie: begun.no_cookie() })
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
    pub(crate) fn who<'a>(
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
