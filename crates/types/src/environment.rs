use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the two worlds of an organization: what one made does not exist for the other.
///
/// It is a value and not a type parameter: generics over it would spread into every layer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real users and real data; exactly one key.
    Production,
    /// Development, CI and experiments; any number of named keys.
    Test,
}

impl Environment {
    /// Both, for code that must treat each of them.
    pub const ALL: [Self; 2] = [Self::Production, Self::Test];

    /// The word in records and answers: `production` or `test`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Test => "test",
        }
    }

    /// The word in a key's text: `prod` or `test`. A hint for people and scanners; the stored record decides.
    #[must_use]
    pub const fn key_label(self) -> &'static str {
        match self {
            Self::Production => "prod",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|environment| environment.as_str() == text).ok_or(UnknownEnvironment)
    }
}

/// The text names neither environment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an environment is `production` or `test`")]
pub struct UnknownEnvironment;

/// Which of a key's secrets one is. Both work; a regeneration kills the current one and promotes the staged one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretState {
    /// In use.
    Current,
    /// Handed out ahead of the next regeneration.
    Staged,
}

impl SecretState {
    /// The word in records and answers: `current` or `staged`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Staged => "staged",
        }
    }
}

impl fmt::Display for SecretState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SecretState {
    type Err = UnknownSecretState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Current, Self::Staged].into_iter().find(|state| state.as_str() == text).ok_or(UnknownSecretState)
    }
}

/// The text names no state.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a secret is `current` or `staged`")]
pub struct UnknownSecretState;
