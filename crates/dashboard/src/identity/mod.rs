//! Sign-in through the company's identity provider: the code flow of OpenID Connect Core 1.0, with PKCE.
//!
//! The provider proves an identity; the store decides whether it belongs to an operator. Signing in creates no operator, and no
//! identity can sign in as a *local* operator, even under its name: only operators that were created for the
//! provider qualify. The first sign-in finds the operator by name. Later sign-ins use issuer and subject, which are never
//! reassigned to another person.
//!
//! An anonymous visitor causes almost no requests to the provider: its documents are cached, each sign-in makes one request, and
//! failing sign-ins are limited.

mod cookie;
mod documents;
mod pace;
mod settings;
mod token;

use std::collections::BTreeMap;
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

use self::cookie::{BegunSignIn, Used};
use self::documents::{Discovered, Documents};
use self::pace::Pace;
use crate::form::Form;
use crate::identity_error::IdentityError;
use crate::page_error::PageError;

pub use self::settings::ProviderSettings;

/// An identity provider for operators. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IdentityProvider(Arc<Inner>);

struct Inner {
    settings: ProviderSettings,
    /// Replaces the secret in the settings, since it can be exchanged while the server runs.
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

/// The result of a sign-in at the provider.
pub(crate) struct Finished {
    pub(crate) identity: ProviderIdentity,
    /// The other claims, which may change.
    pub(crate) claims: Map<String, Value>,
    /// The cookie that deletes the sign-in's cookie.
    pub(crate) no_cookie: Option<HeaderValue>,
}

impl IdentityProvider {
    /// Returns a provider. It is contacted at the first sign-in, not earlier. All nodes that serve the same browsers need the
    /// same sealing key.
    ///
    /// # Errors
    ///
    /// Fails if the machine's certificate roots cannot be read.
    pub fn new(settings: ProviderSettings, sealing_key: Arc<SealingKeys>) -> Result<Self, RootsError> {
        let client = Client::new()?;
        let documents = Documents::new(client.clone(), settings.issuer.clone());
        let (used, pace) = (Used::default(), Pace::default());
        let client_secret = RwLock::new(settings.client_secret.clone());
        Ok(Self(Arc::new(Inner { settings, client_secret, sealing_key, client, documents, used, pace })))
    }

    /// Replaces the secret for the provider.
    pub fn set_client_secret(&self, secret: Option<Zeroizing<String>>) {
        *self.0.client_secret.write().unwrap_or_else(PoisonError::into_inner) = secret;
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.settings.name
    }

