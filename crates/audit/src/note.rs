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
        NoteVerifier(Ed25519Key { name: name.to_owned(), key: self.0.verifying_key().to_bytes(), kind: ED25519 })
    }

    /// Signs a text under a name. The text must end with a line feed and have no empty line; the name must have no white space
    /// and no plus sign.
    #[must_use]
    pub fn sign(&self, name: &str, text: &str) -> String {
        let signature = self.0.sign(text.as_bytes()).to_bytes();
        let signed = [&self.verifier(name).0.id()[..], &signature[..]].concat();
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
pub struct NoteVerifier(Ed25519Key);

impl NoteVerifier {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the same key under another name. One key signs under many names, and trust in its holder covers them all.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self(Ed25519Key { name: name.to_owned(), ..self.0 })
    }

    /// Returns the text of a note that this key has signed. Ignores the signatures of other keys.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a note, or has no valid signature of this key.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signature) = self.0.signature_in(note)?;
        self.0.check(text, &signature)?;
        Ok(text)
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for NoteVerifier {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        Ed25519Key::parse(text, ED25519).map(Self)
    }
}

/// A public key with its name and the kind of its signatures.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ed25519Key {
    pub(crate) name: String,
    pub(crate) key: [u8; 32],
    pub(crate) kind: u8,
}

impl Ed25519Key {
    /// Returns the start of SHA-256 of the name, a line feed, the kind and the key.
    pub(crate) fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', self.kind]);
        hash.update(self.key);
        let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
        [a, b, c, d]
    }

    /// Returns the text of a note, and the signature by this key.
    pub(crate) fn signature_in<'a>(&self, note: &'a str) -> Result<(&'a str, Vec<u8>), NoteError> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let text = note.get(..=text.len()).ok_or(NoteError::Malformed)?;
        if !signatures.ends_with('\n') {
            return Err(NoteError::Malformed);
        }
        let own = self.id();
        for line in signatures.lines() {
            let (name, signed) =
                line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(NoteError::Malformed)?;
            let signed = BASE64.decode(signed).map_err(|_| NoteError::Malformed)?;
            let (id, signature) = signed.split_at_checked(4).ok_or(NoteError::Malformed)?;
            if name == self.name && id == own {
                return Ok((text, signature.to_vec()));
            }
        }
        Err(NoteError::NotSigned(self.name.clone()))
    }

    /// Checks that this key has signed the message.
    pub(crate) fn check(&self, message: &str, signature: &[u8]) -> Result<(), NoteError> {
        let signature = Signature::from_slice(signature).map_err(|_| NoteError::Malformed)?;
        let key = VerifyingKey::from_bytes(&self.key).map_err(|_| NoteError::BadSignature)?;
        key.verify_strict(message.as_bytes(), &signature).map_err(|_| NoteError::BadSignature)
    }

    /// Reads `NAME+ID+KEY`.
    pub(crate) fn parse(text: &str, kind: u8) -> Result<Self, NoteKeyError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteKeyError);
        };
        let key = BASE64.decode(key).map_err(|_| NoteKeyError)?;
        let Some((_, key)) = key.split_first().filter(|(found, _)| **found == kind) else { return Err(NoteKeyError) };
        let found = Self { name: name.to_owned(), key: key.try_into().map_err(|_| NoteKeyError)?, kind };
        let same = id == format!("{:08x}", u32::from_be_bytes(found.id()));
        if same && !name.is_empty() && !name.contains(char::is_whitespace) { Ok(found) } else { Err(NoteKeyError) }
    }
}

impl fmt::Display for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind], &self.key[..]].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), BASE64.encode(key))
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
