use async_trait::async_trait;
use doorward_store::{Outbox, Shipment, SinkState, StoreError};
use doorward_store_sql::audit;
use doorward_types::{Name, SessionId};

use crate::PostgresStore;

#[async_trait]
impl Outbox for PostgresStore {
    async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<Shipment>, StoreError> {
        self.list(audit::events_after(position, limit)).await
    }

    async fn sinks(&self) -> Result<Vec<SinkState>, StoreError> {
        self.list(audit::sinks()).await
    }

    async fn take_sink(&self, name: &Name, beat: Option<u64>, holder: SessionId) -> Result<bool, StoreError> {
        Ok(self.execute(audit::take_sink(name, beat, holder)).await? == 1)
    }

    async fn advance_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError> {
        Ok(self.execute(audit::advance_sink(name, holder, position)).await? == 1)
    }

    async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError> {
        self.execute(audit::release_sink(name, holder)).await.map(drop)
    }

    async fn forget_sink(&self, name: &Name) -> Result<bool, StoreError> {
        Ok(self.execute(audit::forget_sink(name)).await? == 1)
    }
}
