//! Points in a store's history.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// The number of a change, in the order of commits, without gaps.
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

/// A point in a store's history: after this change and all earlier changes.
///
/// Changes are made one after another, and each draws a random operation. If a store has this operation at this
/// revision, its history contains all earlier changes of that history too. If it does not, the store lost confirmed
/// changes: a standby was promoted before it had received everything, or an older copy was restored.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// The number of the newest change.
    pub revision: Revision,
    /// The operation of the newest change. It is nil if the store has had no change, or no change since it was filled
    /// by a copy.
    pub operation: OperationId,
}

impl Position {
    /// Returns true if this point is in a history that ends at `newest` and has `operation_there` in its change log at
    /// this revision.
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

/// The permanent name of one change: 128 random bits, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OperationId(u128);

impl OperationId {
    /// Returns the operation with these bits, which must be random.
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

    /// Reads an operation. An empty text is the nil operation, which engines store for changes from before operations.
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        if text.is_empty() { Ok(Self::default()) } else { u128::from_str_radix(text, 16).map(Self) }
    }
}

/// The number of revisions that the change log reaches back. It also keeps the revision before them. A node that fell
/// further behind loads everything again, which is then faster.
pub const CHANGE_LOG_LENGTH: usize = 10_000;
