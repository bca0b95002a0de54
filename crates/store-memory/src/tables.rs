//! Operators, data of one environment, and tool calls.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_types::{Locator, OperatorId, RegisteredUserId, Timestamp, ToolCallId};

use crate::{MemoryStore, State};
use doorward_records::{
    Connector, Credential, Record, RegisteredUser, TOOL_CALL_RETENTION, Table, ToolCall, ToolCalls, check_seal,
};
use doorward_store::{
    Conflict, Operator, OperatorStore, Page, Passkeys, ProviderAccess, ProviderIdentity, Scope, SignIn, SignIns,
    StoreError,
};

#[async_trait]
impl OperatorStore for MemoryStore {
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        let taken = |known: &Operator| known.name == operator.name || known.locator == operator.locator;
        if state.operators.values().any(taken) {
            return Err(Conflict::Duplicate.into());
        }
        state.operators.insert(operator.id, operator);
        state.append(event);
        Ok(())
    }

    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        state.operators.remove(&id).ok_or(StoreError::NotFound)?;
        state.sign_ins.retain(|_, known| known.operator != id);
        state.passkeys.retain(|_, known| known.operator != id);
        state.append(event);
        Ok(())
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        Ok(self.state().operators.values().cloned().collect())
    }

    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError> {
        Ok(self.state().operators.values().find(|operator| operator.locator == locator).cloned())
    }

    async fn operator_by_identity(&self, identity: &ProviderIdentity) -> Result<Option<Operator>, StoreError> {
        Ok(self.state().operators.values().find(|operator| is_bound(operator, identity)).cloned())
    }

    async fn bind_operator(
        &self,
        id: OperatorId,
        identity: &ProviderIdentity,
        event: EventDraft,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let is_taken = state.operators.values().any(|operator| is_bound(operator, identity));
        let found = state.operators.get_mut(&id).filter(|operator| operator.provider == ProviderAccess::Expected);
        let operator = found.ok_or(StoreError::NotFound)?;
        if is_taken {
            return Err(Conflict::Duplicate.into());
        }
        operator.provider = ProviderAccess::Bound(identity.clone());
        state.append(event);
        Ok(())
    }
}

fn is_bound(operator: &Operator, identity: &ProviderIdentity) -> bool {
    matches!(&operator.provider, ProviderAccess::Bound(bound) if bound == identity)
}

type Rows<R> = BTreeMap<(Scope, <R as Record>::Key), R>;

/// A record of one environment, with the checks and effects that a SQL engine leaves to its database.
pub(crate) trait Kept: Record<Key: Ord> {
    fn rows(state: &mut State) -> &mut Rows<Self>;

    /// Fails if the record is invalid. Its key is not checked.
    fn check(&self, state: &State, scope: &Scope) -> Result<(), StoreError>;

    fn created_at(&mut self) -> &mut Timestamp;

    /// Revokes the record's secrets before its deletion or replacement.
    fn revoke(self, _state: &mut State, _scope: &Scope) {}

    /// Deletes the dependent records of a deleted record.
    fn remove_parts(&self, _state: &mut State, _scope: &Scope) {}
}

impl State {
    /// Adds a record, or replaces the record with its key.
    pub(crate) fn put<R: Kept>(&mut self, scope: &Scope, mut record: R) -> Result<(), StoreError> {
        record.check(self, scope)?;
        let place = (*scope, record.key());
        if let Some(mut known) = R::rows(self).get(&place).cloned() {
            *record.created_at() = *known.created_at();
            known.revoke(self, scope);
        }
        R::rows(self).insert(place, record);
        Ok(())
    }
}

#[async_trait]
impl<R: Kept> Table<R> for MemoryStore {
    async fn insert(&self, scope: &Scope, record: R) -> Result<(), StoreError> {
        let mut state = self.state();
        record.check(&state, scope)?;
        match R::rows(&mut state).entry((*scope, record.key())) {
            Entry::Occupied(_) => Err(Conflict::Duplicate.into()),
            Entry::Vacant(place) => {
                place.insert(record);
                Ok(())
            }
        }
    }

    async fn put(&self, scope: &Scope, record: R, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        state.put(scope, record)?;
        state.append(event);
        Ok(())
    }

    async fn get(&self, scope: &Scope, key: &R::Key) -> Result<Option<R>, StoreError> {
        Ok(R::rows(&mut self.state()).get(&(*scope, key.clone())).cloned())
    }

    async fn list(&self, scope: &Scope, page: Page<R::Key>) -> Result<Vec<R>, StoreError> {
        let mut state = self.state();
        let older = R::rows(&mut state)
            .iter()
            .rev()
            .filter(|((of, key), _)| of == scope && page.after.as_ref().is_none_or(|after| key < after));
        Ok(older.map(|(_, record)| record.clone()).take(page.limit as usize).collect())
    }

    async fn delete(&self, scope: &Scope, key: &R::Key, event: EventDraft) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(gone) = R::rows(&mut state).remove(&(*scope, key.clone())) else { return Ok(false) };
        gone.remove_parts(&mut state, scope);
        gone.revoke(&mut state, scope);
        state.append(event);
        Ok(true)
    }
}

impl Kept for RegisteredUser {
    fn rows(state: &mut State) -> &mut Rows<Self> {
        &mut state.users
    }

