//! Organizations, keys and their secrets, allowed origins. [`crate::change`] has what changes them.

use async_trait::async_trait;
use doorward_store::{
    AccessKeyWithSecrets, Change, ChangeContext, Committed, IdempotencyKey, KeyStore, Operation, Organization,
    OriginEntry, Page, Revision, Sourced, StoreError, WhichKey,
};
use doorward_types::{Name, OrganizationId};
use rusqlite::{Connection, OptionalExtension, Params, params};

use crate::error::{of_read, unavailable};
use crate::{SqliteStore, change, identity, on_a_thread, origins, row};

#[async_trait]
impl KeyStore for SqliteStore {
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Committed, StoreError> {
        self.write_first(move |connection| change::make(connection, &change, &context)).await
    }

    async fn operation(&self, actor: &Name, key: &IdempotencyKey) -> Result<Sourced<Option<Operation>>, StoreError> {
        let (actor, key) = (actor.clone(), key.clone());
        let find = move |connection: &Connection| change::operation(connection, actor.as_str(), key.as_str());
        self.read(move |connection| identity::sourced(connection, find(connection)?)).await
    }

    async fn last_change_of(&self, subject: &str) -> Result<Sourced<Option<Revision>>, StoreError> {
        let subject = subject.to_owned();
        self.read(move |connection| {
            let mut find = connection
                .prepare_cached("SELECT max(revision) FROM operations WHERE subject = ?1")
                .map_err(unavailable)?;
            let newest: Option<u64> = find.query_row([subject], |row| row.get(0)).map_err(of_read)?;
            identity::sourced(connection, newest.map(Revision))
        })
        .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        let engine = std::sync::Arc::clone(&self.engine);
        on_a_thread(move || {
            engine.close();
            Ok(())
        })
        .await
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.read(move |transaction| {
            let mut find = transaction
                .prepare_cached("SELECT id, name, created_at FROM organizations WHERE id = ?1")
                .map_err(unavailable)?;
            find.query_row([id.to_string()], row::organization).optional().map_err(of_read)
        })
        .await
    }

    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError> {
        self.read(move |transaction| {
            let mut list = transaction
                .prepare_cached(
                    "SELECT id, name, created_at FROM organizations WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2",
                )
                .map_err(unavailable)?;
            let after = page.after.map(|id| id.to_string());
            list.query_map(params![after, page.limit], row::organization)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn organizations_named(&self, name: &Name, limit: u32) -> Result<Vec<Organization>, StoreError> {
        let name = name.clone();
        self.read(move |transaction| {
            let mut list = transaction
                .prepare_cached(
                    "SELECT id, name, created_at FROM organizations WHERE name = ?1 ORDER BY id DESC LIMIT ?2",
                )
                .map_err(unavailable)?;
            list.query_map(params![name.as_str(), limit], row::organization)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        self.read(move |transaction| keys(transaction, "", params![organization.to_string()])).await
    }

    async fn access_key(
        &self,
        organization: OrganizationId,
        which: WhichKey,
    ) -> Result<Option<AccessKeyWithSecrets>, StoreError> {
        let organization = organization.to_string();
        let found = self.read(move |transaction| match which {
            // By both environments, which the primary key names before the id.
            WhichKey::Id(id) => {
                let it = "AND k.environment IN ('production', 'test') AND k.id = ?2";
                keys(transaction, it, params![organization, id.to_string()])
            }
            WhichKey::Production => keys(transaction, "AND k.environment = 'production'", params![organization]),
        });
        Ok(found.await?.pop())
    }

    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
        self.read(move |transaction| origins::of(transaction, organization)).await
    }
}

/// Reads keys of the organization that is the first parameter: all, or those that the further condition admits.
fn keys(connection: &Connection, which: &str, params: impl Params) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
    let sql = format!(
        "SELECT {}, {}, k.generations FROM access_keys k
         JOIN secrets s ON s.organization = k.organization AND s.environment = k.environment AND s.access_key = k.id
         WHERE k.organization = ?1 {which} ORDER BY k.environment, k.id, s.state",
        row::ACCESS_KEY,
        row::SECRET
    );
    let mut list = connection.prepare_cached(&sql).map_err(unavailable)?;
    let mut rows = list.query(params).map_err(unavailable)?;
    let mut keys: Vec<AccessKeyWithSecrets> = Vec::new();
    while let Some(found) = rows.next().map_err(unavailable)? {
        let (key, secret) = (row::access_key(found).map_err(of_read)?, row::secret(found, 6).map_err(of_read)?);
        match keys.last_mut() {
            Some(last) if last.key.id == key.id => last.secrets.push(secret),
            _ => {
                let generations = found.get(11).map_err(of_read)?;
                keys.push(AccessKeyWithSecrets { key, generations, secrets: vec![secret] });
            }
        }
    }
    Ok(keys)
}
