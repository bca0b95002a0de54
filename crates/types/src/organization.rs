//! The words about an organization: its state, and the embedding service's id of it.

use std::fmt;
use std::str::FromStr;

use crate::{as_text, words};

/// The state of an organization.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum OrganizationState {
    /// Its keys work.
    Active,
    /// Its keys are gone. Its audit log stays, and its other data is erased after a grace period.
    Closed,
    /// Its keys are refused until it is resumed. Its data stays.
    Suspended,
}

words! {
    OrganizationState, "an organization is `active`, `closed` or `suspended`":
    Active = "active", Closed = "closed", Suspended = "suspended"
}

as_text!(OrganizationState);

/// The id that an embedding service has for an organization, such as the id of its own tenant. Doorward never changes
/// and never interprets it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ExternalId(String);

impl ExternalId {
    /// The maximum length of an id in bytes: that of an email address (RFC 5321, section 4.5.3.1).
    pub const MAX_BYTES: usize = 254;

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExternalId {
    type Err = ExternalIdError;

    fn from_str(text: &str) -> Result<Self, ExternalIdError> {
        let is_id = (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_id { Ok(Self(text.to_owned())) } else { Err(ExternalIdError) }
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(ExternalId);

/// The text is not an external id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an external id has 1 to {} visible ASCII characters", ExternalId::MAX_BYTES)]
pub struct ExternalIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_id_is_short_visible_ascii() {
        let longest = "a".repeat(ExternalId::MAX_BYTES);
        for text in ["42", "tenant/7", "ada@example.com", &longest] {
            assert_eq!(text.parse::<ExternalId>().map(|id| id.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "a b", "a\nb", "zoë", &(longest.clone() + "a")] {
            assert_eq!(text.parse::<ExternalId>(), Err(ExternalIdError), "{text:?}");
        }
    }
}
