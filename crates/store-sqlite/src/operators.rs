use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Operator, Operators, ProviderIdentity, StoreError};
use doorward_store_sql::operators;
use doorward_types::{Locator, OperatorId};

use crate::{SqliteStore, audit, row};

#[async_trait]
impl Operators for SqliteStore {
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError> {
        self.write_first(move |connection| {
            row::write(connection, &operators::add(&operator))?;
            audit::append(connection, &event)
        })
        .await
    }

    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError> {
        self.write_first(move |connection| {
            row::write(connection, &operators::remove(id))?;
            audit::append(connection, &event)
        })
        .await
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.list(operators::all()).await
    }

    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError> {
        self.find(operators::by_locator(locator)).await
    }

    async fn operator_by_identity(&self, identity: &ProviderIdentity) -> Result<Option<Operator>, StoreError> {
        self.find(operators::by_identity(identity)).await
    }

    async fn bind_operator(
        &self,
        id: OperatorId,
        identity: &ProviderIdentity,
        event: EventDraft,
    ) -> Result<(), StoreError> {
        let bind = operators::bind(id, identity);
        self.write_first(move |connection| {
            row::write(connection, &bind)?;
            audit::append(connection, &event)
        })
        .await
    }
}
