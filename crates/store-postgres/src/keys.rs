use async_trait::async_trait;
use doorward_store::{
    AccessKeyWithSecrets, Change, ChangeContext, Committed, IdempotencyKey, KeyOverview, KeyStore, Operation,
    Organization, OriginEntry, Page, RetiredSecrets, Sourced, StoreError, UsageLog, WhichKey,
};
use doorward_store_sql::table::columns;
use doorward_store_sql::{Statement, keys, sql, text};
use doorward_types::{ActorName, ExternalId, Name, OrganizationId};

use crate::row::PROVENANCE;
use crate::{PostgresStore, row};

#[async_trait]
impl KeyStore for PostgresStore {
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Committed, StoreError> {
        self.writer.change((change, context)).await
    }

    async fn operation(
        &self,
        actor: &ActorName,
        key: &IdempotencyKey,
    ) -> Result<Sourced<Option<Operation>>, StoreError> {
        let find = text!(
            "SELECT {PROVENANCE}, {} FROM store i
             LEFT JOIN operations o ON o.actor = $1 AND o.idempotency_key = $2 WHERE i.id = 1",
            columns::<Operation>("o")
        );
        let (provenance, found) = self.pool.sourced(sql(find).bind(actor).text(key.as_str())).await?;
        Ok(Sourced::new(provenance, row::behind(&found)?))
    }

    fn usage_log(&self) -> Option<&dyn UsageLog> {
        Some(self)
    }

    fn retired_secrets(&self) -> Option<&dyn RetiredSecrets> {
        Some(self)
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.find(keys::organization(id)).await
    }

    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError> {
        self.list(keys::organizations(&page)).await
    }

    async fn organizations_named(&self, name: &Name, limit: u32) -> Result<Vec<Organization>, StoreError> {
        self.list(keys::organizations_named(name, limit)).await
    }

    async fn organization_by_external_id(&self, id: &ExternalId) -> Result<Option<Organization>, StoreError> {
        self.find(keys::organization_by_external_id(id)).await
    }

    async fn key_overviews(&self, organizations: &[OrganizationId]) -> Result<Vec<KeyOverview>, StoreError> {
        if organizations.is_empty() {
            return Ok(vec![]);
        }
        let found: Vec<KeyOverview> = self.list(keys::key_overviews(organizations)).await?;
        Ok(keys::in_order(organizations, found))
    }

    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        self.keys(keys::access_keys(organization)).await
    }

    async fn access_key(
        &self,
        organization: OrganizationId,
        which: WhichKey,
    ) -> Result<Option<AccessKeyWithSecrets>, StoreError> {
        Ok(self.keys(keys::access_key(organization, which)).await?.pop())
    }

    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
        self.list(keys::origins(organization)).await
    }
}

impl PostgresStore {
    async fn keys(&self, list: Statement) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        let mut found = vec![];
        row::all_by(&self.query(list).await?, |row| keys::add_secret(&mut found, row))?;
        Ok(found)
    }
}
