//! Points in a store's history.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// Counts the changes: each one has its own, in the order of their commits, without gaps.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Revision(pub u64);

impl Revision {
    /// Returns the oldest revision that the change log keeps if this one is the newest.
    #[must_use]
    pub const fn oldest_kept(self) -> Self {
        Self(self.0.saturating_sub(CHANGE_LOG_LENGTH as u64))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A point in a store's history: after this change and all before it.
///
/// Changes are made one after the other, and each draws an operation of its own. If a store holds this operation at
/// this revision, its history therefore contains all that led there; if it does not, the store lost what it had
/// confirmed: a standby was promoted that had not received everything, or an older copy was put back.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// The number of the newest change.
    pub revision: Revision,
    /// Its operation; the nil one if the store has no change yet, or came from another by a copy and has none since.
    pub operation: OperationId,
}

impl Position {
    /// Returns whether a history that has come to `newest`, and whose change log holds `operation_there` at this revision, has
    /// this point.
    #[must_use]
    pub fn is_in(&self, newest: Revision, operation_there: OperationId) -> bool {
        self.revision <= newest && self.operation == operation_there
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (operation {})", self.revision, self.operation)
    }
}

/// The name of one change, for life: 128 random bits, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OperationId(u128);

impl OperationId {
    /// The operation with these bits, which are to be random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for OperationId {
    type Err = ParseIntError;

    /// Reads the nil operation from no text: what engines hold of changes that were made before operations were noted.
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        if text.is_empty() { Ok(Self::default()) } else { u128::from_str_radix(text, 16).map(Self) }
    }
}

/// The number of revisions that the change log reaches back: so many, and the one before them, are kept. A node that fell further
/// behind loads everything again, which is quicker by then.
pub const CHANGE_LOG_LENGTH: usize = 10_000;
