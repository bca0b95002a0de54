//! The state of a sign-in, kept in a cookie of the browser that began it. The server keeps nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_key::{OpaqueToken, Random, RandomError};
use doorward_link::pkce_verifier;
use doorward_records::SealingKeys;
use doorward_types::Timestamp;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cookies;

/// The maximum time between the start and the end of a sign-in.
const LIFETIME: Duration = Duration::from_mins(10);

/// The start of the cookie's name, which ends in the first part of the state, so that sign-ins in two tabs do not collide.
/// `SameSite` is lax: browsers do not send a strict cookie after a redirect from another site.
const COOKIE_NAME: &str = "__Host-doorward-provider-";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// The purpose for which the cookie is sealed. The seal prevents forgery and hides the PKCE verifier.
const PURPOSE: &str = "sign-in";

/// The maximum number of used sign-ins that are remembered until they expire. Each cost a request at the provider.
const MAX_REMEMBERED: usize = 10_000;

#[derive(Deserialize, Serialize)]
pub(super) struct BegunSignIn {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) pkce_verifier: Zeroizing<String>,
    ends_at: i64,
}

fn name_of(state: &str) -> String {
    format!("{COOKIE_NAME}{}", state.get(..10).unwrap_or_default())
}

impl BegunSignIn {
    pub(super) fn new(random: &dyn Random, now: Timestamp) -> Result<Self, RandomError> {
        let token = || OpaqueToken::generate(random).map(|token| token.expose().to_owned());
        let ends_at = (now + LIFETIME).as_millis();
        Ok(Self { state: token()?, nonce: token()?, pkce_verifier: pkce_verifier(random)?, ends_at })
    }

    /// Returns the sign-in with this state that this browser began, if it has not expired.
    pub(super) fn read(headers: &HeaderMap, state: &str, key: &SealingKeys, now: Timestamp) -> Option<Self> {
        // Only a valid state may become part of a cookie's name.
        OpaqueToken::presented(state)?;
        let opened = cookies::opened(headers, &name_of(state), PURPOSE, key)?;
        let begun: Self = serde_json::from_slice(&opened).ok()?;
        (begun.state == state && now.as_millis() < begun.ends_at).then_some(begun)
    }

    pub(super) fn cookie(&self, key: &SealingKeys, random: &dyn Random) -> Result<Option<HeaderValue>, RandomError> {
        let text = Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        let sealed = key.seal_for(PURPOSE, &text, random)?;
        let value = BASE64_URL_SAFE_NO_PAD.encode(sealed.as_bytes());
        let lifetime = LIFETIME.as_secs();
        Ok(cookies::sensitive(format!("{}={value}; {ATTRIBUTES}; Max-Age={lifetime}", name_of(&self.state))).ok())
    }

    /// Returns the cookie that deletes this cookie.
    pub(super) fn no_cookie(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{}=; {ATTRIBUTES}; Max-Age=0", name_of(&self.state))).ok()
    }
}

/// The used sign-ins: each allows one request to the provider.
#[derive(Debug, Default)]
pub(super) struct Used(Mutex<HashMap<String, i64>>);

impl Used {
    /// Uses a sign-in. Returns false if it was used before.
    pub(super) fn take(&self, begun: &BegunSignIn, now: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, ends_at| now.as_millis() < *ends_at);
        used.len() < MAX_REMEMBERED && used.insert(begun.state.clone(), begun.ends_at).is_none()
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
    fn a_sign_in_works_once_in_its_browser_and_in_time() {
        let now = Timestamp::from_millis(1_000);
        let begun = BegunSignIn::new(&SystemRandom, now).unwrap();
        let set = begun.cookie(&key(7), &SystemRandom).unwrap().unwrap();
        let set = set.to_str().unwrap();
        let (pair, attributes) = set.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600");
        assert!(!set.contains(begun.pkce_verifier.as_str()) && !set.contains(&begun.nonce));
        let read = |cookie: &str, state: &str, byte, at: Timestamp| {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())]);
            BegunSignIn::read(&headers, state, &key(byte), at)
        };
        let other = BegunSignIn::new(&SystemRandom, now).unwrap();
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
