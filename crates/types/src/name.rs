use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::Environment;

/// Text that a person chose, for an organization, a key or an operator: one printable line.
///
/// Control, format and line-breaking characters are refused here, once, so that no name can break a log line, forge
/// a terminal's output, or hide its direction ("Trojan Source", CVE-2021-42574) anywhere later.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct Name(String);

impl Name {
    /// The most bytes of UTF-8 in a name: a line on a screen, and small in memory.
    pub const MAX_BYTES: usize = 128;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Invisible characters that change how a line is read: zero-width, bidirectional controls, separators, tags.
fn is_deceptive(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if text.trim().is_empty() {
            Err(NameError::Empty)
        } else if text.trim().len() != text.len() {
            Err(NameError::OuterSpace)
        } else if text.len() > Self::MAX_BYTES {
            Err(NameError::TooLong)
        } else if text.chars().any(is_deceptive) {
            Err(NameError::Unprintable)
        } else {
            Ok(Self(text))
        }
    }
}

/// What people call something of which an environment has just one.
impl From<Environment> for Name {
    fn from(environment: Environment) -> Self {
        Self(environment.as_str().to_owned())
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot be a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing, or nothing but white space.
    #[error("a name cannot be empty")]
    Empty,
    /// White space before or after.
    #[error("a name cannot begin or end with white space")]
    OuterSpace,
    /// More than [`Name::MAX_BYTES`].
    #[error("a name has at most {} bytes", Name::MAX_BYTES)]
    TooLong,
    /// A control character, a line break, or one that hides or reorders others.
    #[error("a name has printable characters only")]
    Unprintable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_printable_line() {
        for text in ["ci", "Zoë's laptop", "東京 staging", "a".repeat(128).as_str()] {
            assert_eq!(text.parse::<Name>().as_ref().map(Name::as_str), Ok(text));
        }
        for (text, expected) in [
            ("", NameError::Empty),
            (" \t", NameError::Empty),
            (" ci", NameError::OuterSpace),
            ("ci\n", NameError::OuterSpace),
            ("a\nb", NameError::Unprintable),
            ("a\u{1b}[31mb", NameError::Unprintable),
            ("a\0b", NameError::Unprintable),
            ("a\u{202e}b", NameError::Unprintable),
            ("a\u{200b}b", NameError::Unprintable),
            (&"é".repeat(65), NameError::TooLong),
        ] {
            assert_eq!(text.parse::<Name>(), Err(expected), "{text:?}");
        }
    }
}
