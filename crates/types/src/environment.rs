use serde::{Deserialize, Serialize};

use crate::words;

/// One of the two environments of an organization. A key of one environment never sees data of the other.
///
/// This is a value and not a type parameter, since generics over it would spread into every layer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real users and real data; exactly one key.
    Production,
    /// Development, CI and experiments; any number of named keys.
    Test,
}

words! {
    Environment, "an environment is `production` or `test`": Production = "production", Test = "test"
}

impl Environment {
    /// Returns the word in a key's text, `prod` or `test`: a hint for people and scanners. The stored record decides.
    #[must_use]
    pub const fn key_label(self) -> &'static str {
        match self {
            Self::Production => "prod",
            Self::Test => "test",
        }
    }
}

/// The state of a key's secret. Both secrets work; a regeneration kills the current secret and promotes the staged one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretState {
    /// In use.
    Current,
    /// Handed out before the next regeneration.
    Staged,
}

words! {
    SecretState, "a secret is `current` or `staged`": Current = "current", Staged = "staged"
}
