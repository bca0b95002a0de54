use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use doorward_key::{Random, RandomError};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use doorward_store::{Scope, SealingKeyId};

use crate::Sealed;
use crate::sealed::MARKER;

const NONCE_LENGTH: usize = 24;

/// The keys that open sealed values. One of them seals new values.
///
/// The newest key seals until [`SealingKeys::seal_by`] chooses another key. Servers seal with the key that the store
/// names, so that a key is on every server before the first value is sealed with it.
pub struct SealingKeys {
    ring: RwLock<Ring>,
    source: Option<Source>,
}

/// Reads the keys again, for a value with an unknown key.
type Source = Box<dyn Fn(SealingKeyId) -> Option<SealingKeys> + Send + Sync>;

#[derive(Clone)]
struct Ring {
    /// The keys, oldest first.
    keys: Vec<Arc<SealingKey>>,
    sealing: Arc<SealingKey>,
}

impl SealingKeys {
    /// Returns the same keys with a `source` that is called if a value names an unknown key. The source returns `None`
    /// if it cannot read keys, or was called for the same key a moment ago.
    #[must_use]
    pub fn with_source(self, source: impl Fn(SealingKeyId) -> Option<Self> + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..self }
    }

    /// Returns the ids of the keys, oldest first.
    #[must_use]
    pub fn ids(&self) -> Vec<SealingKeyId> {
        self.ring().keys.iter().map(|key| key.id).collect()
    }

    /// Returns true if a key has this id.
    #[must_use]
    pub fn has(&self, id: SealingKeyId) -> bool {
        self.ring().keys.iter().any(|key| key.id == id)
    }

    /// Returns the id of the key that seals.
    #[must_use]
    pub fn sealing(&self) -> SealingKeyId {
        self.ring().sealing.id
    }

    /// Chooses the key that seals. Returns false if no key has this id.
    pub fn seal_by(&self, id: SealingKeyId) -> bool {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let Some(key) = ring.keys.iter().find(|key| key.id == id).cloned() else { return false };
        ring.sealing = key;
        true
    }

    /// Chooses the key that seals, and reads it from the source if necessary. Returns false if no key has this id.
    pub fn find(&self, id: SealingKeyId) -> bool {
        if !self.has(id) {
            self.read_again(id);
        }
        self.seal_by(id)
    }

    /// Adds new keys. The key that seals stays the same.
    pub fn add(&self, read: &Self) {
        let read = read.ring();
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        for key in read.keys {
            if ring.keys.iter().all(|known| known.id != key.id) {
                ring.keys.push(key);
            }
        }
    }

    /// Seals a secret for one record of one scope.
    ///
    /// # Errors
    ///
    /// Fails if the generator fails.
    pub fn seal(&self, scope: &Scope, record: &str, secret: &[u8], random: &dyn Random) -> Result<Sealed, RandomError> {
        self.ring().sealing.seal_with(&associated_data(scope, record), secret, random)
    }

    /// Seals a text without a record, such as a cookie, for one purpose.
    ///
    /// # Errors
    ///
    /// Fails if the generator fails.
    pub fn seal_for(&self, purpose: &str, text: &[u8], random: &dyn Random) -> Result<Sealed, RandomError> {
        self.ring().sealing.seal_with(&purpose_data(purpose), text, random)
    }

    /// Opens a value that was sealed for this record of this scope with any of the keys.
    ///
    /// # Errors
    ///
    /// Fails if the value was sealed with an unknown key or for another record, or was changed.
    pub fn open(&self, scope: &Scope, record: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.open_with(&associated_data(scope, record), sealed)
    }

    /// Opens a value that was sealed for this purpose with any of the keys.
    ///
    /// # Errors
    ///
    /// Fails if the value was sealed with an unknown key or for another purpose, or was changed.
    pub fn open_for(&self, purpose: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.open_with(&purpose_data(purpose), sealed)
    }

    /// Returns the id of the key that opens this value.
    pub(crate) fn opener(&self, scope: &Scope, record: &str, sealed: &Sealed) -> Option<SealingKeyId> {
        let aad = associated_data(scope, record);
        self.ring().keys.iter().rev().find(|key| key.open_with(&aad, sealed).is_ok()).map(|key| key.id)
    }

    fn open_with(&self, aad: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if let Some(id) = sealed.key_id().filter(|id| !self.has(*id)) {
            self.read_again(id);
        }
        self.ring().keys.iter().rev().find_map(|key| key.open_with(aad, sealed).ok()).ok_or(SealError)
    }

    fn read_again(&self, id: SealingKeyId) {
        if let Some(read) = self.source.as_ref().and_then(|source| source(id)) {
            self.add(&read);
        }
    }

    fn ring(&self) -> Ring {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<SealingKey> for SealingKeys {
    fn from(key: SealingKey) -> Self {
        let key = Arc::new(key);
        Self { ring: RwLock::new(Ring { keys: vec![Arc::clone(&key)], sealing: key }), source: None }
    }
}

/// Reads a file of keys, with one key on each line, the newest last.
impl FromStr for SealingKeys {
    type Err = SealingKeyError;

    fn from_str(text: &str) -> Result<Self, SealingKeyError> {
        let keys: Vec<_> =
            text.split_whitespace().map(|line| line.parse().map(Arc::new)).collect::<Result<_, SealingKeyError>>()?;
        let sealing = keys.last().cloned().ok_or(SealingKeyError)?;
        Ok(Self { ring: RwLock::new(Ring { keys, sealing }), source: None })
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealingKeys").field(&self.ids()).finish()
    }
}

fn id_of(key: &[u8; SealingKey::LENGTH]) -> SealingKeyId {
    let digest: [u8; 32] = Sha256::new().chain_update("doorward:sealing-key:1\n").chain_update(key).finalize().into();
    let mut id = [0; SealingKeyId::LENGTH];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    SealingKeyId::from_bytes(id)
}

/// A key that seals credentials at rest with XChaCha20-Poly1305, whose nonces are long enough to be random.
///
/// Organization, environment and the record's name are the associated data, so a sealed credential that is moved to
/// another row cannot be opened there.
pub struct SealingKey {
    cipher: XChaCha20Poly1305,
    id: SealingKeyId,
}

impl SealingKey {
    /// The number of bytes in a key.
    pub const LENGTH: usize = 32;

    /// Returns the key with these bytes.
    #[must_use]
    pub fn new(bytes: &Zeroizing<[u8; Self::LENGTH]>) -> Self {
        let bytes: &[u8; Self::LENGTH] = bytes;
        Self { cipher: XChaCha20Poly1305::new(bytes.into()), id: id_of(bytes) }
    }

    /// Draws a random key. Returns it with its line for a file of keys.
    ///
    /// # Errors
    ///
    /// Fails if the generator fails.
    pub fn draw(random: &dyn Random) -> Result<(Self, Zeroizing<String>), RandomError> {
        let mut bytes = Zeroizing::new([0_u8; Self::LENGTH]);
        random.fill(bytes.as_mut())?;
        let line = Zeroizing::new(format!("{}\n", BASE64_STANDARD.encode(bytes.as_slice())));
        Ok((Self::new(&bytes), line))
    }

    /// Returns the id of the key.
    #[must_use]
    pub const fn id(&self) -> SealingKeyId {
        self.id
    }

    fn seal_with(&self, aad: &[u8], msg: &[u8], random: &dyn Random) -> Result<Sealed, RandomError> {
        let mut nonce = [0; NONCE_LENGTH];
        random.fill(&mut nonce)?;
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg, aad }).map_err(|_| RandomError)?;
        Ok(Sealed::from_bytes([MARKER.as_slice(), self.id.as_bytes(), &nonce, &sealed].concat()))
    }

    fn open_with(&self, aad: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let named = sealed.named().filter(|(id, _)| *id == self.id);
        let named = named.and_then(|(_, rest)| self.decrypt(aad, rest).ok());
        // The nonce of an older value may look like a marker.
        named.map_or_else(|| self.decrypt(aad, sealed.as_bytes()), Ok)
    }

    fn decrypt(&self, aad: &[u8], bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, msg) = bytes.split_first_chunk::<NONCE_LENGTH>().ok_or(SealError)?;
        let payload = Payload { msg, aad };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SealError)
    }
}

