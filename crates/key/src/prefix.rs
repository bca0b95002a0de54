use std::fmt;
use std::str::FromStr;

/// The first characters of all keys of a service, so that people and secret scanners recognize the service.
///
/// With the default, `dw`, a key has 55 bytes: the maximum for one block of SHA-256. A longer prefix costs a second block in each
/// verification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// The maximum number of characters.
    pub const MAX_LENGTH: usize = 16;

    /// Returns the text, without the underscore that follows it in a key.
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

/// The text is not a valid prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key's prefix is a lower-case letter and at most 15 more lower-case letters or digits")]
#[non_exhaustive]
pub struct PrefixError;
