use std::fmt;

use doorward_types::{Environment, Locator};

use crate::format::{self, MAX_INPUT, TAIL_LENGTH};
use crate::{Digest, KeyError, KeyPrefix};

/// A well-formed key that a client presented: a claim, not a fact.
///
/// It borrows the text, so reading allocates nothing. `Debug` shows only the public locator.
#[derive(Clone, Copy)]
pub struct PresentedKey<'a> {
    text: &'a [u8],
    environment: Environment,
    locator: Locator,
}

impl<'a> PresentedKey<'a> {
    /// Reads a key of this prefix. No I/O, no allocation.
    ///
    /// # Errors
    ///
    /// The first matching [`KeyError`], in their order of declaration. The error never contains the text.
    pub fn parse(prefix: &KeyPrefix, text: &'a [u8]) -> Result<Self, KeyError> {
        if text.len() > MAX_INPUT {
            return Err(KeyError::Length);
        }
        let behind_prefix = text.strip_prefix(prefix.as_str().as_bytes());
        let Some((environment, tail)) = behind_prefix.and_then(read_environment) else {
            return Err(explain_prefix_mismatch(text));
        };
        if tail.len() != TAIL_LENGTH {
            return Err(if is_of_key_alphabet(text) { KeyError::Length } else { KeyError::Alphabet });
        }
        let locator = format::read_tail(tail)?;
        format::check(text)?;
        Ok(Self { text, environment, locator })
    }

    /// Finds the first well-formed key of this prefix anywhere in the text, for checks that look for misplaced keys.
    #[must_use]
    pub fn find(prefix: &KeyPrefix, haystack: &'a [u8]) -> Option<Self> {
        let length = prefix.as_str().len() + 1 + Environment::Test.key_label().len() + TAIL_LENGTH;
        // Most places are no beginning, and the reason of a refusal costs more than this look.
        let mut beginnings = haystack.windows(length).filter(|window| window.starts_with(prefix.as_str().as_bytes()));
        beginnings.find_map(|window| Self::parse(prefix, window).ok())
    }

    /// Returns the environment that the text claims. The stored record decides.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// Returns the locator, which finds the record.
    #[must_use]
    pub const fn locator(&self) -> Locator {
        self.locator
    }

    /// SHA-256 of the whole text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text)
    }
}

impl fmt::Debug for PresentedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedKey").field("locator", &self.locator).finish_non_exhaustive()
    }
}

/// A text with the length and the environment of a key: enough to look up the record.
///
/// The rest is unread. That is enough if the caller then compares the digest of the whole text: a text with the digest of a key
/// *is* that key. [`PresentedKey::parse`] explains an invalid text.
#[derive(Clone, Copy)]
pub struct KeyCandidate<'a> {
    text: &'a [u8],
    environment: Environment,
    locator: &'a [u8; Locator::LENGTH],
}

impl<'a> KeyCandidate<'a> {
    /// Reads the environment and the locator. Returns `None` if the text cannot be a key of this prefix.
    #[must_use]
    pub fn peek(prefix: &KeyPrefix, text: &'a [u8]) -> Option<Self> {
        let (environment, tail) = read_environment(text.get(prefix.as_str().len()..)?)?;
        let tail: &[u8; TAIL_LENGTH] = tail.try_into().ok()?;
        let locator = tail.get(1..)?.first_chunk()?;
        Some(Self { text, environment, locator })
    }

    /// Returns the environment that the text claims. The stored record decides.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// Returns the bytes at the place of the locator.
    #[must_use]
    pub const fn locator(&self) -> &'a [u8; Locator::LENGTH] {
        self.locator
    }

    /// SHA-256 of the whole text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text)
    }
}

impl fmt::Debug for KeyCandidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCandidate").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// A well-formed operator token, `dwo_<locator>_<secret><checksum>`: a claim, not a fact.
#[derive(Clone, Copy)]
pub struct PresentedOperatorToken<'a> {
    text: &'a [u8],
    locator: Locator,
}

impl<'a> PresentedOperatorToken<'a> {
    /// The first characters of each operator token.
    pub const HEAD: &'static str = "dwo";

    /// Reads a token. No I/O, no allocation.
    ///
    /// # Errors
    ///
    /// The first matching [`KeyError`], in their order of declaration. The error never contains the text.
    pub fn parse(text: &'a [u8]) -> Result<Self, KeyError> {
        if text.len() > MAX_INPUT {
            return Err(KeyError::Length);
        }
        let Some(tail) = text.strip_prefix(Self::HEAD.as_bytes()) else { return Err(explain_prefix_mismatch(text)) };
        let locator = format::read_tail(tail)?;
        format::check(text)?;
        Ok(Self { text, locator })
    }

    /// Returns the locator, which finds the record.
    #[must_use]
    pub const fn locator(&self) -> Locator {
        self.locator
    }

    /// SHA-256 of the whole text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text)
    }
}

impl fmt::Debug for PresentedOperatorToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedOperatorToken").field("locator", &self.locator).finish_non_exhaustive()
    }
}

/// Reads the environment after a key's prefix. Returns it with the rest of the text.
fn read_environment(behind_prefix: &[u8]) -> Option<(Environment, &[u8])> {
    let (label, tail) = behind_prefix.split_first_chunk()?;
    match label {
        b"_prod" => Some((Environment::Production, tail)),
        b"_test" => Some((Environment::Test, tail)),
        _ => None,
    }
}

fn is_of_key_alphabet(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Returns the more helpful of the two faults of a text that does not start like a key.
fn explain_prefix_mismatch(text: &[u8]) -> KeyError {
    if is_of_key_alphabet(text) { KeyError::Prefix } else { KeyError::Alphabet }
}
