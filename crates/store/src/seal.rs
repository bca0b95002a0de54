use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use doorward_key::{Random, RandomError};
use zeroize::Zeroizing;

use crate::Scope;

const NONCE_LENGTH: usize = 24;

/// Seals credentials at rest with XChaCha20-Poly1305, whose nonces are long enough to be drawn at random.
///
/// Organization, environment and the record's name are bound in as associated data: a sealed credential that is moved to
/// another row does not open there.
pub struct SealingKey(XChaCha20Poly1305);

impl SealingKey {
    /// Bytes of a key.
    pub const LENGTH: usize = 32;

    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: &Zeroizing<[u8; Self::LENGTH]>) -> Self {
        let bytes: &[u8; Self::LENGTH] = bytes;
        Self(XChaCha20Poly1305::new(bytes.into()))
    }

    /// Seals a secret for one record of one scope.
    ///
    /// # Errors
    ///
    /// Where the generator fails.
    pub fn seal(&self, scope: &Scope, record: &str, secret: &[u8], random: &dyn Random) -> Result<Sealed, RandomError> {
        self.seal_with(associated_data(scope, record), secret, random)
    }

    /// Seals a text that belongs to no record of a scope, such as a cookie, for one purpose.
    ///
    /// # Errors
    ///
    /// Fails if the generator fails.
    pub fn seal_for(&self, purpose: &str, text: &[u8], random: &dyn Random) -> Result<Sealed, RandomError> {
        self.seal_with(purpose_data(purpose), text, random)
    }

    /// Opens what was sealed for this purpose.
    ///
    /// # Errors
    ///
    /// Fails if it was sealed with another key or for something else, or was changed since.
    pub fn open_for(&self, purpose: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.open_with(purpose_data(purpose), sealed)
    }

    fn seal_with(&self, aad: Vec<u8>, msg: &[u8], random: &dyn Random) -> Result<Sealed, RandomError> {
        let mut nonce = [0; NONCE_LENGTH];
        random.fill(&mut nonce)?;
        let sealed = self.0.encrypt(&XNonce::from(nonce), Payload { msg, aad: &aad }).map_err(|_| RandomError)?;
        Ok(Sealed([nonce.as_slice(), &sealed].concat()))
    }

    fn open_with(&self, aad: Vec<u8>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, msg) = sealed.0.split_first_chunk::<NONCE_LENGTH>().ok_or(SealError)?;
        let payload = Payload { msg, aad: &aad };
        self.0.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SealError)
    }

    /// Opens what was sealed for this record of this scope.
    ///
    /// # Errors
    ///
    /// Where it was sealed with another key or for another record, or was changed since.
    pub fn open(&self, scope: &Scope, record: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.open_with(associated_data(scope, record), sealed)
    }
}

/// Ids and environments have no line breaks, so that no two lists of them read the same.
fn associated_data(scope: &Scope, record: &str) -> Vec<u8> {
    format!("doorward:credential:1\n{}\n{}\n{record}", scope.organization(), scope.environment()).into_bytes()
}

/// No purpose has a line break, and every record has.
fn purpose_data(purpose: &str) -> Vec<u8> {
    format!("doorward:{}:1", purpose.replace('\n', "")).into_bytes()
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// A sealed secret: the nonce, then ciphertext and tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// What an engine stored.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What an engine stores.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A sealed secret did not open.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the credential was sealed with another key or for another record, or was changed since")]
pub struct SealError;

#[cfg(test)]
mod tests {
    use doorward_key::SystemRandom;
    use doorward_types::{Environment, OrganizationId};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test of what a scope is bound into")]
    fn a_sealed_secret_opens_in_its_own_place_only() {
        let key = SealingKey::new(&Zeroizing::new([7; 32]));
        let scope = Scope::assertion(OrganizationId::from_u128(1), Environment::Production);
        let sealed = key.seal(&scope, "ru_a/github", b"hunter2", &SystemRandom).unwrap();
        assert!(!sealed.as_bytes().windows(7).any(|window| window == b"hunter2"));
        assert_eq!(key.open(&scope, "ru_a/github", &sealed).unwrap().as_slice(), b"hunter2");

        let other_organization = Scope::assertion(OrganizationId::from_u128(2), Environment::Production);
        let other_environment = Scope::assertion(OrganizationId::from_u128(1), Environment::Test);
        assert_eq!(key.open(&other_organization, "ru_a/github", &sealed), Err(SealError));
        assert_eq!(key.open(&other_environment, "ru_a/github", &sealed), Err(SealError));
        assert_eq!(key.open(&scope, "ru_b/github", &sealed), Err(SealError));
        assert_eq!(SealingKey::new(&Zeroizing::new([8; 32])).open(&scope, "ru_a/github", &sealed), Err(SealError));
        for place in 0..sealed.as_bytes().len() {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[place] ^= 1;
            assert_eq!(key.open(&scope, "ru_a/github", &Sealed::from_bytes(bytes)), Err(SealError));
        }
        assert_eq!(key.open(&scope, "ru_a/github", &Sealed::from_bytes(vec![0; 5])), Err(SealError));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test of what a scope is bound into")]
    fn a_text_opens_for_its_own_purpose_only() {
        let key = SealingKey::new(&Zeroizing::new([7; 32]));
        let scope = Scope::assertion(OrganizationId::from_u128(1), Environment::Production);
        let sealed = key.seal_for("sign-in", b"hunter2", &SystemRandom).unwrap();
        assert_eq!(key.open_for("sign-in", &sealed).unwrap().as_slice(), b"hunter2");
        assert_eq!(key.open_for("sign-out", &sealed), Err(SealError));
        assert_eq!(SealingKey::new(&Zeroizing::new([8; 32])).open_for("sign-in", &sealed), Err(SealError));
        let record = key.seal(&scope, "ru_a/github", b"hunter2", &SystemRandom).unwrap();
        let posing = format!("credential:1\n{}\nproduction\nru_a/github", scope.organization());
        assert_eq!(key.open_for(&posing, &record), Err(SealError));
    }
}
