use std::fmt;
use std::str::FromStr;

use doorward_types::Locator;

use crate::imported::from_hex;
use crate::{Digest, FreshKey};

/// The public part of a key whose value was made elsewhere, such as in a vault: its locator, and the SHA-256 of its whole text. The
/// value itself never travels.
///
/// ```
/// use doorward_key::{FreshKey, KeyPrefix, OfferedKey, SystemRandom};
/// use doorward_types::Environment;
///
/// let fresh = FreshKey::generate(&KeyPrefix::default(), Environment::Test, &SystemRandom)?;
/// let offered = OfferedKey::of(&fresh);
/// assert_eq!(offered.to_string().parse(), Ok(offered));
/// # Ok::<(), doorward_key::RandomError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OfferedKey {
    locator: Locator,
    digest: Digest,
}

impl OfferedKey {
    /// Returns the public part of a fresh key.
    #[must_use]
    pub fn of(fresh: &FreshKey) -> Self {
        Self { locator: fresh.locator(), digest: fresh.digest() }
    }

    /// Returns the locator.
    #[must_use]
    pub const fn locator(&self) -> Locator {
        self.locator
    }

    /// Returns the digest, to be stored.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Display for OfferedKey {
    /// Writes `LOCATOR:SHA256`, with the digest in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.locator)?;
        self.digest.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for OfferedKey {
    type Err = OfferedKeyError;

    fn from_str(text: &str) -> Result<Self, OfferedKeyError> {
        let (locator, digest) = text.split_once(':').ok_or(OfferedKeyError)?;
        let locator = locator.parse().map_err(|_| OfferedKeyError)?;
        let is_lower = !digest.bytes().any(|digit| digit.is_ascii_uppercase());
        let bytes = from_hex(digest).filter(|_| is_lower).and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or(OfferedKeyError)?;
        Ok(Self { locator, digest: Digest::from_bytes(bytes) })
    }
}

/// The text is not the public part of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the public part of a key is LOCATOR:SHA256: ten letters and digits, and 64 hexadecimal digits in lower case")]
#[non_exhaustive]
pub struct OfferedKeyError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_form_is_read() {
        let digest = "0123456789abcdef".repeat(4);
        let text = format!("4fG7hJ2kLm:{digest}");
        let offered: OfferedKey = text.parse().unwrap();
        assert_eq!((offered.locator().as_str(), offered.to_string()), ("4fG7hJ2kLm", text.clone()));
        for wrong in [
            String::new(),
            digest.clone(),
            format!("4fG7hJ2kLm{digest}"),
            format!("short:{digest}"),
            format!("4fG7hJ2kLm:{}", &digest[1..]),
            format!("4fG7hJ2kLm:{digest}0"),
            text.to_uppercase(),
            format!("4fG7hJ2kLm:{}", digest.replace('a', "+")),
            format!(" {text}"),
        ] {
            assert_eq!(wrong.parse::<OfferedKey>(), Err(OfferedKeyError), "{wrong}");
        }
    }
}
