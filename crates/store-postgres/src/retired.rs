//! Revoked secrets, and the calls with them that were refused.

use async_trait::async_trait;
use doorward_store::{Refusals, RetiredSecret, RetiredSecrets, StoreError};
use doorward_store_sql::keys;
use doorward_types::{Locator, OrganizationId};

use crate::PostgresStore;
use crate::transaction::Decision;

#[async_trait]
impl RetiredSecrets for PostgresStore {
    async fn newest_retired(&self, limit: u32) -> Result<Vec<RetiredSecret>, StoreError> {
        self.list(keys::newest_retired(limit)).await
    }

    async fn retired_of(&self, organization: OrganizationId, limit: u32) -> Result<Vec<RetiredSecret>, StoreError> {
        self.list(keys::retired_of(organization, limit)).await
    }

    async fn retired(&self, locator: Locator) -> Result<Option<RetiredSecret>, StoreError> {
        self.find(keys::retired(locator)).await
    }

    async fn add_refusals(&self, refusals: &[Refusals]) -> Result<(), StoreError> {
        // Nodes write in the same order, so that two nodes seldom deadlock.
        let mut refusals = refusals.to_vec();
        refusals.sort_unstable_by_key(|refused| refused.locator);
        let writes = || refusals.iter().map(keys::add_refusals).collect();
        self.pool.write(&[], |_| Ok(Decision::write(writes(), ()))).await
    }
}
