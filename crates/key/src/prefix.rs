use std::fmt;
use std::str::FromStr;

/// What every key of a service starts with, so that people and secret scanners know whose it is.
///
/// At the default, `dw`, a key has 55 bytes: the most that SHA-256 takes in one block. Each byte above two costs a
/// second block in every verification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// The most characters of a prefix.
    pub const MAX_LENGTH: usize = 16;

    /// The text, without the underscore that follows it in a key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for KeyPrefix {
    fn default() -> Self {
        Self("dw".to_owned())
    }
}

impl FromStr for KeyPrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        let reads_well = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if starts_well && reads_well && text.len() <= Self::MAX_LENGTH {
            Ok(Self(text.to_owned()))
        } else {
            Err(PrefixError)
        }
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot be a prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key's prefix is a lower-case letter and at most 15 more lower-case letters or digits")]
pub struct PrefixError;