    fn check(&self, state: &State, scope: &Scope) -> Result<(), StoreError> {
        let is_taken = state
            .users
            .iter()
            .any(|((of, id), known)| of == scope && *id != self.id && known.origin_user_id == self.origin_user_id);
        if is_taken { Err(Conflict::Duplicate.into()) } else { Ok(()) }
    }

    fn created_at(&mut self) -> &mut Timestamp {
        &mut self.created_at
    }

    fn remove_parts(&self, state: &mut State, scope: &Scope) {
        let credentials: Vec<_> = state
            .credentials
            .extract_if(.., |(of, known), _| of == scope && known.registered_user == self.id)
            .collect();
        for (_, credential) in credentials {
            credential.revoke(state, scope);
        }
        let links: Vec<_> =
            state.links.extract_if(.., |(of, _), session| of == scope && session.registered_user == self.id).collect();
        for (_, session) in links {
            state.revoke_pending(scope, &session);
        }
    }
}

impl Kept for Credential {
    fn rows(state: &mut State) -> &mut Rows<Self> {
        &mut state.credentials
    }

    fn check(&self, state: &State, scope: &Scope) -> Result<(), StoreError> {
        check_seal(state.identity.sealing_key, &self.sealed)?;
        let is_there = state.users.contains_key(&(*scope, self.registered_user));
        if is_there { Ok(()) } else { Err(StoreError::NotFound) }
    }

    fn created_at(&mut self) -> &mut Timestamp {
        &mut self.created_at
    }

    fn revoke(self, state: &mut State, scope: &Scope) {
        state.revoke(scope, self.key().to_string(), self.connector, self.sealed);
    }
}

impl Kept for Connector {
    fn rows(state: &mut State) -> &mut Rows<Self> {
        &mut state.connectors
    }

    fn check(&self, state: &State, _scope: &Scope) -> Result<(), StoreError> {
        check_seal(state.identity.sealing_key, &self.sealed)
    }

    fn created_at(&mut self) -> &mut Timestamp {
        &mut self.created_at
    }
}

#[async_trait]
impl ToolCalls for MemoryStore {
    async fn begin_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.tool_calls.contains_key(&(*scope, call.id)) {
            return Err(Conflict::Duplicate.into());
        }
        state.tool_calls.retain(|(of, _), known| of != scope || known.began_at + TOOL_CALL_RETENTION >= call.began_at);
        state.tool_calls.insert((*scope, call.id), call);
        Ok(())
    }

    async fn end_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let mut state = self.state();
        let known = state.tool_calls.get_mut(&(*scope, call.id)).ok_or(StoreError::NotFound)?;
        let ToolCall { registered_user, ended_at, outcome, .. } = call;
        *known = ToolCall { registered_user, ended_at, outcome, ..known.clone() };
        Ok(())
    }

    async fn tool_calls(
        &self,
        scope: &Scope,
        registered_user: Option<RegisteredUserId>,
        page: Page<ToolCallId>,
    ) -> Result<Vec<ToolCall>, StoreError> {
        let state = self.state();
        let calls = state.tool_calls.iter().rev().filter(|((of, id), call)| {
            of == scope
                && page.after.is_none_or(|after| *id < after)
                && registered_user.is_none_or(|user| call.registered_user == Some(user))
        });
        Ok(calls.map(|(_, call)| call.clone()).take(page.limit as usize).collect())
    }
}

#[async_trait]
impl SignIns for MemoryStore {
    async fn add_sign_in(&self, sign_in: SignIn, spent: Option<Digest>, event: EventDraft) -> Result<bool, StoreError> {
        let mut state = self.state();
        state.sign_ins.retain(|_, known| known.expires_at > sign_in.created_at);
        if !state.operators.contains_key(&sign_in.operator) {
            return Err(StoreError::NotFound);
        }
        if spent.is_some_and(|link| state.sign_ins.remove(&link.to_bytes()).is_none()) {
            return Ok(false);
        }
        state.sign_ins.insert(sign_in.token.to_bytes(), sign_in);
        state.append(event);
        Ok(true)
    }

    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError> {
        let state = self.state();
        let found = state.sign_ins.get(&token.to_bytes()).filter(|found| found.expires_at > now);
        Ok(found.and_then(|found| Some((found.clone(), state.operators.get(&found.operator)?.clone()))))
    }

    async fn sign_ins(&self, now: Timestamp) -> Result<Vec<SignIn>, StoreError> {
        let state = self.state();
        let mut found: Vec<_> = state.sign_ins.values().filter(|found| found.expires_at > now).cloned().collect();
        found.sort_by_key(|found| (found.created_at, found.token.to_bytes()));
        Ok(found)
    }

    async fn consume_sign_in(&self, token: Digest, event: EventDraft) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is_gone = state.sign_ins.remove(&token.to_bytes()).is_some();
        if is_gone {
            state.append(event);
        }
        Ok(is_gone)
    }

    async fn touch_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError> {
        if let Some(found) = self.state().sign_ins.get_mut(&token.to_bytes()) {
            found.seen_at = at;
        }
        Ok(())
    }

    async fn delete_sign_ins(&self, operator: OperatorId, event: EventDraft) -> Result<u64, StoreError> {
        let mut state = self.state();
        let before = state.sign_ins.len();
        state.sign_ins.retain(|_, known| known.operator != operator);
        let taken = before - state.sign_ins.len();
        if taken > 0 {
            state.append(event);
        }
        Ok(taken as u64)
    }

    fn passkeys(&self) -> Option<&dyn Passkeys> {
        Some(self)
    }
}
