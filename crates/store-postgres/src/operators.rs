use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_store::{Operator, Operators, ProviderIdentity, StoreError};
use doorward_store_sql::operators;
use doorward_types::{Locator, OperatorId};

use crate::PostgresStore;

#[async_trait]
impl Operators for PostgresStore {
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError> {
        self.write_with_event(operators::add(&operator), &event).await
    }

    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError> {
        self.write_with_event(operators::remove(id), &event).await
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
        self.write_with_event(operators::bind(id, identity), &event).await
    }
}
