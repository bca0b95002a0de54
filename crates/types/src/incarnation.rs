use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a store's restores, plus one. It starts at 1 and rises each time an operator declares a restore, so that two
/// different events never have the same log, place *and* incarnation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// The incarnation of a store without a restore.
    pub const FIRST: Self = Self(1);

    /// Returns whether the store was never restored. Takes a reference, as serde requires.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.0 == Self::FIRST.0
    }
}

impl Default for Incarnation {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
