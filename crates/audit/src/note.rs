//! Signed notes (C2SP `signed-note`), signed with Ed25519.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The number of Ed25519 in a signed note.
const ED25519: u8 = 1;

/// A key that signs checkpoints. It has no `Display`, and is wiped on drop.
pub struct NoteKey(SigningKey);

impl NoteKey {
    /// Creates the key from this seed, which must be random and secret.
    #[must_use]
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Returns a seed as the text that `parse` reads.
    #[must_use]
    pub fn seed_text(seed: &Zeroizing<[u8; 32]>) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", BASE64.encode(**seed)))
    }

    /// Returns the verifier of this key's signatures under a name.
    #[must_use]
    pub fn verifier(&self, name: &str) -> NoteVerifier {
        NoteVerifier { name: name.to_owned(), key: self.0.verifying_key().to_bytes() }
    }

    /// Signs a text under a name. The text must end with a line feed and have no empty line; the name must have no white space
    /// and no plus sign.
    #[must_use]
    pub fn sign(&self, name: &str, text: &str) -> String {
        let signature = self.0.sign(text.as_bytes()).to_bytes();
        let signed = [&self.verifier(name).id()[..], &signature[..]].concat();
        format!("{text}\n— {name} {}\n", BASE64.encode(signed))
    }
}

impl FromStr for NoteKey {
    type Err = NoteKeyError;

    /// Reads a seed in base64.
    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        match BASE64.decode_slice(text.trim(), &mut *seed) {
            Ok(32) => Ok(Self::from_seed(&seed)),
            _ => Err(NoteKeyError),
        }
    }
}

doorward_types::debug_as!(NoteKey, "NoteKey");

/// The verifier of one key's signatures under one name. Its text is `NAME+ID+KEY`, as the signed-note specification defines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoteVerifier {
    name: String,
    key: [u8; 32],
}

impl NoteVerifier {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the same key under another name. One key signs under many names, and trust in its holder covers them all.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), key: self.key }
    }

    /// Returns the text of a note that this key has signed. Ignores the signatures of other keys.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a note, or has no valid signature of this key.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let text = note.get(..=text.len()).ok_or(NoteError::Malformed)?;
        if !signatures.ends_with('\n') {
            return Err(NoteError::Malformed);
        }
        for line in signatures.lines() {
            let (name, signed) =
                line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(NoteError::Malformed)?;
            let signed = BASE64.decode(signed).map_err(|_| NoteError::Malformed)?;
            let (id, signature) = signed.split_at_checked(4).ok_or(NoteError::Malformed)?;
            if name != self.name || id != self.id() {
                continue;
            }
            let signature = Signature::from_slice(signature).map_err(|_| NoteError::Malformed)?;
            let key = VerifyingKey::from_bytes(&self.key).map_err(|_| NoteError::BadSignature)?;
            let verified = key.verify_strict(text.as_bytes(), &signature);
            return verified.map(|()| text).map_err(|_| NoteError::BadSignature);
        }
        Err(NoteError::NotSigned(self.name.clone()))
    }

    /// Returns the start of SHA-256 of the name, a line feed, the algorithm and the key.
    fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', ED25519]);
        hash.update(self.key);
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        [a, b, c, d]
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], &self.key[..]].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), BASE64.encode(key))
    }
}

impl FromStr for NoteVerifier {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteKeyError);
        };
        let key = BASE64.decode(key).map_err(|_| NoteKeyError)?;
        let Some((&ED25519, key)) = key.split_first() else { return Err(NoteKeyError) };
        let verifier = Self { name: name.to_owned(), key: key.try_into().map_err(|_| NoteKeyError)? };
        let same = id == format!("{:08x}", u32::from_be_bytes(verifier.id()));
        if same && !name.is_empty() && !name.contains(char::is_whitespace) { Ok(verifier) } else { Err(NoteKeyError) }
    }
}

/// The text is not a key for signed notes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a signing key is 32 bytes in base64; a verifier key has the form NAME+ID+KEY (C2SP signed-note)")]
#[non_exhaustive]
pub struct NoteKeyError;

/// The reason why a note cannot be trusted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The signature does not match this key and text.
    #[error("the signature is wrong: the note was changed, or another key signed it")]
    BadSignature,
    /// The text is not a signed note.
    #[error("this is not a signed note")]
    Malformed,
    /// This key has not signed the note.
    #[error("{0} has not signed this note")]
    NotSigned(String),
}
