use std::fmt;

use doorward_key::Digest;
use doorward_types::{Environment, Locator};

/// The kind of a value that was found.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// An access key, with the environment that its text claims.
    AccessKey(Environment),
    /// A token of an operator.
    OperatorToken,
}

impl Kind {
    /// Returns the environment of an access key.
    #[must_use]
    pub const fn environment(self) -> Option<Environment> {
        match self {
            Self::AccessKey(environment) => Some(environment),
            Self::OperatorToken => None,
        }
    }

    /// Returns the name of the kind for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessKey(_) => "access_key",
            Self::OperatorToken => "operator_token",
        }
    }
}

/// The form of the text around a value.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Encoding {
    /// The characters as they are: ASCII, UTF-8, and every encoding that contains ASCII.
    Plain,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
    /// Base64, with either alphabet.
    Base64,
    /// Percent-encoding, as in URLs.
    Percent,
}

impl Encoding {
    /// Returns the name of the encoding for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Base64 => "base64",
            Self::Percent => "percent",
        }
    }
}

/// A well-formed value in some bytes. It holds the digest, and not the value.
#[derive(Clone, Copy, Eq, PartialEq)]
#[non_exhaustive]
pub struct Sighting {
    /// The kind of the value.
    pub kind: Kind,
    /// The public part, which finds the record.
    pub locator: Locator,
    /// SHA-256 of the value. A value is in force if a store holds this digest under the locator.
    pub digest: Digest,
    /// The form of the text.
    pub encoding: Encoding,
    /// The place of the first byte that belongs to the value, counted from 0.
    pub offset: u64,
    /// The number of bytes from the first to the last that belongs to the value.
    pub length: usize,
    /// The line of the first byte, counted from 1; 0 in the name of a file.
    pub line: u64,
}

impl fmt::Debug for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sighting")
            .field("kind", &self.kind)
            .field("locator", &self.locator)
            .field("encoding", &self.encoding)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}
