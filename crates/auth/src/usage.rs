//! The uses of secrets, the refused calls with revoked secrets, and the preview of a regeneration. Reading them writes nothing.

use std::collections::HashSet;

use doorward_store::{AccessKeyWithSecrets, ActiveSecret, RetiredSecret, Secret, SecretUsage, UsageBucket, UsageLog};
use doorward_types::{AccessKeyId, Locator, OrganizationId, Timestamp};

use crate::control::effect::of_this_store;
use crate::{Impact, Issuer, ManageError, OperatorPrincipal, StagedKey};

/// The maximum number of revoked secrets in an answer.
const MAX_RETIRED: u32 = 1_000;

/// A secret that the store knows.
#[derive(Clone, Debug)]
pub enum FoundSecret {
    /// The secret is in force, unless its organization is suspended.
    InForce(Box<ActiveSecret>),
    /// The secret was revoked.
    Revoked(Box<RetiredSecret>),
}

/// The uses of a secret that this process has not yet written.
struct Unwritten {
    secret: Secret,
    uses: u64,
    /// The time since which they were counted.
    since: Timestamp,
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
        self.impact(operator, &self.production_key(organization).await?, staged).await
    }

    /// Returns the impact of a regeneration of this production key.
    pub(crate) async fn impact(
        &self,
        operator: &OperatorPrincipal,
        key: &AccessKeyWithSecrets,
        staged: StagedKey,
    ) -> Result<Impact, ManageError> {
        let usage = self.usage(operator, std::slice::from_ref(key)).await?;
        Ok(Impact::of(&key.secrets, &usage, staged, self.core.clock.now()))
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
        let mut all = self.usage_log()?.usage(first.key.organization, self.core.clock.now()).await?;
        // The log has the uses of all keys of the organization.
        let meant = locators_of(keys);
        all.retain(|usage| meant.contains(&usage.locator));
        add_usage(&self.uses_in_memory(keys), &mut all);
        Ok(all)
    }

    /// Returns [`Issuer::usage`] of all keys of an organization, and [`Issuer::recent_uses`] of `key`, by one read.
    ///
    /// # Errors
    ///
    /// Fails like [`Issuer::usage`].
    pub async fn usage_with_spans(
        &self,
        operator: &OperatorPrincipal,
        keys: &[AccessKeyWithSecrets],
        key: AccessKeyId,
    ) -> Result<(Vec<SecretUsage>, Vec<UsageBucket>), ManageError> {
        let Some(first) = keys.first() else { return Ok((vec![], vec![])) };
        operator.check(first.key.organization)?;
        let log = self.usage_log()?;
        let (mut usage, mut spans) = log.usage_with_spans(first.key.organization, key, self.core.clock.now()).await?;
        let unwritten = self.uses_in_memory(keys);
        add_usage(&unwritten, &mut usage);
        self.add_spans(&unwritten, &mut spans);
        Ok((usage, spans))
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
        let mut all = self.usage_log()?.recent_uses(first.key.organization, self.core.clock.now()).await?;
        let meant = locators_of(keys);
        all.retain(|found| meant.contains(&found.locator));
        self.add_spans(&self.uses_in_memory(keys), &mut all);
        Ok(all)
    }

    /// Adds the uses that this process has not yet written, in the span of now.
    fn add_spans(&self, unwritten: &[Unwritten], all: &mut Vec<UsageBucket>) {
        let span = SecretUsage::span(self.core.clock.now());
        for Unwritten { secret, uses, .. } in unwritten {
            let locator = secret.locator;
            match all.iter_mut().find(|found| (found.locator, found.span) == (locator, span)) {
                Some(found) => found.uses += uses,
                None => all.push(UsageBucket::new(locator, span, *uses)),
            }
        }
        all.sort_unstable();
    }

    /// Returns the secrets of an organization that were revoked in the last 30 days, newest first, with the calls that were
    /// refused since. They are as current as [`Issuer::usage`]. Returns nothing if the engine does not remember them.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn retired(
        &self,
        operator: &OperatorPrincipal,
        organization: OrganizationId,
    ) -> Result<Vec<RetiredSecret>, ManageError> {
        operator.check(organization)?;
        let Some(store) = self.core.store.retired_secrets() else { return Ok(vec![]) };
        let mut all = store.retired_of(organization, MAX_RETIRED).await?;
        let Some(node) = self.control.as_ref().map(|control| &control.node) else { return Ok(all) };
        for refused in node.revoked.refusals() {
            if let Some(found) = all.iter_mut().find(|found| found.locator == refused.locator) {
                found.add(&refused);
            }
        }
        Ok(all)
    }

    /// Returns the secrets of all organizations that were revoked in the last 30 days, newest first, with the calls that nodes
    /// have written. Returns nothing if the engine does not remember them.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails. [`ManageError::NoSuchOrganization`] for a visitor.
    pub async fn newest_retired(&self, operator: &OperatorPrincipal) -> Result<Vec<RetiredSecret>, ManageError> {
        operator.check_installation()?;
        let Some(store) = self.core.store.retired_secrets() else { return Ok(vec![]) };
        Ok(store.newest_retired(MAX_RETIRED).await?)
    }

    /// Returns the secret with this locator: in force, or revoked in the last 30 days.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails. [`ManageError::NoSuchOrganization`] for a visitor.
    pub async fn find_secret(
        &self,
        operator: &OperatorPrincipal,
        locator: Locator,
    ) -> Result<Option<FoundSecret>, ManageError> {
        operator.check_installation()?;
        self.secret_at(locator).await
    }

    /// Returns the secret with this locator, of any organization.
    pub(crate) async fn secret_at(&self, locator: Locator) -> Result<Option<FoundSecret>, ManageError> {
        let live = self.core.store.active_secret(locator).await?;
        if let Some(live) = of_this_store(self.control.as_ref(), live)? {
            return Ok(Some(FoundSecret::InForce(Box::new(live))));
        }
        let Some(store) = self.core.store.retired_secrets() else { return Ok(None) };
        Ok(store.retired(locator).await?.map(|retired| FoundSecret::Revoked(Box::new(retired))))
    }

    fn usage_log(&self) -> Result<&dyn UsageLog, ManageError> {
        self.core.store.usage_log().ok_or(ManageError::UsesNotKept)
    }

    /// Returns the uses that this process has not yet written.
    fn uses_in_memory(&self, keys: &[AccessKeyWithSecrets]) -> Vec<Unwritten> {
        let Some(node) = self.control.as_ref().map(|control| &control.node) else { return vec![] };
        let secrets = keys.iter().flat_map(|found| &found.secrets);
        let counted = secrets.map(|secret| Unwritten {
            secret: *secret,
            uses: node.index.uses(&secret.locator).into(),
            since: node.counted_since(),
        });
        counted.filter(|unwritten| unwritten.uses > 0).collect()
    }
}

fn add_usage(unwritten: &[Unwritten], all: &mut Vec<SecretUsage>) {
    for Unwritten { secret, uses, since } in unwritten {
        let locator = secret.locator;
        // Use a time that does not change until the next flush writes the exact time.
        let at = (*since).max(secret.created_at);
        match all.iter_mut().find(|usage| usage.locator == locator) {
            Some(usage) => {
                usage.last_used_at = usage.last_used_at.max(at);
                usage.uses_last_hour += uses;
            }
            None => all.push(SecretUsage::new(locator, at, *uses)),
        }
    }
}

fn locators_of(keys: &[AccessKeyWithSecrets]) -> HashSet<Locator> {
    keys.iter().flat_map(|found| &found.secrets).map(|secret| secret.locator).collect()
}
