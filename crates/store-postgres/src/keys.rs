use async_trait::async_trait;
use doorward_store::{
    AccessKeyWithSecrets, Change, ChangeContext, Committed, IdempotencyKey, KeyStore, Operation, Organization,
    OriginEntry, Page, Revision, Sourced, StoreError, WhichKey,
};
use doorward_types::{Name, OrganizationId};

use crate::row::{AFTER_PROVENANCE, PROVENANCE};
use crate::statement::{Statement, sql};
use crate::{PostgresStore, origins, row};

#[async_trait]
impl KeyStore for PostgresStore {
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Committed, StoreError> {
        self.writer.change((change, context)).await
    }

    async fn operation(&self, actor: &Name, key: &IdempotencyKey) -> Result<Sourced<Option<Operation>>, StoreError> {
        let find = sql(format!(
            "SELECT {PROVENANCE}, o.subject, o.request, o.revision FROM store i
             LEFT JOIN operations o ON o.actor = $1 AND o.idempotency_key = $2 WHERE i.id = 1"
        ));
        let (provenance, found) = self.pool.sourced(find.text(actor).text(key.as_str())).await?;
        let found = found.first().ok_or(StoreError::Unfinished)?;
        let is_there = row::get::<Option<&str>>(found, AFTER_PROVENANCE)?.is_some();
        let operation = is_there.then(|| row::operation(found, AFTER_PROVENANCE)).transpose()?;
        Ok(Sourced::new(provenance, operation))
    }

    async fn last_change_of(&self, subject: &str) -> Result<Sourced<Option<Revision>>, StoreError> {
        let find = sql(format!(
            "SELECT {PROVENANCE}, (SELECT max(revision) FROM operations WHERE subject = $1) FROM store i WHERE i.id = 1"
        ));
        let (provenance, found) = self.pool.sourced(find.text(subject)).await?;
        let newest: Option<i64> = row::get(found.first().ok_or(StoreError::Unfinished)?, AFTER_PROVENANCE)?;
        Ok(Sourced::new(provenance, newest.and_then(|newest| u64::try_from(newest).ok()).map(Revision)))
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        let find = sql("SELECT id, name, created_at FROM organizations WHERE id = $1").text(id);
        self.query(find).await?.first().map(row::organization).transpose()
    }

    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError> {
        let list = "SELECT id, name, created_at FROM organizations
                    WHERE $1 IS NULL OR id < $1 ORDER BY id DESC LIMIT $2";
        let found = self.query(sql(list).text_or_null(page.after).number(i64::from(page.limit))).await?;
        found.iter().map(row::organization).collect()
    }

    async fn organizations_named(&self, name: &Name, limit: u32) -> Result<Vec<Organization>, StoreError> {
        let list = "SELECT id, name, created_at FROM organizations WHERE name = $1 ORDER BY id DESC LIMIT $2";
        let found = self.query(sql(list).text(name).number(i64::from(limit))).await?;
        found.iter().map(row::organization).collect()
    }

    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        self.keys(keys_where("").text(organization)).await
    }

    async fn access_key(
        &self,
        organization: OrganizationId,
        which: WhichKey,
    ) -> Result<Option<AccessKeyWithSecrets>, StoreError> {
        let find = match which {
            // By both environments, which the primary key names before the id.
            WhichKey::Id(id) => {
                keys_where("AND k.environment IN ('production', 'test') AND k.id = $2").text(organization).text(id)
            }
            WhichKey::Production => keys_where("AND k.environment = 'production'").text(organization),
        };
        Ok(self.keys(find).await?.pop())
    }

    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
        let found = self.query(origins::of_organization(organization)).await?;
        found.iter().map(|found| origins::entry(found, 0)).collect()
    }
}

/// Reads keys of the organization that is the first parameter: all, or those that the further condition admits.
fn keys_where(which: &str) -> Statement {
    sql(format!(
        "SELECT {}, {}, k.generations FROM access_keys k
         JOIN secrets s ON s.organization = k.organization AND s.environment = k.environment AND s.access_key = k.id
         WHERE k.organization = $1 {which} ORDER BY k.environment, k.id, s.state",
        row::ACCESS_KEY,
        row::SECRET
    ))
}

impl PostgresStore {
    async fn keys(&self, find: Statement) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        let mut keys: Vec<AccessKeyWithSecrets> = Vec::new();
        for found in &self.query(find).await? {
            let (key, secret) = (row::access_key(found, 0)?, row::secret(found, 6)?);
            match keys.last_mut() {
                Some(last) if last.key.id == key.id => last.secrets.push(secret),
                _ => {
                    keys.push(AccessKeyWithSecrets { key, generations: row::small(found, 11)?, secrets: vec![secret] })
                }
            }
        }
        Ok(keys)
    }
}
