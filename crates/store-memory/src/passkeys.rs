//! Operators' passkeys.

use std::collections::hash_map::Entry;

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_store::{Conflict, Operator, Passkey, Passkeys, StoreError};
use doorward_types::{OperatorId, Timestamp};

use crate::MemoryStore;

#[async_trait]
impl Passkeys for MemoryStore {
    async fn add_passkey(&self, passkey: Passkey, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.operators.contains_key(&passkey.operator) {
            return Err(StoreError::NotFound);
        }
        if state.passkeys.contains_key(&passkey.id) {
            return Err(Conflict::Duplicate.into());
        }
        state.passkeys.insert(passkey.id.clone(), passkey);
        state.append(event);
        Ok(())
    }

    async fn passkeys_of(&self, operator: OperatorId) -> Result<Vec<Passkey>, StoreError> {
        let state = self.state();
        let mut found: Vec<_> = state.passkeys.values().filter(|known| known.operator == operator).cloned().collect();
        found.sort_by_key(|known| known.created_at);
        Ok(found)
    }

    async fn passkey(&self, id: &str) -> Result<Option<(Passkey, Operator)>, StoreError> {
        let state = self.state();
        let found = state.passkeys.get(id);
        Ok(found.and_then(|found| Some((found.clone(), state.operators.get(&found.operator)?.clone()))))
    }

    async fn use_passkey(&self, seen: &Passkey, credential: Vec<u8>, at: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state();
        let found = state.passkeys.get_mut(&seen.id).filter(|found| found.credential == seen.credential);
        let Some(found) = found else { return Ok(false) };
        (found.credential, found.last_used_at) = (credential, Some(at));
        Ok(true)
    }

    async fn remove_passkey(&self, operator: OperatorId, id: &str, event: EventDraft) -> Result<bool, StoreError> {
        let mut state = self.state();
        if state.passkeys.get(id).is_none_or(|found| found.operator != operator) {
            return Ok(false);
        }
        state.passkeys.remove(id);
        state.append(event);
        Ok(true)
    }

    async fn spend_challenge(&self, challenge: Digest, now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state();
        state.spent_challenges.retain(|_, ends_at| *ends_at > now);
        match state.spent_challenges.entry(challenge.to_bytes()) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(place) => {
                place.insert(until);
                Ok(true)
            }
        }
    }
}
