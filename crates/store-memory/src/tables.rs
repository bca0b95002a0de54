//! Operators, data of one environment, and tool calls.

use std::collections::BTreeMap;

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_types::{Locator, OperatorId, RegisteredUserId, Timestamp, ToolCallId};

use crate::MemoryStore;
use doorward_records::{
    Connector, ConnectorName, Credential, CredentialKey, Record, RegisteredUser, TOOL_CALLS_KEPT, Table, ToolCall,
    ToolCalls, check_seal,
};
use doorward_store::{
    Conflict, Operator, Operators, Page, ProviderAccess, ProviderIdentity, Scope, SignIn, SignIns, StoreError,
};

#[async_trait]
impl Operators for MemoryStore {
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
        state.operators.remove(&id).ok_or(StoreError::Missing)?;
        state.sign_ins.retain(|_, known| known.operator != id);
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
        let operator = found.ok_or(StoreError::Missing)?;
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

/// The rows of one scope, newest key first.
fn page_of<R: Record<Key: Ord>>(rows: &BTreeMap<(Scope, R::Key), R>, scope: &Scope, page: Page<R::Key>) -> Vec<R> {
    rows.iter()
        .rev()
        .filter(|((of, key), _)| of == scope && page.after.as_ref().is_none_or(|after| key < after))
        .map(|(_, record)| record.clone())
        .take(page.limit as usize)
        .collect()
}

#[async_trait]
impl Table<RegisteredUser> for MemoryStore {
    async fn insert(&self, scope: &Scope, record: RegisteredUser) -> Result<(), StoreError> {
        let mut state = self.state();
        let taken = state.users.iter().any(|((of, id), known)| {
            of == scope && (*id == record.id || known.origin_user_id == record.origin_user_id)
        });
        if taken {
            return Err(Conflict::Duplicate.into());
        }
        state.users.insert((*scope, record.id), record);
        Ok(())
    }

    async fn put(&self, scope: &Scope, mut record: RegisteredUser, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        let taken = state
            .users
            .iter()
            .any(|((of, id), known)| of == scope && *id != record.id && known.origin_user_id == record.origin_user_id);
        if taken {
            return Err(Conflict::Duplicate.into());
        }
        if let Some(known) = state.users.get(&(*scope, record.id)) {
            record.created_at = known.created_at;
        }
        state.users.insert((*scope, record.id), record);
        state.append(event);
        Ok(())
    }

    async fn get(&self, scope: &Scope, key: &RegisteredUserId) -> Result<Option<RegisteredUser>, StoreError> {
        Ok(self.state().users.get(&(*scope, *key)).cloned())
    }

    async fn list(&self, scope: &Scope, page: Page<RegisteredUserId>) -> Result<Vec<RegisteredUser>, StoreError> {
        Ok(page_of(&self.state().users, scope, page))
    }

    async fn delete(&self, scope: &Scope, key: &RegisteredUserId, event: EventDraft) -> Result<bool, StoreError> {
        let mut state = self.state();
        let gone: Vec<_> =
            state.credentials.extract_if(.., |(of, known), _| of == scope && known.registered_user == *key).collect();
        for (_, credential) in gone {
            state.revoke_credential(scope, credential);
        }
        let gone: Vec<_> =
            state.links.extract_if(.., |(of, _), session| of == scope && session.registered_user == *key).collect();
        for (_, session) in gone {
            state.revoke_pending(scope, &session);
        }
        let is_gone = state.users.remove(&(*scope, *key)).is_some();
        if is_gone {
            state.append(event);
        }
        Ok(is_gone)
    }
}

#[async_trait]
impl Table<Credential> for MemoryStore {
    async fn insert(&self, scope: &Scope, record: Credential) -> Result<(), StoreError> {
        let mut state = self.state();
        check_seal(state.identity.sealing_key, &record.sealed)?;
        if !state.users.contains_key(&(*scope, record.registered_user)) {
            return Err(StoreError::Missing);
        }
        if state.credentials.contains_key(&(*scope, record.key())) {
            return Err(Conflict::Duplicate.into());
        }
        state.credentials.insert((*scope, record.key()), record);
        Ok(())
    }

