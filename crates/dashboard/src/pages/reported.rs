//! The secrets that were reported as leaked, with what an operator can do.

use doorward_store::AccessKeyWithSecrets;
use doorward_types::{AccessKeyId, Environment, Locator, Timestamp};

use super::RelativeTime;
use crate::state::Parts;

/// The maximum number of secrets in the list. Those that are refused come first.
const ROWS: usize = 20;

/// A secret that was reported as leaked, and works on or waits for an operator.
pub(super) struct Reported {
    pub(super) key: AccessKeyId,
    pub(super) name: String,
    pub(super) secret: Locator,
    pub(super) public_name: String,
    pub(super) environment: Environment,
    pub(super) at: RelativeTime,
    /// True if the secret is refused until an operator decides.
    pub(super) is_held: bool,
}

impl Reported {
    /// Returns the reported secrets of these keys.
    pub(super) fn of(parts: &Parts, keys: &[AccessKeyWithSecrets], now: Timestamp) -> Vec<Self> {
        let rows = keys.iter().flat_map(|found| {
            found.secrets.iter().filter_map(|secret| {
                let reported_at = secret.reported_at?;
                Some(Self {
                    key: found.key.id,
                    name: found.key.name.to_string(),
                    secret: secret.locator,
                    public_name: parts.public_name(found.key.environment, secret.locator),
                    environment: found.key.environment,
                    at: RelativeTime::new(reported_at, now),
                    is_held: secret.quarantined_at.is_some(),
                })
            })
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|row| !row.is_held);
        rows.truncate(ROWS);
        rows
    }
}
