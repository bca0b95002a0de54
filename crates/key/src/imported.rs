//! Keys that another service made: their formats, and what is stored of them.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use doorward_types::{Environment, Locator, words};
use sha2::{Digest as _, Sha256, Sha512};

use crate::{Digest, KeyPrefix, PresentedOperatorToken};

/// The format of an imported key: the part of its text that is hashed, and the hash.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ImportFormat {
    /// SHA-256 of the text after the last underscore. The text before that underscore names the key.
    PrefixedApiKey,
    /// SHA-256 of the whole text.
    Sha256,
    /// SHA-512 of the whole text.
    Sha512,
}

words! {
    ImportFormat, "the format of an imported key is `sha256`, `sha512` or `prefixed-api-key`":
    PrefixedApiKey = "prefixed-api-key",
    Sha256 = "sha256",
    Sha512 = "sha512",
}

/// The reason why a stored hash cannot be imported. It never contains the hash.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The text before the secret part is empty, or has characters that no header may hold.
    #[error(
        "the handle is not the beginning of a key: give all text before the last underscore, such as mycompany_BRTRKFsL"
    )]
    Handle,
    /// The text is not the hash of this format.
    #[error("the digest is not {0}, in hexadecimal or base64")]
    Length(&'static str),
    /// The keys begin as this service's own keys do.
    #[error(
        "these keys begin like this service's own keys, so a text could be either: give the new service another prefix"
    )]
    OwnPrefix,
    /// The hash is a password hash, which takes milliseconds for each request.
    #[error(
        "the digest is a password hash, which is too slow to compute for each request: let the old service verify the key \
         once more and store its SHA-256, or give its owner a new key"
    )]
    PasswordHash,
}

/// All that is stored of an imported key: SHA-256 of its format, its handle and its hash.
///
/// The format and the handle are part of it, so one text cannot pass as a key of another format. The public locator comes from
/// the same digest, so a presented text finds its record by itself.
///
/// ```
/// use doorward_key::{ImportFormat, ImportedDigest, KeyPrefix, PresentedForeignKey};
///
/// let key = b"sk_live_51H8zTqLw0p9vYbN3cXe2Rk7";
/// // SHA-256 of the key, as the old service stores it.
/// let stored = "699fbfc5b9ebbb742ea4cb0fa2f5d9b2be20cfc7f2f16cfafb7ebc27a7d510bc";
/// let imported = ImportedDigest::sha256(stored)?;
/// let presented = PresentedForeignKey::peek(&KeyPrefix::default(), key).unwrap();
/// assert!(presented.digest(ImportFormat::Sha256) == Some(imported));
/// # Ok::<(), doorward_key::ImportError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ImportedDigest {
    format: ImportFormat,
    digest: Digest,
}

impl ImportedDigest {
    /// Reads the SHA-256 of a whole key: in hexadecimal, or in base64 of either alphabet, with or without padding.
    ///
    /// # Errors
    ///
    /// [`ImportError::PasswordHash`], or [`ImportError::Length`] if the text is no SHA-256.
    pub fn sha256(stored: &str) -> Result<Self, ImportError> {
        Ok(Self::of(ImportFormat::Sha256, b"", &read::<32>(stored, "a SHA-256")?))
    }

    /// Reads the SHA-512 of a whole key, in the forms of [`ImportedDigest::sha256`] or as Django writes it: `sha512$$<hex>`.
    ///
    /// # Errors
    ///
    /// [`ImportError::PasswordHash`], or [`ImportError::Length`] if the text is no SHA-512.
    pub fn sha512(stored: &str) -> Result<Self, ImportError> {
        let stored = stored.strip_prefix("sha512$$").unwrap_or(stored);
        Ok(Self::of(ImportFormat::Sha512, b"", &read::<64>(stored, "a SHA-512")?))
    }

    /// Reads the SHA-256 of the text after the last underscore of a key. `handle` is the whole text before that underscore,
    /// such as `mycompany_BRTRKFsL`.
    ///
    /// # Errors
    ///
    /// [`ImportError::Handle`] or [`ImportError::OwnPrefix`] if no such key can be presented. Else like
    /// [`ImportedDigest::sha256`].
    pub fn prefixed_api_key(prefix: &KeyPrefix, handle: &str, stored: &str) -> Result<Self, ImportError> {
        if !(1..MAX_LENGTH).contains(&handle.len()) || !is_token(handle.as_bytes()) {
            return Err(ImportError::Handle);
        }
        if begins_as_own(prefix, format!("{handle}_").as_bytes()) {
            return Err(ImportError::OwnPrefix);
        }
        Ok(Self::of(ImportFormat::PrefixedApiKey, handle.as_bytes(), &read::<32>(stored, "a SHA-256")?))
    }

