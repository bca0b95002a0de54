use std::fmt;

use doorward_types::{Environment, Locator};

use crate::anatomy::{self, MAX_INPUT, TAIL_LENGTH};
use crate::{Digest, KeyFault, KeyPrefix};

/// A well-formed key that someone presented: a claim, not a fact.
///
/// It borrows the text, so that reading one allocates nothing, and shows the public locator alone.
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
    /// The first [`KeyFault`] in the order of their list. It never holds the text.
    pub fn parse(prefix: &KeyPrefix, text: &'a [u8]) -> Result<Self, KeyFault> {
        if text.len() > MAX_INPUT {
            return Err(KeyFault::Length);
        }
        let behind_prefix = text.strip_prefix(prefix.as_str().as_bytes());
        let Some((environment, tail)) = behind_prefix.and_then(read_environment) else {
            return Err(fault_of_foreign(text));
        };
        if tail.len() != TAIL_LENGTH {
            return Err(if is_of_key_alphabet(text) { KeyFault::Length } else { KeyFault::Alphabet });
        }
        let locator = anatomy::read_tail(tail)?;
        anatomy::check(text)?;
        Ok(Self { text, environment, locator })
    }

    /// The first well-formed key of this prefix anywhere in the text, for whoever looks for keys in the wrong place.
    #[must_use]
    pub fn find(prefix: &KeyPrefix, haystack: &'a [u8]) -> Option<Self> {
        let length = prefix.as_str().len() + 1 + Environment::Test.key_label().len() + TAIL_LENGTH;
        haystack.windows(length).find_map(|window| Self::parse(prefix, window).ok())
    }

    /// The environment that the text claims. The stored record decides.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// What looks the record up.
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

/// What a text claims at a glance: its length is a key's, and its environment is one. Enough to look a record up.
///
/// Nothing else of it was read. Nothing else needs to be where the digest of the whole text is then compared: a text with
/// the digest of a key *is* that key. [`PresentedKey::parse`] says what is wrong with one that is none.
#[derive(Clone, Copy)]
pub struct KeyClaim<'a> {
    text: &'a [u8],
    environment: Environment,
    locator: &'a [u8; Locator::LENGTH],
}

impl<'a> KeyClaim<'a> {
    /// Looks at a text. `None` where it cannot be a key of this prefix.
    #[must_use]
    pub fn at_a_glance(prefix: &KeyPrefix, text: &'a [u8]) -> Option<Self> {
        let (environment, tail) = read_environment(text.get(prefix.as_str().len()..)?)?;
        let tail: &[u8; TAIL_LENGTH] = tail.try_into().ok()?;
        let locator = tail.get(1..)?.first_chunk()?;
        Some(Self { text, environment, locator })
    }

    /// The environment that the text claims. The stored record decides.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// The bytes where a key has its locator.
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

impl fmt::Debug for KeyClaim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyClaim").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// A well-formed operator's token, `dwo_<locator>_<secret><checksum>`: a claim, not a fact.
#[derive(Clone, Copy)]
pub struct PresentedOperatorToken<'a> {
    text: &'a [u8],
    locator: Locator,
}

impl<'a> PresentedOperatorToken<'a> {
    /// What every such token starts with.
    pub const HEAD: &'static str = "dwo";

    /// Reads a token. No I/O, no allocation.
    ///
    /// # Errors
    ///
    /// The first [`KeyFault`] in the order of their list. It never holds the text.
    pub fn parse(text: &'a [u8]) -> Result<Self, KeyFault> {
        if text.len() > MAX_INPUT {
            return Err(KeyFault::Length);
        }
        let Some(tail) = text.strip_prefix(Self::HEAD.as_bytes()) else { return Err(fault_of_foreign(text)) };
        let locator = anatomy::read_tail(tail)?;
        anatomy::check(text)?;
        Ok(Self { text, locator })
    }

    /// What looks the record up.
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

/// The environment that stands behind a key's prefix, and what follows it.
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

/// The more helpful of the two faults of a text that does not start as a key.
fn fault_of_foreign(text: &[u8]) -> KeyFault {
    if is_of_key_alphabet(text) { KeyFault::Prefix } else { KeyFault::Alphabet }
}
