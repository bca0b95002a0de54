//! One sign-in under way, as the browser that began it keeps it: nothing of it is kept here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_key::{OpaqueToken, Random, RandomError};
use doorward_link::pkce_verifier;
use doorward_records::{Sealed, SealingKeys};
use doorward_types::Timestamp;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cookies;

/// The time from the beginning of a sign-in to its end.
const LIFETIME: Duration = Duration::from_mins(10);

/// The beginning of the cookie's name, which ends in the beginning of the state: sign-ins in two tabs do not meet. A strict cookie
/// does not come back from another site, and so the cookie is lax.
const COOKIE_NAME: &str = "__Host-doorward-provider-";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// The purpose that the cookie is sealed for: nobody makes a cookie up, and nobody reads the PKCE verifier in it.
const PURPOSE: &str = "sign-in";

/// The most sign-ins that were used and whose time is not over. Each took a request at the provider.
const MAX_USED: usize = 10_000;

#[derive(Deserialize, Serialize)]
pub(super) struct Begun {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) pkce_verifier: Zeroizing<String>,
    ends_at: i64,
}

fn name_of(state: &str) -> String {
    format!("{COOKIE_NAME}{}", state.get(..10).unwrap_or_default())
}

impl Begun {
    pub(super) fn new(random: &dyn Random, now: Timestamp) -> Result<Self, RandomError> {
        let token = || OpaqueToken::generate(random).map(|token| token.expose().to_owned());
        let ends_at = (now + LIFETIME).as_millis();
        Ok(Self { state: token()?, nonce: token()?, pkce_verifier: pkce_verifier(random)?, ends_at })
    }

    /// Returns the sign-in with this state that this browser began, if its time is not over.
    pub(super) fn read(headers: &HeaderMap, state: &str, key: &SealingKeys, now: Timestamp) -> Option<Self> {
        // Only what can be a state becomes a part of a name.
        OpaqueToken::presented(state)?;
        let text = cookies::cookie_named(headers, &name_of(state))?;
        let sealed = Sealed::from_bytes(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?);
        let opened = key.open_for(PURPOSE, &sealed).ok()?;
        let begun: Self = serde_json::from_slice(&opened).ok()?;
        (begun.state == state && now.as_millis() < begun.ends_at).then_some(begun)
    }

    pub(super) fn cookie(&self, key: &SealingKeys, random: &dyn Random) -> Result<Option<HeaderValue>, RandomError> {
        let text = Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        let sealed = key.seal_for(PURPOSE, &text, random)?;
        let value = BASE64_URL_SAFE_NO_PAD.encode(sealed.as_bytes());
        let lifetime = LIFETIME.as_secs();
        let cookie = format!("{}={value}; {ATTRIBUTES}; Max-Age={lifetime}", name_of(&self.state));
        Ok(HeaderValue::try_from(cookie).ok().map(|mut cookie| {
            cookie.set_sensitive(true);
            cookie
        }))
    }

    /// Returns the cookie that takes the other one away.
    pub(super) fn no_cookie(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{}=; {ATTRIBUTES}; Max-Age=0", name_of(&self.state))).ok()
    }
}

/// The sign-ins that were used: each is good for one question to the provider.
#[derive(Debug, Default)]
pub(super) struct Used(Mutex<HashMap<String, i64>>);

impl Used {
    /// Uses a sign-in up; returns whether it was not used before.
    pub(super) fn take(&self, begun: &Begun, now: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, ends_at| now.as_millis() < *ends_at);
        used.len() < MAX_USED && used.insert(begun.state.clone(), begun.ends_at).is_none()
    }
}

#[cfg(test)]
mod tests {
    use doorward_key::SystemRandom;
    use doorward_records::SealingKey;
    use http::header::COOKIE;

    use super::*;

    fn key(byte: u8) -> SealingKeys {
        SealingKey::new(&Zeroizing::new([byte; 32])).into()
    }

    #[test]
    fn a_sign_in_is_that_of_its_browser_in_its_time_and_once() {
        let now = Timestamp::from_millis(1_000);
        let begun = Begun::new(&SystemRandom, now).unwrap();
        let set = begun.cookie(&key(7), &SystemRandom).unwrap().unwrap();
        let set = set.to_str().unwrap();
        let (pair, attributes) = set.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600");
        assert!(!set.contains(begun.pkce_verifier.as_str()) && !set.contains(&begun.nonce));
        let read = |cookie: &str, state: &str, byte, at: Timestamp| {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())]);
            Begun::read(&headers, state, &key(byte), at)
        };
        let other = Begun::new(&SystemRandom, now).unwrap();
        let both = format!("{}; {pair}", other.cookie(&key(7), &SystemRandom).unwrap().unwrap().to_str().unwrap());
        for cookie in [pair, &both] {
            let found = read(cookie, &begun.state, 7, now).unwrap();
            assert_eq!((found.nonce, found.pkce_verifier), (begun.nonce.clone(), begun.pkce_verifier.clone()));
        }
        let last = now + LIFETIME - Duration::from_millis(1);
        assert!(read(pair, &begun.state, 7, last).is_some());
        assert!(read(pair, &begun.state, 7, now + LIFETIME).is_none());
        assert!(read(pair, &begun.state, 8, now).is_none(), "sealed by someone else");
        let forged =
            format!("{}={}", name_of(&begun.state), BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&begun).unwrap()));
        let moved = format!("{}={}", name_of(&other.state), pair.split_once('=').unwrap().1);
        assert!(read(&forged, &begun.state, 7, now).is_none());
        assert!(read(&moved, &other.state, 7, now).is_none());
        assert!(read("", &begun.state, 7, now).is_none() && read(pair, "", 7, now).is_none());

        let used = Used::default();
        assert!(used.take(&begun, now) && !used.take(&begun, now) && used.take(&other, now));
    }
}