/// Reads a key of 32 bytes in base64.
impl FromStr for SealingKey {
    type Err = SealingKeyError;

    fn from_str(text: &str) -> Result<Self, SealingKeyError> {
        let mut bytes = Zeroizing::new([0_u8; Self::LENGTH]);
        match BASE64_STANDARD.decode_slice(text, bytes.as_mut()) {
            Ok(Self::LENGTH) => Ok(Self::new(&bytes)),
            _ => Err(SealingKeyError),
        }
    }
}

/// The error for a text that is not a sealing key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a sealing key is 32 bytes in base64; a file of several keys has one key on each line, the newest last")]
#[non_exhaustive]
pub struct SealingKeyError;

/// Returns the associated data of a record. Ids and environments have no line breaks, so different lists have different
/// texts.
fn associated_data(scope: &Scope, record: &str) -> Vec<u8> {
    format!("doorward:credential:1\n{}\n{}\n{record}", scope.organization(), scope.environment()).into_bytes()
}

/// Returns the associated data of a purpose. It has no line break, so it differs from every record's.
fn purpose_data(purpose: &str) -> Vec<u8> {
    format!("doorward:{}:1", purpose.replace('\n', "")).into_bytes()
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// The error for a sealed secret that cannot be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the credential was sealed with an unknown key or for another record, or was changed")]
pub struct SealError;

#[cfg(test)]
mod tests {
    use doorward_key::SystemRandom;
    use doorward_types::{Environment, OrganizationId};

    use super::*;

    fn keys(byte: u8) -> SealingKeys {
        SealingKey::new(&Zeroizing::new([byte; 32])).into()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test of values that are bound to a scope")]
    fn a_sealed_secret_opens_in_its_own_place_only() {
        let key = keys(7);
        let scope = Scope::assertion(OrganizationId::from_u128(1), Environment::Production);
        let sealed = key.seal(&scope, "ru_a/github", b"hunter2", &SystemRandom).unwrap();
        assert!(!sealed.as_bytes().windows(7).any(|window| window == b"hunter2"));
        assert_eq!(key.open(&scope, "ru_a/github", &sealed).unwrap().as_slice(), b"hunter2");

        let other_organization = Scope::assertion(OrganizationId::from_u128(2), Environment::Production);
        let other_environment = Scope::assertion(OrganizationId::from_u128(1), Environment::Test);
        assert_eq!(key.open(&other_organization, "ru_a/github", &sealed), Err(SealError));
        assert_eq!(key.open(&other_environment, "ru_a/github", &sealed), Err(SealError));
        assert_eq!(key.open(&scope, "ru_b/github", &sealed), Err(SealError));
        assert_eq!(keys(8).open(&scope, "ru_a/github", &sealed), Err(SealError));
        for place in 0..sealed.as_bytes().len() {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[place] ^= 1;
            assert_eq!(key.open(&scope, "ru_a/github", &Sealed::from_bytes(bytes)), Err(SealError));
        }
        assert_eq!(key.open(&scope, "ru_a/github", &Sealed::from_bytes(vec![0; 5])), Err(SealError));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test of values that are bound to a scope")]
    fn several_keys_open_and_the_chosen_one_seals() {
        let scope = Scope::assertion(OrganizationId::from_u128(1), Environment::Production);
        let (old, old_line) = SealingKey::draw(&SystemRandom).unwrap();
        let (new, new_line) = SealingKey::draw(&SystemRandom).unwrap();
        let keys: SealingKeys = format!("{}{}", *old_line, *new_line).parse().unwrap();
        let (old_id, new_id) = (old.id(), new.id());
        assert_eq!((keys.ids(), keys.sealing()), (vec![old_id, new_id], new_id));
        let sealed = keys.seal(&scope, "a", b"hunter2", &SystemRandom).unwrap();
        assert_eq!(sealed.key_id(), Some(new_id));
        assert_eq!(SealingKeys::from(old).open(&scope, "a", &sealed), Err(SealError));
        assert!(keys.seal_by(old_id));
        let sealed_by_old = keys.seal(&scope, "a", b"hunter2", &SystemRandom).unwrap();
        assert_eq!(sealed_by_old.key_id(), Some(old_id));
        assert!(!keys.seal_by(SealingKeyId::from_bytes([1; 8])));
        // An older value does not name its key.
        let unnamed = Sealed::from_bytes(sealed_by_old.as_bytes()[12..].to_vec());
        for sealed in [&sealed, &sealed_by_old, &unnamed] {
            assert_eq!(keys.open(&scope, "a", sealed).unwrap().as_slice(), b"hunter2");
            assert_eq!(keys.open(&scope, "b", sealed), Err(SealError));
        }
    }

    #[test]
    fn keys_are_read_again_for_a_value_of_a_key_that_is_not_known() {
        let (old, _) = SealingKey::draw(&SystemRandom).unwrap();
        let (new, line) = SealingKey::draw(&SystemRandom).unwrap();
        let (old_id, new_id) = (old.id(), new.id());
        let sealed = SealingKeys::from(new).seal_for("a", b"hunter2", &SystemRandom).unwrap();
        let keys = SealingKeys::from(old);
        assert_eq!(keys.open_for("a", &sealed), Err(SealError));
        let keys = keys.with_source(move |_| line.parse().ok());
        assert_eq!(keys.open_for("a", &sealed).unwrap().as_slice(), b"hunter2");
        assert_eq!((keys.sealing(), keys.ids()), (old_id, vec![old_id, new_id]));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (key, line) = SealingKey::draw(&SystemRandom).unwrap();
        assert_eq!(line.trim().parse::<SealingKey>().unwrap().id(), key.id());
        assert_eq!(key.id().to_string().parse(), Ok(key.id()));
        for text in ["", "\n", "AAAA", &line.trim()[1..], &format!("{}no key", *line)] {
            assert_eq!(text.parse::<SealingKeys>().err(), Some(SealingKeyError), "{text}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test of values that are bound to a scope")]
    fn a_text_opens_for_its_own_purpose_only() {
        let key = keys(7);
        let scope = Scope::assertion(OrganizationId::from_u128(1), Environment::Production);
        let sealed = key.seal_for("sign-in", b"hunter2", &SystemRandom).unwrap();
        assert_eq!(key.open_for("sign-in", &sealed).unwrap().as_slice(), b"hunter2");
        assert_eq!(key.open_for("sign-out", &sealed), Err(SealError));
        assert_eq!(keys(8).open_for("sign-in", &sealed), Err(SealError));
        let record = key.seal(&scope, "ru_a/github", b"hunter2", &SystemRandom).unwrap();
        let posing = format!("credential:1\n{}\nproduction\nru_a/github", scope.organization());
        assert_eq!(key.open_for(&posing, &record), Err(SealError));
    }
}
