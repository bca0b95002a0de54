use crate::AllowedOrigin;

/// The allowed callback origins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AllowList {
    entries: Vec<AllowedOrigin>,
}

impl AllowList {
    /// The maximum number of entries: far more than an organization has pages. It limits the cost of a refusal.
    pub const MAX_ENTRIES: usize = 1_000;

    /// Returns the entries.
    #[must_use]
    pub fn entries(&self) -> &[AllowedOrigin] {
        &self.entries
    }
}

impl FromIterator<AllowedOrigin> for AllowList {
    fn from_iter<I: IntoIterator<Item = AllowedOrigin>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}
