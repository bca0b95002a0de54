//! The erasure of closed organizations.

use async_trait::async_trait;
use doorward_records::Erasure;
use doorward_store::{Scope, StoreError};
use doorward_types::{OrganizationId, Timestamp};

use crate::tables::Kept;
use crate::{MemoryStore, State};

#[async_trait]
impl Erasure for MemoryStore {
    async fn erase_closed(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        let is_due = |erase_at: Option<Timestamp>| erase_at.is_some_and(|erase_at| erase_at <= now);
        let due = state.organizations.values().filter(|found| is_due(found.erase_at)).map(|found| found.id);
        for organization in due.collect::<Vec<_>>() {
            state.erase(organization);
        }
        Ok(())
    }
}

impl State {
    fn erase(&mut self, organization: OrganizationId) {
        let is_of = |scope: &Scope| scope.organization() == organization;
        let links: Vec<_> = self.links.extract_if(.., |(scope, _), _| is_of(scope)).collect();
        for ((scope, _), session) in links {
            self.revoke_pending(&scope, &session);
        }
        let credentials: Vec<_> = self.credentials.extract_if(.., |(scope, _), _| is_of(scope)).collect();
        for ((scope, _), credential) in credentials {
            credential.revoke(self, &scope);
        }
        self.users.retain(|(scope, _), _| !is_of(scope));
        self.tool_calls.retain(|(scope, _), _| !is_of(scope));
        self.retired.retain(|_, retired| retired.organization != organization);
        if self.revocations.iter().all(|due| due.revocation.organization != organization) {
            self.connectors.retain(|(scope, _), _| !is_of(scope));
            if let Some(found) = self.organizations.get_mut(&organization) {
                found.erase_at = None;
            }
        }
    }
}