    /// Begins a sign-in. Returns the provider's URL for the browser, and the cookie for the browser's return.
    pub(crate) async fn begin(
        &self,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<(String, Option<HeaderValue>), PageError> {
        let begun = BegunSignIn::new(random, now)?;
        let application = self.application(&*self.0.documents.discovered(now).await?, Some(&begun.nonce))?;
        let url = self.grant(&application).authorize_url(&begun.state, &begun.pkce_verifier);
        Ok((url.map_err(IdentityError::from)?, begun.cookie(&self.0.sealing_key, random)?))
    }

    /// Returns the identity that the provider proves for this browser, which must be the browser that began.
    pub(crate) async fn finish(&self, head: &request::Parts, now: Timestamp) -> Result<Finished, PageError> {
        let query = Form::of_query(&head.uri);
        let state = query.get("state").ok_or(IdentityError::NotBegun)?;
        let begun = BegunSignIn::read(&head.headers, state, &self.0.sealing_key, now).ok_or(IdentityError::NotBegun)?;
        // The answer must come from the expected issuer (RFC 9207).
        if query.get("iss").is_some_and(|issuer| issuer != self.0.settings.issuer) {
            return Err(IdentityError::Proof("the answer comes from another issuer").into());
        }
        if let Some(error) = query.get("error") {
            let plain: String = error.chars().filter(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
            return Err(IdentityError::Declined(plain).into());
        }
        let code = query.get("code").ok_or(IdentityError::NotBegun)?;
        // The next steps cost the provider a request.
        if !self.0.used.take(&begun, now) {
            return Err(IdentityError::NotBegun.into());
        }
        if !self.0.pace.take(now) {
            return Err(IdentityError::Busy.into());
        }
        let application = self.application(&*self.0.documents.discovered(now).await?, None)?;
        let tokens = self.grant(&application).exchange(&self.0.client, code, &begun.pkce_verifier).await;
        let tokens = tokens.map_err(IdentityError::from)?;
        // A code that the provider accepts proves a sign-in there, so it does not count against the limit.
        self.0.pace.give_back();
        let id_token = tokens.id_token().ok_or(IdentityError::Proof("it has no ID token"))?;
        let keys = self.0.documents.keys(token::key_name(id_token)?.as_deref(), now).await?;
        let proven = token::verify(id_token, &keys, &self.0.settings, &begun.nonce)?;
        self.require(&proven.claims)?;
        let identity = ProviderIdentity::new(self.0.settings.issuer.clone(), proven.subject);
        Ok(Finished { identity, claims: proven.claims, no_cookie: begun.no_cookie() })
    }

    /// Refuses an identity without a required claim.
    fn require(&self, claims: &Map<String, Value>) -> Result<(), IdentityError> {
        let has = |claim: Option<&Value>, value: &str| match claim {
            Some(Value::String(text)) => text == value,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(value)),
            Some(Value::Bool(flag)) => flag.to_string() == value,
            _ => false,
        };
        match self.0.settings.required_claims.iter().find(|(name, value)| !has(claims.get(*name), value)) {
            Some((name, _)) => Err(IdentityError::Required(format!("`{name}`"))),
            None => Ok(()),
        }
    }

    /// Returns the operator's name from the claims, for a first sign-in.
    pub(crate) fn who<'a>(
        &self,
        identity: &'a ProviderIdentity,
        claims: &'a Map<String, Value>,
    ) -> Result<&'a str, IdentityError> {
        let claim = &self.0.settings.claim;
        if claim == "sub" {
            return Ok(&identity.subject);
        }
        if claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(IdentityError::Proof("the e-mail address is not verified"));
        }
        let found = claims.get(claim).and_then(Value::as_str).filter(|who| !who.is_empty());
        found.ok_or(IdentityError::Proof("it lacks the claim with the operator's name"))
    }

    /// Returns the page's settings as an application of the provider.
    fn application(&self, discovered: &Discovered, nonce: Option<&str>) -> Result<ConnectorSettings, IdentityError> {
        let methods = &discovered.token_endpoint_auth_methods_supported;
        let knows = |method: &str| methods.iter().any(|known| known == method);
        let in_body = knows("client_secret_post") && !knows("client_secret_basic");
        let method = if in_body { TokenEndpointAuth::ClientSecretPost } else { TokenEndpointAuth::ClientSecretBasic };
        let parameters: BTreeMap<_, _> =
            nonce.map(|nonce| ("nonce".to_owned(), nonce.to_owned())).into_iter().collect();
        let settings = ConnectorSettings::default()
            .with_authorization_endpoint(discovered.authorization_endpoint.clone())
            .with_token_endpoint(discovered.token_endpoint.clone())
            .with_client_id(self.0.settings.client_id.clone())
            .with_client_secret(self.0.client_secret.read().unwrap_or_else(PoisonError::into_inner).clone())
            .with_token_endpoint_auth_method(method)
            .with_scope("openid email profile".to_owned())
            .with_authorization_parameters(parameters);
        // Browsers are redirected to this endpoint, so it is checked like a connector's.
        settings.check()?;
        Ok(settings)
    }

    fn grant<'a>(&'a self, settings: &'a ConnectorSettings) -> CodeGrant<'a> {
        CodeGrant::new(settings, &self.0.settings.redirect_uri)
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
    fn only_a_verified_address_counts() {
        let (provider, subject) = (provider(&[]), "1".to_owned());
        let identity = ProviderIdentity::new("https://id.example".into(), subject);
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
    fn an_identity_needs_the_required_claims() {
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
    fn a_browser_is_redirected_only_to_a_valid_endpoint() {
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
