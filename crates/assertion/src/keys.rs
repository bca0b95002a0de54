//! The keys that sign assertions: a private JSON Web Key Set (RFC 7517) in a file, so that all servers share it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use doorward_types::Timestamp;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::Claims;
use crate::token;

/// The time between a key's creation and its first signature. In this time every server gets the file, and every service reads
/// the public keys again (they may be cached for half of it).
pub const PUBLISH_LEAD: Duration = Duration::from_secs(600);

/// The time for which a retired key stays published: much longer than [`LIFETIME`](crate::LIFETIME).
const RETIRED_KEY_RETENTION: Duration = Duration::from_secs(3_600);

/// The keys that sign assertions. The newest key whose start has come signs. All keys are published.
#[derive(Clone, Debug, Default)]
pub struct AssertionKeys {
    /// In the order of their start.
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: String,
    signing: SigningKey,
    signs_from: Timestamp,
}

/// The text is not a set of assertion keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the file has no assertion keys: create it with `doorward assertion-key rotate`")]
#[non_exhaustive]
pub struct AssertionKeysError;

impl AssertionKeys {
    /// Returns the set with a new key from this seed, which must be random and secret. The first key signs at once, a later key
    /// after [`PUBLISH_LEAD`]. Drops old keys whose assertions have all expired.
    #[must_use]
    pub fn rotated(&self, seed: Zeroizing<[u8; 32]>, now: Timestamp) -> Self {
        let mut keys = self.keys.clone();
        // A key stops signing when the next key starts.
        let is_of_use = |next: Option<&Key>| next.is_none_or(|next| now < next.signs_from + RETIRED_KEY_RETENTION);
        let kept = (0..keys.len()).map(|place| is_of_use(keys.get(place + 1))).collect::<Vec<_>>();
        let mut kept = kept.into_iter();
        keys.retain(|_| kept.next().unwrap_or(true));
        let signs_from = if keys.is_empty() { now } else { now + PUBLISH_LEAD };
        keys.push(Key::new(&seed, signs_from));
        Self { keys }
    }

    /// Returns the id of the newest key, which signs after [`PUBLISH_LEAD`] at the latest.
    #[must_use]
    pub fn newest(&self) -> Option<&str> {
        self.keys.last().map(|key| key.id.as_str())
    }

    /// Returns a signed assertion, or `None` if there is no key.
    #[must_use]
    pub fn sign(&self, claims: &Claims<'_>, now: Timestamp) -> Option<String> {
        let due = self.keys.iter().rev().find(|key| key.signs_from <= now);
        // If this clock is behind, the oldest key signs: every service has it.
        let key = due.or_else(|| self.keys.first())?;
        Some(token::signed(claims, &key.id, &key.signing, now))
    }

    /// Returns the public keys as a JSON Web Key Set.
    #[must_use]
    pub fn public(&self) -> String {
        let keys = self.keys.iter().map(|key| Jwk { d: None, signs_from: None, ..key.to_jwk() }).collect();
        serde_json::to_string(&JwkSet { keys }).unwrap_or_default()
    }

    /// Returns the text of the file: the private keys, one on each line.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let lines = self.keys.iter().filter_map(|key| serde_json::to_string(&key.to_jwk()).ok().map(Zeroizing::new));
        let lines = lines.map(|line| Zeroizing::new(format!("    {}", *line))).collect::<Vec<_>>();
        let lines = lines.iter().map(|line| line.as_str()).collect::<Vec<_>>();
        Zeroizing::new(format!("{{\"keys\": [\n{}\n]}}\n", lines.join(",\n")))
    }
}

impl FromStr for AssertionKeys {
    type Err = AssertionKeysError;

    fn from_str(text: &str) -> Result<Self, AssertionKeysError> {
        let set: JwkSet = serde_json::from_str(text).map_err(|_| AssertionKeysError)?;
        let mut keys = set.keys.into_iter().map(Key::of_jwk).collect::<Option<Vec<_>>>().ok_or(AssertionKeysError)?;
        if keys.is_empty() {
            return Err(AssertionKeysError);
        }
        keys.sort_by_key(|key| key.signs_from);
        Ok(Self { keys })
    }
}

/// The field names are from RFC 8037, section 2. The last field is Doorward's own: the key's start in seconds.
#[derive(Deserialize, Serialize)]
struct Jwk {
    kty: String,
    crv: String,
    alg: String,
    r#use: String,
    kid: String,
    x: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signs_from: Option<i64>,
}

#[derive(Deserialize, Serialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

impl Key {
    fn new(seed: &Zeroizing<[u8; 32]>, signs_from: Timestamp) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let x = BASE64URL.encode(signing.verifying_key().to_bytes());
        // The key's thumbprint (RFC 7638, section 3; RFC 8037, appendix A.3).
        let id = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Self { id: BASE64URL.encode(id), signing, signs_from }
    }

    fn of_jwk(jwk: Jwk) -> Option<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        let read = BASE64URL.decode_slice(jwk.d?.as_bytes(), &mut *seed);
        let signs_from = Timestamp::from_millis(jwk.signs_from.unwrap_or_default().checked_mul(1_000)?);
        let key = Self::new(&seed, signs_from);
        let is_whole = read == Ok(32) && jwk.kty == "OKP" && jwk.crv == "Ed25519" && jwk.kid == key.id;
        is_whole.then_some(key)
    }

    fn to_jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            r#use: "sig".to_owned(),
            kid: self.id.clone(),
            x: BASE64URL.encode(self.signing.verifying_key().to_bytes()),
            d: Some(Zeroizing::new(BASE64URL.encode(self.signing.to_bytes()))),
            signs_from: Some(self.signs_from.as_millis().div_euclid(1_000)),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("signs_from", &self.signs_from).finish_non_exhaustive()
    }
}
