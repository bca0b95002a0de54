/// The limits of a search in archives, so that a small file cannot keep a scanner busy without end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The most archives within each other.
    pub depth: usize,
    /// The most bytes that one file may have once it is inflated, with everything in it.
    pub inflated: u64,
    /// The most bytes of a zip archive that must be held in memory, since it is within another or comes from a pipe.
    pub in_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 5, inflated: 4 << 30, in_memory: 256 << 20 }
    }
}

impl Limits {
    /// Returns the same limits with another depth.
    #[must_use]
    pub const fn with_depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// Returns the same limits with another number of inflated bytes.
    #[must_use]
    pub const fn with_inflated(self, inflated: u64) -> Self {
        Self { inflated, ..self }
    }
}
