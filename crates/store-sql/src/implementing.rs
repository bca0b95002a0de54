//! The parts of the contract with the same implementation in every SQL engine.

/// Implements [`OperatorStore`](doorward_store::OperatorStore), [`Passkeys`](doorward_store::Passkeys),
/// [`Outbox`](doorward_store::Outbox) and [`RetiredSecrets`](doorward_store::RetiredSecrets) for a store with the methods
/// `find`, `list`, `scan_all`, `execute`, `write_all` and `write_with_event`, which run a [`Statement`](crate::Statement).
#[macro_export]
macro_rules! implement_shared_parts {
    ($store:ident) => {
        const _: () = {
            use doorward_audit::EventDraft;
            use doorward_key::Digest;
            use doorward_store::{
                Operator, OperatorStore, Outbox, OutboxEntry, Passkey, Passkeys, ProviderIdentity, Refusals,
                RetiredSecret, RetiredSecrets, SinkState, StoreError,
            };
            use doorward_types::{Locator, Name, OperatorId, OrganizationId, SessionId, Timestamp};
            use $crate::{audit, keys, operators};

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
            impl Passkeys for $store {
                async fn add_passkey(&self, passkey: Passkey, event: EventDraft) -> Result<(), StoreError> {
                    self.write_with_event(operators::add_passkey(&passkey), &event).await
                }

                async fn passkeys_of(&self, operator: OperatorId) -> Result<Vec<Passkey>, StoreError> {
                    self.list(operators::passkeys_of(operator)).await
                }

                async fn passkey(&self, id: &str) -> Result<Option<(Passkey, Operator)>, StoreError> {
                    self.find(operators::find_passkey(id)).await
                }

                async fn use_passkey(
                    &self,
                    seen: &Passkey,
                    credential: Vec<u8>,
                    at: Timestamp,
                ) -> Result<bool, StoreError> {
                    Ok(self.execute(operators::use_passkey(seen, &credential, at)).await? == 1)
                }

                async fn remove_passkey(
                    &self,
                    operator: OperatorId,
                    id: &str,
                    event: EventDraft,
                ) -> Result<bool, StoreError> {
                    match self.write_with_event(operators::remove_passkey(operator, id), &event).await {
                        Err(StoreError::NotFound) => Ok(false),
                        removed => removed.map(|()| true),
                    }
                }

                async fn spend_challenge(
                    &self,
                    challenge: Digest,
                    now: Timestamp,
                    until: Timestamp,
                ) -> Result<bool, StoreError> {
                    self.execute(operators::forget_challenges(now)).await?;
                    Ok(self.execute(operators::spend_challenge(challenge, until)).await? == 1)
                }
            }

            #[async_trait::async_trait]
            impl RetiredSecrets for $store {
                async fn newest_retired(&self, limit: u32) -> Result<Vec<RetiredSecret>, StoreError> {
                    self.list(keys::newest_retired(limit)).await
                }

                async fn retired_of(
                    &self,
                    organization: OrganizationId,
                    limit: u32,
                ) -> Result<Vec<RetiredSecret>, StoreError> {
                    self.list(keys::retired_of(organization, limit)).await
                }

                async fn retired(&self, locator: Locator) -> Result<Option<RetiredSecret>, StoreError> {
                    self.find(keys::retired(locator)).await
                }

                async fn add_refusals(&self, refusals: &[Refusals]) -> Result<(), StoreError> {
                    // Nodes write in the same order, so that two nodes seldom deadlock.
                    let mut refusals = refusals.to_vec();
                    refusals.sort_unstable_by_key(|refused| refused.locator);
                    self.write_all(refusals.iter().map(keys::add_refusals).collect()).await
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
