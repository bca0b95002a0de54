//! The use of secrets, and what a regeneration would break by it. To look writes nothing.

use std::time::Duration;

use doorward_store::{AccessKeyWithSecrets, Secret, SecretUsage, SpanUses};
use doorward_types::{OrganizationId, SecretState, Timestamp};

use crate::{IssueError, Issuer, OperatorPrincipal, StagedKey};

/// The time for which nobody must have used a secret before its death is called safe: a job that runs once a day has run.
pub const QUIET_PERIOD: Duration = Duration::from_hours(24);

/// The answer to "what would this regeneration break?".
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Impact {
    /// The secrets that would die, the current one first.
    pub dying: Vec<UsedSecret>,
    /// The staged secret that would take their place, if there is one.
    pub successor: Option<UsedSecret>,
    now: Timestamp,
}

/// A secret, and its use if it was ever used.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UsedSecret {
    /// The secret.
    pub secret: Secret,
    /// Its use.
    pub usage: Option<SecretUsage>,
}

impl Impact {
    /// Judges a regeneration of the production key that has these secrets, by their use until now.
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

    /// Returns the use of each dying secret that somebody used within [`QUIET_PERIOD`]: these calls would be refused.
    pub fn refused(&self) -> impl Iterator<Item = &SecretUsage> {
        let used = self.dying.iter().filter_map(|dying| dying.usage.as_ref());
        used.filter(|usage| usage.last_used_at + QUIET_PERIOD > self.now)
    }

    /// Returns whether nobody has used the staged secret yet, which would take the current one's place.
    #[must_use]
    pub fn is_successor_unused(&self) -> bool {
        self.successor.is_some_and(|successor| successor.usage.is_none())
    }

    /// Returns whether nobody would notice.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.refused().next().is_none() && !self.is_successor_unused()
    }
}

impl Issuer {
    /// Returns what a regeneration would break now: the same answer for the page, the command line and a service.
    ///
    /// # Errors
    ///
    /// [`IssueError::NoSuchOrganization`] if there is none.
    pub async fn preview_regeneration(
        &self,
        operator: &OperatorPrincipal,
        organization: OrganizationId,
        staged: StagedKey,
    ) -> Result<Impact, IssueError> {
        let found = [self.production_key(organization).await?];
        let usage = self.usage(operator, &found).await?;
        let [found] = found;
        Ok(Impact::of(&found.secrets, &usage, staged, self.core.clock.now()))
    }

    /// Returns how often these keys' secrets were used, which are of one organization; a secret that was never used is not
    /// among them. What this process has counted in memory is added to the store's counts; what others have counted comes with
    /// some seconds' delay.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn usage(
        &self,
        _: &OperatorPrincipal,
        keys: &[AccessKeyWithSecrets],
    ) -> Result<Vec<SecretUsage>, IssueError> {
        let Some(first) = keys.first() else { return Ok(vec![]) };
        let now = self.core.clock.now();
        let mut all = self.core.store.usage(first.key.organization, now).await.map_err(IssueError::Store)?;
        for (secret, uses, since) in self.uses_in_memory(keys) {
            let locator = secret.locator;
            // A time that stands still, until the next flush says when that was.
            let at = since.max(secret.created_at);
            match all.iter_mut().find(|usage| usage.locator == locator) {
                Some(usage) => {
                    usage.last_used_at = usage.last_used_at.max(at);
                    usage.uses_last_hour += uses;
                }
                None => all.push(SecretUsage { locator, last_used_at: at, uses_last_hour: uses }),
            }
        }
        Ok(all)
    }

    /// Returns when these keys' secrets were used in the last 24 hours, by secret and then by time, in spans of
    /// [`USAGE_SPAN`](doorward_store::USAGE_SPAN); as current as [`Issuer::usage`].
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn recent_uses(
        &self,
        _: &OperatorPrincipal,
        keys: &[AccessKeyWithSecrets],
    ) -> Result<Vec<SpanUses>, IssueError> {
        let Some(first) = keys.first() else { return Ok(vec![]) };
        let now = self.core.clock.now();
        let mut all = self.core.store.recent_uses(first.key.organization, now).await.map_err(IssueError::Store)?;
        let span = SecretUsage::span(now);
        for (Secret { locator, .. }, uses, _) in self.uses_in_memory(keys) {
            match all.iter_mut().find(|found| (found.locator, found.span) == (locator, span)) {
                Some(found) => found.uses += uses,
                None => all.push(SpanUses { locator, span, uses }),
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Returns the uses that this process has counted and not yet written, and the time since which it has counted them.
    fn uses_in_memory(&self, keys: &[AccessKeyWithSecrets]) -> Vec<(Secret, u64, Timestamp)> {
        let Some(node) = self.control().map(|control| control.node()) else { return vec![] };
        let secrets = keys.iter().flat_map(|found| &found.secrets);
        let counted =
            secrets.map(|secret| (*secret, u64::from(node.index().uses(&secret.locator)), node.counted_since()));
        counted.filter(|(_, uses, _)| *uses > 0).collect()
    }
}
