//! Organizations, keys, allowed origins.

use async_trait::async_trait;
use doorward_types::{ActorName, Locator, OrganizationId};

use crate::{Logged, MemoryStore, Remembered};
use doorward_store::{
    AccessKeyWithSecrets, Change, ChangeContext, Committed, Conflict, IdempotencyKey, KeyStore, Operation,
    OperationRow, Organization, OriginEntry, Page, Position, RETIRED_RETENTION, Refusals, RetiredSecret,
    RetiredSecrets, Revision, Sourced, StoreError, UsageLog, operations_forgotten,
};

#[async_trait]
impl KeyStore for MemoryStore {
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Committed, StoreError> {
        let mut state = self.state();
        let OperationRow { operation, event, idempotency_key, request } = OperationRow::of(&context);
        let (nameless, all) = operations_forgotten(event.time);
        state
            .operations
            .retain(|_, known| known.time > all && (known.idempotency_key.is_some() || known.time > nameless));
        state.retired.retain(|_, known| known.retired_at + RETIRED_RETENTION > event.time);
        let facts = state.facts(&change, &context);
        let steps = change.plan(&facts, &context)?;
        if steps.iter().any(|step| state.is_taken(step)) {
            return Err(Conflict::Duplicate.into());
        }
        for step in steps {
            state.carry_out(step)?;
        }
        let revision = Revision(state.position.revision.0 + 1);
        state.position = Position { revision, operation };
        let remembered = Remembered {
            operation: Operation { subject: event.subject.clone(), request: Some(request), revision },
            actor: event.actor.to_string(),
            idempotency_key: idempotency_key.map(str::to_owned),
            time: event.time,
        };
        state.operations.insert(operation, remembered);
        state.log.insert(revision, Logged { operation, node: context.node, touched: change.touched(&facts) });
        while state.log.first_entry().is_some_and(|oldest| *oldest.key() < revision.oldest_kept()) {
            state.log.pop_first();
        }
        for event in context.events.iter() {
            state.append(event.clone());
        }
        Ok(Committed { revision, store: state.identity.id, longest_lease: state.identity.longest_lease })
    }

    async fn operation(
        &self,
        actor: &ActorName,
        key: &IdempotencyKey,
    ) -> Result<Sourced<Option<Operation>>, StoreError> {
        let state = self.state();
        Ok(state.sourced(state.done(actor.as_str(), key.as_str()).cloned()))
    }

    fn usage_log(&self) -> Option<&dyn UsageLog> {
        Some(self)
    }

    fn retired_secrets(&self) -> Option<&dyn RetiredSecrets> {
        Some(self)
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        Ok(self.state().organizations.get(&id).cloned())
    }

    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError> {
        let state = self.state();
        let older = state.organizations.values().rev().filter(|found| page.after.is_none_or(|after| found.id < after));
        Ok(older.take(page.limit as usize).cloned().collect())
    }

    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        let state = self.state();
        let keys = state.keys.values().filter(|found| found.key.organization == organization);
        Ok(keys.map(current_first).collect())
    }

    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
        Ok(self.state().origins_of(organization))
    }
}

fn current_first(found: &AccessKeyWithSecrets) -> AccessKeyWithSecrets {
    let mut found = found.clone();
    found.secrets.sort_by_key(|secret| secret.state);
    found
}

#[async_trait]
impl RetiredSecrets for MemoryStore {
    async fn newest_retired(&self, limit: u32) -> Result<Vec<RetiredSecret>, StoreError> {
        let mut found: Vec<_> = self.state().retired.values().cloned().collect();
        found.sort_by_key(|retired| (std::cmp::Reverse(retired.retired_at), retired.locator));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn retired_of(&self, organization: OrganizationId, limit: u32) -> Result<Vec<RetiredSecret>, StoreError> {
        let mut found = self.newest_retired(u32::MAX).await?;
        found.retain(|retired| retired.organization == organization);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn retired(&self, locator: Locator) -> Result<Option<RetiredSecret>, StoreError> {
        Ok(self.state().retired.get(&locator).cloned())
    }

    async fn add_refusals(&self, refusals: &[Refusals]) -> Result<(), StoreError> {
        let mut state = self.state();
        for refused in refusals {
            if let Some(found) = state.retired.get_mut(&refused.locator) {
                found.add(refused);
            }
        }
        Ok(())
    }
}
