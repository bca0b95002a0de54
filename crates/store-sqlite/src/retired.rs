//! Revoked secrets, and the calls with them that were refused.

use async_trait::async_trait;
use doorward_store::{Refusals, RetiredSecret, RetiredSecrets, StoreError};
use doorward_store_sql::keys;
use doorward_types::{Locator, OrganizationId};

use crate::{SqliteStore, row};

#[async_trait]
impl RetiredSecrets for SqliteStore {
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
        let adds: Vec<_> = refusals.iter().map(keys::add_refusals).collect();
        self.write(move |connection| row::write_all(connection, &adds).map(drop)).await
    }
}
