//! Organizations, keys, allowed origins.

use async_trait::async_trait;
use doorward_types::OrganizationId;

use super::{Logged, MemoryStore};
use crate::{
    AccessKeyWithSecrets, CHANGE_LOG_LENGTH, Change, ChangeContext, IDEMPOTENCY_WINDOW, KeyStore, Organization,
    OriginEntry, Page, Position, Revision, StoreError,
};

#[async_trait]
impl KeyStore for MemoryStore {
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Revision, StoreError> {
        let mut state = self.state();
        let first = context.events.first();
        if let Some(key) = &context.idempotency_key {
            let now = first.time;
            state.done.retain(|_, (_, then)| *then + IDEMPOTENCY_WINDOW > now);
            if let Some((subject, _)) = state.done.get(&(first.actor.to_string(), key.as_str().to_owned())) {
                return Err(StoreError::AlreadyDone { subject: subject.clone() });
            }
        }
        state.check(&change)?;
        let touched = change.touched();
        state.apply(change)?;
        if let Some(key) = &context.idempotency_key {
            let place = (first.actor.to_string(), key.as_str().to_owned());
            state.done.insert(place, (first.subject.clone(), first.time));
        }
        let revision = Revision(state.position.revision.0 + 1);
        let ChangeContext { operation, node, .. } = context;
        state.position = Position { revision, operation };
        state.log.insert(revision, Logged { operation, node, touched });
        while state.log.len() > CHANGE_LOG_LENGTH + 1 {
            state.log.pop_first();
        }
        for event in context.events.iter() {
            state.append(event.clone());
        }
        Ok(revision)
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
        let mut keys: Vec<_> =
            state.keys.values().filter(|found| found.key.organization == organization).cloned().collect();
        for found in &mut keys {
            found.secrets.sort_by_key(|secret| secret.state);
        }
        Ok(keys)
    }

    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
        Ok(self.state().origins_of(organization))
    }
}
