//! Assertions of who sent a request, for services behind a gateway.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use doorward_assertion::{AssertionKeys, Claims};
use doorward_auth::Principal;
use doorward_types::{Environment, Timestamp};

/// The environments whose keys pass a profile of forward-auth.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Keys {
    /// Keys of both environments.
    Any,
    /// Keys of one environment.
    Of(Environment),
}

impl Keys {
    /// Reads `production`, `test` or `any`.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        if text == "any" { Some(Self::Any) } else { text.parse().ok().map(Self::Of) }
    }
}

/// A profile of forward-auth with the audience of its assertions, written `production=https://api.example.com`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audience {
    profile: Keys,
    audience: String,
}

impl FromStr for Audience {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let form = "a profile and its audience are written as `production=https://api.example.com`";
        let (profile, audience) = text.split_once('=').ok_or(form)?;
        let profile = Keys::named(profile).ok_or("the profile is one of `production`, `test` and `any`")?;
        if audience.is_empty() { Err(form) } else { Ok(Self { profile, audience: audience.to_owned() }) }
    }
}

/// The maker of assertions.
#[derive(Debug)]
pub struct Assertions {
    issuer: String,
    audiences: BTreeMap<Keys, String>,
    keys: ArcSwap<AssertionKeys>,
}

impl Assertions {
    /// Makes assertions in the name of this issuer, for the audience of each profile.
    #[must_use]
    pub fn new(issuer: String, audiences: &[Audience], keys: AssertionKeys) -> Self {
        let audiences = audiences.iter().cloned().map(|Audience { profile, audience }| (profile, audience)).collect();
        Self { issuer, audiences, keys: ArcSwap::from_pointee(keys) }
    }

    /// Signs with these keys from now on.
    pub fn replace_keys(&self, keys: AssertionKeys) {
        self.keys.store(Arc::new(keys));
    }

    /// Returns an assertion of who sent a request, if the profile has an audience.
    pub(crate) fn sign(&self, profile: Keys, principal: &Principal, now: Timestamp) -> Option<String> {
        let claims = Claims {
            issuer: &self.issuer,
            audience: self.audiences.get(&profile)?,
            access_key: principal.key_id(),
            organization: principal.organization_id(),
            environment: principal.environment(),
            key_name: principal.key_name().as_str(),
        };
        self.keys.load().sign(&claims, now)
    }

    /// Returns the public keys: a JSON Web Key Set.
    pub(crate) fn public(&self) -> String {
        self.keys.load().public()
    }
}
