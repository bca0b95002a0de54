//! The parts of the contract with the same implementation in every SQL engine.

/// Implements [`OperatorStore`](doorward_store::OperatorStore) and [`Outbox`](doorward_store::Outbox) for a store with
/// the methods `find`, `list`, `scan_all`, `execute` and `write_with_event`, which run a
/// [`Statement`](crate::Statement).
#[macro_export]
macro_rules! implement_operators_and_outbox {
    ($store:ident) => {
        const _: () = {
            use doorward_audit::EventDraft;
            use doorward_store::{
                Operator, OperatorStore, Outbox, OutboxEntry, ProviderIdentity, SinkState, StoreError,
            };
            use doorward_types::{Locator, Name, OperatorId, SessionId};
            use $crate::{audit, operators};

            #[async_trait::async_trait]
            impl OperatorStore for $store {
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

                async fn operator_by_identity(
                    &self,
                    identity: &ProviderIdentity,
                ) -> Result<Option<Operator>, StoreError> {
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

            #[async_trait::async_trait]
            impl Outbox for $store {
                async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<OutboxEntry>, StoreError> {
                    self.scan_all(audit::events_after(position, limit)).await
                }

                async fn sinks(&self) -> Result<Vec<SinkState>, StoreError> {
                    self.list(audit::sinks()).await
                }

                async fn acquire_sink(
                    &self,
                    name: &Name,
                    beat: Option<u64>,
                    holder: SessionId,
                ) -> Result<bool, StoreError> {
                    Ok(self.execute(audit::acquire_sink(name, beat, holder)).await? == 1)
                }

                async fn commit_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError> {
                    Ok(self.execute(audit::commit_sink(name, holder, position)).await? == 1)
                }

                async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError> {
                    self.execute(audit::release_sink(name, holder)).await.map(drop)
                }

                async fn delete_sink(&self, name: &Name) -> Result<bool, StoreError> {
                    Ok(self.execute(audit::delete_sink(name)).await? == 1)
                }
            }
        };
    };
}
