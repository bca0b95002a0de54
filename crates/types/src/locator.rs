use std::fmt;
use std::str::FromStr;

/// The public part of a key's text: ten characters that name one secret in lists, logs and the dashboard.
///
/// It finds the record, and is neither secret nor sequential: a random draw from 62¹⁰ ≈ 2^59.5 values.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Locator([u8; Self::LENGTH]);

impl Locator {
    /// The number of characters in a locator.
    pub const LENGTH: usize = 10;

    /// Creates a locator from its text.
    ///
    /// # Errors
    ///
    /// Fails if a byte is not one of `0-9A-Za-z`.
    pub fn new(text: [u8; Self::LENGTH]) -> Result<Self, LocatorError> {
        // The CPU checks sixteen bytes in one step; ten bytes would take ten steps.
        let mut padded = [b'0'; 16];
        let (front, _) = padded.split_at_mut(Self::LENGTH);
        front.copy_from_slice(&text);
        let reads_well = padded.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric());
        if reads_well { Ok(Self(text)) } else { Err(LocatorError) }
    }

    /// Returns the locator with this number, in base 62: its lower digits, if it is larger than 62¹⁰.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        let mut rest = number;
        let mut text = [b'0'; Self::LENGTH];
        for digit in text.iter_mut().rev() {
            // The remainder is below 62, so nothing is cut off.
            let value = (rest % 62) as u8;
            *digit = match value {
                0..10 => b'0' + value,
                10..36 => b'A' + (value - 10),
                _ => b'a' + (value - 36),
            };
            rest /= 62;
        }
        Self(text)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The constructor accepts only ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the text's bytes.
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

crate::as_text!(Locator);

/// The text is not a locator.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a locator is ten characters of 0-9, A-Z and a-z")]
#[non_exhaustive]
pub struct LocatorError;
