use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// The public part of a key's text: ten characters that name one secret in lists, logs and dashboards.
///
/// It looks the record up and is neither secret nor sequential. 62¹⁰ ≈ 2^59.5 values, drawn at random.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct Locator([u8; Self::LENGTH]);

impl Locator {
    /// Characters in a locator.
    pub const LENGTH: usize = 10;

    /// The locator with this text.
    ///
    /// # Errors
    ///
    /// Where a byte is not one of `0-9A-Za-z`.
    pub fn new(text: [u8; Self::LENGTH]) -> Result<Self, LocatorError> {
        // Sixteen at a time is one step of the machine's; ten are ten.
        let mut padded = [b'0'; 16];
        let (front, _) = padded.split_at_mut(Self::LENGTH);
        front.copy_from_slice(&text);
        let reads_well = padded.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric());
        if reads_well { Ok(Self(text)) } else { Err(LocatorError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII passes the constructor.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Locator {
    type Err = LocatorError;

    fn from_str(text: &str) -> Result<Self, LocatorError> {
        Self::new(text.as_bytes().try_into().map_err(|_| LocatorError)?)
    }
}

impl TryFrom<String> for Locator {
    type Error = LocatorError;

    fn try_from(text: String) -> Result<Self, LocatorError> {
        text.parse()
    }
}

impl Serialize for Locator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The text is no locator.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a locator is ten characters of 0-9, A-Z and a-z")]
pub struct LocatorError;
