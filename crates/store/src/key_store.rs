use async_trait::async_trait;
use doorward_types::{AccessKeyId, ActorName, Environment, ExternalId, Name, OrganizationId, SecretState, Timestamp};

use crate::{
    AccessKey, AccessKeyWithSecrets, Change, ChangeContext, Committed, IdempotencyKey, KeyOverview, Operation,
    Organization, OriginEntry, Page, RetiredSecrets, Sourced, StoreError, UsageLog,
};

/// Organizations, keys with their secrets, and allowed origins, for the management of both environments.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Makes a change in one transaction: writes the rows of [`Change::plan`], the next revision, the change log, the
    /// operation, and the audit events.
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Committed, StoreError>;

    /// Returns this actor's operation with this idempotency key, if the store remembers it.
    async fn operation(
        &self,
        actor: &ActorName,
        key: &IdempotencyKey,
    ) -> Result<Sourced<Option<Operation>>, StoreError>;

    /// Closes the store. Running jobs end, and new jobs are refused. An engine in files leaves one file behind.
    /// The default does nothing, for an engine without jobs and files.
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the log of uses.
    ///
    /// The default returns `None`: a node then discards its counts, and operators cannot see the uses that a
    /// regeneration would break.
    fn usage_log(&self) -> Option<&dyn UsageLog> {
        None
    }

    /// Returns the memory of revoked secrets.
    ///
    /// The default returns `None`: after a restart, a node then takes a revoked key for an unknown one, and nobody learns
    /// who still sends it.
    fn retired_secrets(&self) -> Option<&dyn RetiredSecrets> {
        None
    }

    /// Returns the organization with this id.
    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError>;

    /// Returns organizations, newest first.
    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError>;

    /// Returns up to `limit` organizations with this name, newest first.
    ///
    /// The default reads every organization.
    async fn organizations_named(&self, name: &Name, limit: u32) -> Result<Vec<Organization>, StoreError> {
        organizations_where(self, Page::first(limit), |found| found.name == *name).await
    }

    /// Returns the organization with this external id.
    ///
    /// The default reads every organization.
    async fn organization_by_external_id(&self, id: &ExternalId) -> Result<Option<Organization>, StoreError> {
        let is_it = |found: &Organization| found.external_id.as_ref() == Some(id);
        Ok(organizations_where(self, Page::first(1), is_it).await?.pop())
    }

    /// Returns a page of the organizations with this text in their names, newest first. Upper and lower case count as
    /// equal.
    ///
    /// The default reads organizations until the page is full.
    async fn organizations_containing(
        &self,
        text: &str,
        page: Page<OrganizationId>,
    ) -> Result<Vec<Organization>, StoreError> {
        let text = text.to_lowercase();
        organizations_where(self, page, |found| found.name.as_str().to_lowercase().contains(&text)).await
    }

    /// Returns all keys of an organization: the production key, then test keys by age.
    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError>;

    /// Returns an organization's allowed origins, oldest first.
    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError>;

    /// Returns the state of the keys of these organizations, in their order.
    ///
    /// The default reads the keys and the uses of each.
    async fn key_overviews(&self, organizations: &[OrganizationId]) -> Result<Vec<KeyOverview>, StoreError> {
        let mut overviews = vec![];
        for organization in organizations {
            let keys = self.access_keys(*organization).await?;
            let usage = match self.usage_log() {
                Some(log) => log.usage(*organization, Timestamp::from_millis(0)).await?,
                None => vec![],
            };
            let production = keys.iter().filter(|found| WhichKey::Production.is(&found.key));
            let secrets: Vec<_> = production.flat_map(|found| &found.secrets).collect();
            let since = |state| secrets.iter().find(|secret| secret.state == state).map(|secret| secret.created_at);
            let used = usage.iter().filter(|usage| secrets.iter().any(|secret| secret.locator == usage.locator));
            overviews.push(KeyOverview {
                last_used_at: used.map(|usage| usage.last_used_at).max(),
                current_since: since(SecretState::Current),
                staged_since: since(SecretState::Staged),
                test_keys: keys.iter().filter(|found| !WhichKey::Production.is(&found.key)).count() as u64,
                ..KeyOverview::new(*organization)
            });
        }
        Ok(overviews)
    }

    /// Returns one key of an organization.
    ///
    /// The default reads every key of the organization.
    async fn access_key(
        &self,
        organization: OrganizationId,
        which: WhichKey,
    ) -> Result<Option<AccessKeyWithSecrets>, StoreError> {
        let keys = self.access_keys(organization).await?;
        Ok(keys.into_iter().find(|found| which.is(&found.key)))
    }
}

/// The number of organizations in one read of a search.
const SEARCH_PAGE: u32 = 1_000;

/// Returns a page of the organizations that meet a condition.
async fn organizations_where<S: KeyStore + ?Sized>(
    store: &S,
    page: Page<OrganizationId>,
    condition: impl Fn(&Organization) -> bool,
) -> Result<Vec<Organization>, StoreError> {
    let (mut found, mut read) = (vec![], Page { after: page.after, limit: SEARCH_PAGE });
    loop {
        let organizations = store.organizations(read).await?;
        read.after = organizations.last().map(|last| last.id);
        found.extend(organizations.into_iter().filter(&condition));
        if read.after.is_none() || found.len() >= page.limit as usize {
            found.truncate(page.limit as usize);
            return Ok(found);
        }
    }
}

/// A choice among an organization's keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhichKey {
    /// The key with this id.
    Id(AccessKeyId),
    /// The production key. Every organization has one.
    Production,
}

impl WhichKey {
    /// Returns true if this is the chosen key.
    #[must_use]
    pub fn is(self, key: &AccessKey) -> bool {
        match self {
            Self::Id(id) => key.id == id,
            Self::Production => key.environment == Environment::Production,
        }
    }
}
