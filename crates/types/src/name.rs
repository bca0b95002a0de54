use std::fmt;
use std::str::FromStr;

use crate::Environment;

/// A name that a person chose, for an organization, a key or an operator: one printable line.
///
/// The constructor refuses control, format and line-breaking characters, so that no name can break a log line, forge a terminal's
/// output, or hide its direction ("Trojan Source", CVE-2021-42574).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(String);

impl Name {
    /// The maximum length of a name in UTF-8 bytes: a line on a screen, and small in memory.
    pub const MAX_BYTES: usize = 128;

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether an invisible character changes how a line is read: zero-width, bidirectional controls, separators, tags.
fn is_deceptive(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check(text, Self::MAX_BYTES)?;
        Ok(Self(text.to_owned()))
    }
}

/// Checks that a text is one printable line of at most `most` bytes.
fn check(text: &str, most: usize) -> Result<(), NameError> {
    if text.trim().is_empty() {
        Err(NameError::Empty)
    } else if text.trim().len() != text.len() {
        Err(NameError::OuterSpace)
    } else if text.len() > most {
        Err(NameError::TooLong { most })
    } else if text.chars().any(is_deceptive) {
        Err(NameError::Unprintable)
    } else {
        Ok(())
    }
}

/// The name of the only record of its kind in an environment.
impl From<Environment> for Name {
    fn from(environment: Environment) -> Self {
        Self(environment.as_str().to_owned())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::as_text!(Name);

/// The name of an actor in an audit log: one printable line, as a [`Name`] is, but longer. It has room for an email address
/// after a namespace, such as `host:ada@example.com`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ActorName(String);

impl ActorName {
    /// The maximum length of an actor's name in UTF-8 bytes: a namespace of five bytes, and an email address of 254 (RFC
    /// 5321, section 4.5.3.1).
    pub const MAX_BYTES: usize = 5 + 254;

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ActorName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check(text, Self::MAX_BYTES)?;
        Ok(Self(text.to_owned()))
    }
}

impl From<Name> for ActorName {
    fn from(name: Name) -> Self {
        Self(name.0)
    }
}

impl fmt::Display for ActorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::as_text!(ActorName);

/// The text is not a valid name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty or only white space.
    #[error("a name cannot be empty")]
    Empty,
    /// White space at the start or the end.
    #[error("a name cannot begin or end with white space")]
    OuterSpace,
    /// The text is too long for its kind of name.
    #[error("a name has at most {most} bytes")]
    #[non_exhaustive]
    TooLong {
        /// The maximum length in bytes.
        most: usize,
    },
    /// A control character, a line break, or a character that hides or reorders others.
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
            (&"é".repeat(65), NameError::TooLong { most: 128 }),
        ] {
            assert_eq!(text.parse::<Name>(), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn an_actors_name_has_room_for_an_email_address() {
        let longest = format!("host:{}", "a".repeat(254));
        assert_eq!(longest.parse::<ActorName>().map(|name| name.to_string()), Ok(longest.clone()));
        assert_eq!((longest + "a").parse::<ActorName>(), Err(NameError::TooLong { most: 259 }));
        assert_eq!("a\nb".parse::<ActorName>(), Err(NameError::Unprintable));
    }
}