    async fn put(&self, scope: &Scope, record: Credential, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        state.put_credential(scope, record)?;
        state.append(event);
        Ok(())
    }

    async fn get(&self, scope: &Scope, key: &CredentialKey) -> Result<Option<Credential>, StoreError> {
        Ok(self.state().credentials.get(&(*scope, key.clone())).cloned())
    }

    async fn list(&self, scope: &Scope, page: Page<CredentialKey>) -> Result<Vec<Credential>, StoreError> {
        Ok(page_of(&self.state().credentials, scope, page))
    }

    async fn delete(&self, scope: &Scope, key: &CredentialKey, event: EventDraft) -> Result<bool, StoreError> {
        let mut state = self.state();
        let gone = state.credentials.remove(&(*scope, key.clone()));
        let is_gone = gone.is_some();
        if let Some(credential) = gone {
            state.revoke_credential(scope, credential);
            state.append(event);
        }
        Ok(is_gone)
    }
}

#[async_trait]
impl Table<Connector> for MemoryStore {
    async fn insert(&self, scope: &Scope, record: Connector) -> Result<(), StoreError> {
        let mut state = self.state();
        check_seal(state.identity.sealing_key, &record.sealed)?;
        if state.connectors.contains_key(&(*scope, record.key())) {
            return Err(Conflict::Duplicate.into());
        }
        state.connectors.insert((*scope, record.key()), record);
        Ok(())
    }

    async fn put(&self, scope: &Scope, mut record: Connector, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        check_seal(state.identity.sealing_key, &record.sealed)?;
        if let Some(known) = state.connectors.get(&(*scope, record.key())) {
            record.created_at = known.created_at;
        }
        state.connectors.insert((*scope, record.key()), record);
        state.append(event);
        Ok(())
    }

    async fn get(&self, scope: &Scope, key: &ConnectorName) -> Result<Option<Connector>, StoreError> {
        Ok(self.state().connectors.get(&(*scope, key.clone())).cloned())
    }

    async fn list(&self, scope: &Scope, page: Page<ConnectorName>) -> Result<Vec<Connector>, StoreError> {
        Ok(page_of(&self.state().connectors, scope, page))
    }

    async fn delete(&self, scope: &Scope, key: &ConnectorName, event: EventDraft) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is_gone = state.connectors.remove(&(*scope, key.clone())).is_some();
        if is_gone {
            state.append(event);
        }
        Ok(is_gone)
    }
}

#[async_trait]
impl ToolCalls for MemoryStore {
    async fn begin_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.tool_calls.contains_key(&(*scope, call.id)) {
            return Err(Conflict::Duplicate.into());
        }
        state.tool_calls.retain(|(of, _), known| of != scope || known.began_at + TOOL_CALLS_KEPT >= call.began_at);
        state.tool_calls.insert((*scope, call.id), call);
        Ok(())
    }

    async fn end_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let mut state = self.state();
        let known = state.tool_calls.get_mut(&(*scope, call.id)).ok_or(StoreError::Missing)?;
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
            return Err(StoreError::Missing);
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

    async fn take_sign_in(&self, token: Digest, event: EventDraft) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is_gone = state.sign_ins.remove(&token.to_bytes()).is_some();
        if is_gone {
            state.append(event);
        }
        Ok(is_gone)
    }

    async fn see_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError> {
        if let Some(found) = self.state().sign_ins.get_mut(&token.to_bytes()) {
            found.seen_at = at;
        }
        Ok(())
    }

    async fn take_sign_ins(&self, operator: OperatorId, event: EventDraft) -> Result<u64, StoreError> {
        let mut state = self.state();
        let before = state.sign_ins.len();
        state.sign_ins.retain(|_, known| known.operator != operator);
        let taken = before - state.sign_ins.len();
        if taken > 0 {
            state.append(event);
        }
        Ok(taken as u64)
    }
}
