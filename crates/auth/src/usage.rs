//! The uses of secrets, and the calls that a regeneration would break. Reading them writes nothing.

use std::collections::HashSet;
use std::time::Duration;

use doorward_store::{AccessKeyWithSecrets, Secret, SecretUsage, UsageBucket, UsageLog};
use doorward_types::{OrganizationId, SecretState, Timestamp};

use crate::{Issuer, ManageError, OperatorPrincipal, StagedKey};

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
        let used = self.dying.iter().filter_map(|dying| dying.usage.as_ref());
        used.filter(|usage| usage.last_used_at + QUIET_PERIOD > self.now)
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

impl Issuer {
    /// Returns the impact of a regeneration now. The page, the command line and services give the same answer.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrganization`] if there is no such organization. Also fails like [`Issuer::usage`].
    pub async fn preview_regeneration(
        &self,
        operator: &OperatorPrincipal,
        organization: OrganizationId,
        staged: StagedKey,
    ) -> Result<Impact, ManageError> {
        operator.check(organization)?;
        let found = [self.production_key(organization).await?];
        let usage = self.usage(operator, &found).await?;
        let [found] = found;
        Ok(Impact::of(&found.secrets, &usage, staged, self.core.clock.now()))
    }

    /// Returns the uses of the secrets of these keys, which must be of one organization. Secrets without uses are left
    /// out. The counts in this process's memory are added to the store's counts. The counts of other processes come
    /// with some seconds' delay.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails. [`ManageError::UsesNotKept`] if the engine has no log of uses.
    pub async fn usage(
        &self,
        operator: &OperatorPrincipal,
        keys: &[AccessKeyWithSecrets],
    ) -> Result<Vec<SecretUsage>, ManageError> {
        let Some(first) = keys.first() else { return Ok(vec![]) };
        operator.check(first.key.organization)?;
        let now = self.core.clock.now();
        let mut all = self.usage_log()?.usage(first.key.organization, now).await?;
        // The log has the uses of all keys of the organization.
        let meant: HashSet<_> = keys.iter().flat_map(|found| &found.secrets).map(|secret| secret.locator).collect();
        all.retain(|usage| meant.contains(&usage.locator));
        for (secret, uses, since) in self.uses_in_memory(keys) {
            let locator = secret.locator;
            // Use a time that does not change until the next flush writes the exact time.
            let at = since.max(secret.created_at);
            match all.iter_mut().find(|usage| usage.locator == locator) {
                Some(usage) => {
                    usage.last_used_at = usage.last_used_at.max(at);
                    usage.uses_last_hour += uses;
                }
                None => all.push(SecretUsage::new(locator, at, uses)),
            }
        }
        Ok(all)
    }

    /// Returns the uses of the secrets of these keys in the last 24 hours, by secret and then by time, in spans of
    /// [`USAGE_BUCKET`](doorward_store::USAGE_BUCKET). They are as current as [`Issuer::usage`].
    ///
    /// # Errors
    ///
    /// Fails like [`Issuer::usage`].
    pub async fn recent_uses(
        &self,
        operator: &OperatorPrincipal,
        keys: &[AccessKeyWithSecrets],
    ) -> Result<Vec<UsageBucket>, ManageError> {
        let Some(first) = keys.first() else { return Ok(vec![]) };
        operator.check(first.key.organization)?;
        let now = self.core.clock.now();
        let mut all = self.usage_log()?.recent_uses(first.key.organization, now).await?;
        let span = SecretUsage::span(now);
        for (Secret { locator, .. }, uses, _) in self.uses_in_memory(keys) {
            match all.iter_mut().find(|found| (found.locator, found.span) == (locator, span)) {
                Some(found) => found.uses += uses,
                None => all.push(UsageBucket::new(locator, span, uses)),
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    fn usage_log(&self) -> Result<&dyn UsageLog, ManageError> {
        self.core.store.usage_log().ok_or(ManageError::UsesNotKept)
    }

    /// Returns the uses that this process has not yet written, with the time since which they were counted.
    fn uses_in_memory(&self, keys: &[AccessKeyWithSecrets]) -> Vec<(Secret, u64, Timestamp)> {
        let Some(node) = self.control.as_ref().map(|control| &control.node) else { return vec![] };
        let secrets = keys.iter().flat_map(|found| &found.secrets);
        let counted =
            secrets.map(|secret| (*secret, u64::from(node.index.uses(&secret.locator)), node.counted_since()));
        counted.filter(|(_, uses, _)| *uses > 0).collect()
    }
}