    /// Refuses keys with a known beginning that this service's own keys have.
    ///
    /// # Errors
    ///
    /// [`ImportError::OwnPrefix`].
    pub fn check_beginning(prefix: &KeyPrefix, beginning: &str) -> Result<(), ImportError> {
        if begins_as_own(prefix, beginning.as_bytes()) { Err(ImportError::OwnPrefix) } else { Ok(()) }
    }

    fn of(format: ImportFormat, handle: &[u8], hash: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        // A text of our own format never begins like this, and no part runs into the next: the word ends at the zero byte,
        // and the hash has a fixed length.
        hasher.update(b"doorward imported key\0");
        hasher.update(format.as_str());
        hasher.update(b"\0");
        hasher.update(handle);
        hasher.update(hash);
        Self { format, digest: Digest::from_bytes(hasher.finalize().into()) }
    }

    /// Returns the format.
    #[must_use]
    pub const fn format(&self) -> ImportFormat {
        self.format
    }

    /// Returns the digest, to be stored.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the public name of the secret. It comes from the last eight bytes of the digest, which an index does not compare.
    #[must_use]
    pub fn locator(&self) -> Locator {
        let [.., last] = *self.digest.words();
        Locator::from_number(last)
    }
}

/// The lengths of a foreign key, in bytes. A shorter text has too little randomness, and a longer text is no key.
const MIN_LENGTH: usize = 16;
const MAX_LENGTH: usize = 512;

/// A text that may be a key of another service: a claim, not a fact.
///
/// It borrows the text, so reading allocates nothing. `Debug` shows nothing of it.
#[derive(Clone, Copy)]
pub struct PresentedForeignKey<'a>(&'a [u8]);

impl<'a> PresentedForeignKey<'a> {
    /// Reads a text of 16 to 512 bytes that a header may hold as a token (RFC 6750, section 2.1). Returns `None` for other
    /// texts, and for texts that begin like this service's own keys and tokens.
    #[must_use]
    pub fn peek(prefix: &KeyPrefix, text: &'a [u8]) -> Option<Self> {
        let fits = (MIN_LENGTH..=MAX_LENGTH).contains(&text.len()) && is_token(text) && !begins_as_own(prefix, text);
        fits.then_some(Self(text))
    }

    /// Returns all that would be stored of this key. Returns `None` if the text does not have the parts of the format.
    #[must_use]
    pub fn digest(&self, format: ImportFormat) -> Option<ImportedDigest> {
        let (handle, hash): (&[u8], _) = match format {
            ImportFormat::Sha256 => (b"", Hash::Short(Sha256::digest(self.0).into())),
            ImportFormat::Sha512 => (b"", Hash::Long(Sha512::digest(self.0).into())),
            ImportFormat::PrefixedApiKey => {
                let place = self.0.iter().rposition(|byte| *byte == b'_')?;
                let (handle, rest) = self.0.split_at_checked(place)?;
                let (_, secret) = rest.split_first()?;
                (handle, Hash::Short(Sha256::digest(secret).into()))
            }
        };
        Some(ImportedDigest::of(format, handle, hash.as_bytes()))
    }
}

impl fmt::Debug for PresentedForeignKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedForeignKey(…)")
    }
}

/// A hash on the stack.
enum Hash {
    Short([u8; 32]),
    Long([u8; 64]),
}

impl Hash {
    const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => bytes,
        }
    }
}

/// True if the text begins with the prefix and an environment, or like an operator token.
fn begins_as_own(prefix: &KeyPrefix, text: &[u8]) -> bool {
    let behind = |head: &str| text.strip_prefix(head.as_bytes()).and_then(|rest| rest.strip_prefix(b"_"));
    let environment = |label: Environment| {
        behind(prefix.as_str()).and_then(|rest| rest.strip_prefix(label.key_label().as_bytes())?.strip_prefix(b"_"))
    };
    Environment::ALL.into_iter().any(|label| environment(label).is_some())
        || behind(PresentedOperatorToken::HEAD).is_some()
}

/// True if all bytes are of RFC 6750's `b64token`.
fn is_token(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte))
}

/// Reads a hash in hexadecimal or base64.
fn read<const LENGTH: usize>(stored: &str, what: &'static str) -> Result<[u8; LENGTH], ImportError> {
    if is_password_hash(stored) {
        return Err(ImportError::PasswordHash);
    }
    let bytes = if stored.len() == 2 * LENGTH { from_hex(stored) } else { from_base64(stored) };
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(ImportError::Length(what))
}

/// True for the hashes of Django (`pbkdf2_sha256$…`) and of crypt (`$2b$…`, `$argon2id$…`, `$scrypt$…`).
fn is_password_hash(stored: &str) -> bool {
    stored.contains('$')
}

/// Returns the bytes of a text in hexadecimal, in upper or lower case.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE].iter().find_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(text).ok())
}
