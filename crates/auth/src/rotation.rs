use std::time::Duration;

use doorward_store::Secret;
use doorward_types::{Environment, SecretState, Timestamp};

/// The age of a production secret at which people are reminded to rotate it.
pub const ROTATION_PERIOD: Duration = Duration::from_hours(365 * 24);

/// The time after which a staged key that was never promoted needs a hand: a forgotten rotation.
pub const LONG_STAGED: Duration = Duration::from_hours(7 * 24);

/// Returns the time at which a production key's current secret should be rotated: a year after its creation.
#[must_use]
pub fn rotation_due_at(environment: Environment, secrets: &[Secret]) -> Option<Timestamp> {
    let current = secrets.iter().find(|secret| secret.state == SecretState::Current)?;
    (environment == Environment::Production).then_some(current.created_at + ROTATION_PERIOD)
}
