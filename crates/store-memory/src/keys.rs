//! Organizations, keys, allowed origins.

use async_trait::async_trait;
use doorward_types::{ActorName, OrganizationId};

use crate::{Logged, MemoryStore, Remembered};
use doorward_store::{
    AccessKeyWithSecrets, Change, ChangeContext, Committed, Conflict, IdempotencyKey, KeyStore, Operation,
    OperationRow, Organization, OriginEntry, Page, Position, Revision, Sourced, StoreError, UsageLog,
    operations_forgotten,
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
