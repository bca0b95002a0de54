//! Sealed values, and the name of their key.

use async_trait::async_trait;
use doorward_audit::EventDraft;

use crate::{MemoryStore, State};
use doorward_records::{Connector, LinkSession, Record, Revocation, Sealed, SealedKind, SealedValue, Sealing};
use doorward_store::{Scope, SealingKeyId, StoreError};

impl State {
    /// Every value of a kind, in the order of places.
    fn sealed(&self, kind: SealedKind) -> Vec<SealedValue> {
        let value = |scope: &Scope, key: Vec<String>, record: String, sealed: &Sealed| SealedValue {
            kind,
            organization: scope.organization(),
            environment: scope.environment(),
            key,
            record,
            sealed: sealed.clone(),
        };
        let links = || self.links.iter().map(|((scope, _), session)| (scope, vec![session.id.to_string()], session));
        let mut values: Vec<_> = match kind {
            SealedKind::Connector => self
                .connectors
                .iter()
                .map(|((scope, name), found)| {
                    value(scope, vec![name.to_string()], Connector::record(name), &found.sealed)
                })
                .collect(),
            SealedKind::Credential => self
                .credentials
                .iter()
                .map(|((scope, _), found)| {
                    let key = vec![found.registered_user.to_string(), found.connector.to_string()];
                    value(scope, key, found.key().to_string(), &found.sealed)
                })
                .collect(),
            SealedKind::LinkPlan => links()
                .map(|(scope, key, found)| {
                    let record = LinkSession::plan_record(found.id, found.registered_user, &found.connector);
                    value(scope, key, record, &found.plan)
                })
                .collect(),
            SealedKind::LinkTokens => links()
                .filter_map(|(scope, key, found)| {
                    Some(value(scope, key, found.tokens_record(), found.tokens.as_ref()?))
                })
                .collect(),
            SealedKind::Revocation => self
                .revocations
                .iter()
                .map(|due| SealedValue {
                    kind,
                    organization: due.revocation.organization,
                    environment: due.revocation.environment,
                    key: vec![due.revocation.id.clone()],
                    record: due.revocation.record.clone(),
                    sealed: due.revocation.sealed.clone(),
                })
                .collect(),
        };
        values.sort_by_cached_key(place);
        values
    }

    /// The sealed value at a place, to be replaced.
    fn sealed_at(&mut self, at: &SealedValue) -> Option<&mut Sealed> {
        let is_in = |scope: &Scope| scope.organization() == at.organization && scope.environment() == at.environment;
        let is_it = |key: &[String]| key == at.key;
        let mut links = self.links.iter_mut().filter(|((scope, id), _)| is_in(scope) && is_it(&[id.to_string()]));
        match at.kind {
            SealedKind::Connector => {
                let mut all = self.connectors.iter_mut();
                let found = all.find(|((scope, name), _)| is_in(scope) && is_it(&[name.to_string()]));
                found.map(|(_, found)| &mut found.sealed)
            }
            SealedKind::Credential => {
                let mut all = self.credentials.iter_mut();
                let found = all.find(|((scope, key), _)| {
                    is_in(scope) && is_it(&[key.registered_user.to_string(), key.connector.to_string()])
                });
                found.map(|(_, found)| &mut found.sealed)
            }
            SealedKind::LinkPlan => links.next().map(|(_, found)| &mut found.plan),
            SealedKind::LinkTokens => links.next().and_then(|(_, found)| found.tokens.as_mut()),
            SealedKind::Revocation => {
                let mut all = self.revocations.iter_mut().map(|due| &mut due.revocation);
                let is_in =
                    |found: &Revocation| (found.organization, found.environment) == (at.organization, at.environment);
                all.find(|found| is_in(found) && is_it(std::slice::from_ref(&found.id))).map(|found| &mut found.sealed)
            }
        }
    }
}

fn place(value: &SealedValue) -> Vec<String> {
    value.place().collect()
}

#[async_trait]
impl Sealing for MemoryStore {
    async fn name_sealing_key(
        &self,
        expected: Option<SealingKeyId>,
        key: SealingKeyId,
        event: Option<EventDraft>,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        if state.identity.sealing_key != expected {
            return Ok(false);
        }
        state.identity.sealing_key = Some(key);
        if let Some(event) = event {
            state.append(event);
        }
        Ok(true)
    }

    async fn count_sealed(&self, kind: SealedKind) -> Result<u64, StoreError> {
        Ok(self.state().sealed(kind).len() as u64)
    }

    async fn sealed_values(
        &self,
        kind: SealedKind,
        after: Option<&SealedValue>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        let after = after.map(place);
        let values = self.state().sealed(kind).into_iter();
        let later = values.filter(|value| after.as_ref().is_none_or(|after| place(value) > *after));
        Ok(later.take(limit as usize).collect())
    }

    async fn replace_sealed(&self, values: Vec<(SealedValue, Sealed)>) -> Result<u64, StoreError> {
        let mut state = self.state();
        let mut replaced = 0;
        for (old, new) in values {
            if let Some(found) = state.sealed_at(&old).filter(|found| **found == old.sealed) {
                *found = new;
                replaced += 1;
            }
        }
        Ok(replaced)
    }
}
