//! The calls that a regeneration would break: a pure function of secrets and their uses.

use std::time::Duration;

use doorward_store::{Secret, SecretUsage};
use doorward_types::{SecretState, Timestamp};

use crate::{ManageError, StagedKey};

/// The time without a use after which a secret's revocation is called safe: daily jobs have run once.
pub const QUIET_PERIOD: Duration = Duration::from_hours(24);

/// The impact of a regeneration on callers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Impact {
    /// The secrets to revoke, the current secret first.
    pub dying: Vec<UsedSecret>,
    /// The staged secret that would be promoted, if there is one.
    pub successor: Option<UsedSecret>,
    now: Timestamp,
}

/// A secret with its uses.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UsedSecret {
    /// The secret.
    pub secret: Secret,
    /// The uses of the secret, or `None` if it was never used.
    pub usage: Option<SecretUsage>,
}

impl Impact {
    /// Returns the impact of a regeneration of the production key with these secrets, from their uses so far.
    #[must_use]
    pub fn of(secrets: &[Secret], usage: &[SecretUsage], staged: StagedKey, now: Timestamp) -> Self {
        let with_usage = |secret: &Secret| UsedSecret {
            secret: *secret,
            usage: usage.iter().find(|usage| usage.locator == secret.locator).copied(),
        };
        let dies = |secret: &&Secret| staged == StagedKey::Discard || secret.state == SecretState::Current;
        let (dying, rest): (Vec<_>, Vec<_>) = secrets.iter().partition(dies);
        let dying = dying.into_iter().map(with_usage).collect();
        Self { dying, successor: rest.into_iter().map(with_usage).next(), now }
    }

    /// Returns the uses of each secret to revoke that was used within [`QUIET_PERIOD`]. Such calls would be refused.
    pub fn refused(&self) -> impl Iterator<Item = &SecretUsage> {
        self.used_within(QUIET_PERIOD)
    }

    /// Returns the uses of each secret to revoke that was used within this time.
    pub fn used_within(&self, time: Duration) -> impl Iterator<Item = &SecretUsage> {
        let used = self.dying.iter().filter_map(|dying| dying.usage.as_ref());
        used.filter(move |usage| usage.last_used_at + time > self.now)
    }

    /// Fails if a secret to revoke was used within this time.
    pub(crate) fn check_unused_for(&self, time: Duration) -> Result<(), ManageError> {
        let Some(last_used_at) = self.used_within(time).map(|usage| usage.last_used_at).max() else { return Ok(()) };
        let uses = self.dying.iter().filter_map(|dying| dying.usage).map(|usage| usage.uses_last_hour);
        Err(ManageError::StillInUse { last_used_at, uses_last_hour: uses.sum() })
    }

    /// Returns true if the staged secret would be promoted and was never used.
    #[must_use]
    pub fn is_successor_unused(&self) -> bool {
        self.successor.is_some_and(|successor| successor.usage.is_none())
    }

    /// Returns true if the regeneration would break no caller.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.refused().next().is_none() && !self.is_successor_unused()
    }
}
