//! Sealed values, and the id of their sealing key.

use async_trait::async_trait;
use doorward_audit::EventDraft;

use crate::{MemoryStore, State};
use doorward_records::{Connector, LinkSession, Revocation, Sealed, SealedKind, SealedValue, Sealing};
use doorward_store::{Scope, SealingKeyId, StoreError};

impl State {
    /// Returns every value of a kind, with a reference for its replacement.
    fn sealed(&mut self, kind: SealedKind) -> Vec<(SealedValue, &mut Sealed)> {
        let at = |scope: &Scope, key: Vec<String>, record: String, sealed: &Sealed| SealedValue {
            kind,
            organization: scope.organization(),
            environment: scope.environment(),
            key,
            record,
            sealed: sealed.clone(),
        };
        match kind {
            SealedKind::Connector => {
                let all = self.connectors.iter_mut().map(|((scope, name), found)| {
                    let value = at(scope, vec![name.to_string()], Connector::record(name), &found.sealed);
                    (value, &mut found.sealed)
                });
                all.collect()
            }
            SealedKind::Credential => {
                let all = self.credentials.iter_mut().map(|((scope, key), found)| {
                    let parts = vec![key.registered_user.to_string(), key.connector.to_string()];
                    (at(scope, parts, key.to_string(), &found.sealed), &mut found.sealed)
                });
                all.collect()
            }
            SealedKind::LinkPlan => {
                let all = self.links.iter_mut().map(|((scope, id), found)| {
                    let record = LinkSession::plan_record(*id, found.registered_user, &found.connector);
                    (at(scope, vec![id.to_string()], record, &found.plan), &mut found.plan)
                });
                all.collect()
            }
            SealedKind::LinkTokens => {
                let all = self.links.iter_mut().filter_map(|((scope, id), found)| {
                    let record = found.tokens_record();
                    let tokens = found.tokens.as_mut()?;
                    Some((at(scope, vec![id.to_string()], record, tokens), tokens))
                });
                all.collect()
            }
            SealedKind::Revocation => {
                let all = self.revocations.iter_mut().map(|due| {
                    let Revocation { organization, environment, id, record, sealed, .. } = &mut due.revocation;
                    let (organization, environment) = (*organization, *environment);
                    let (key, record, value) = (vec![id.clone()], record.clone(), sealed.clone());
                    (SealedValue { kind, organization, environment, key, record, sealed: value }, sealed)
                });
                all.collect()
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
        let mut state = self.state();
        let values = state.sealed(kind).into_iter().map(|(value, _)| value);
        let mut later: Vec<_> =
            values.filter(|value| after.as_ref().is_none_or(|after| place(value) > *after)).collect();
        later.sort_by_cached_key(place);
        later.truncate(limit as usize);
        Ok(later)
    }

    async fn replace_sealed(&self, values: Vec<(SealedValue, Sealed)>) -> Result<u64, StoreError> {
        let mut state = self.state();
        let mut replaced = 0;
        for kind in SealedKind::ALL {
            for (value, found) in state.sealed(kind) {
                if let Some((_, new)) = values.iter().find(|(old, _)| *old == value) {
                    *found = new.clone();
                    replaced += 1;
                }
            }
        }
        Ok(replaced)
    }
}
