use doorward_types::{OrganizationId, Timestamp};

/// The state of an organization's keys, for a list of organizations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyOverview {
    /// The organization.
    pub organization: OrganizationId,
    /// The time when the current production secret was made. `None` if the organization is closed.
    pub current_since: Option<Timestamp>,
    /// The time when the next production secret was staged.
    pub staged_since: Option<Timestamp>,
    /// The time of the last use of the production key.
    pub last_used_at: Option<Timestamp>,
    /// The number of test keys.
    pub test_keys: u64,
}

impl KeyOverview {
    /// Returns the overview of an organization without keys.
    #[must_use]
    pub const fn new(organization: OrganizationId) -> Self {
        Self { organization, current_since: None, staged_since: None, last_used_at: None, test_keys: 0 }
    }
}
