//! Link sessions, and revocations.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_types::{LinkSessionId, Timestamp};

use crate::{Due, MemoryStore, State};
use doorward_records::{
    ConnectorName, Credential, FoundLink, LINK_RETENTION, LinkSession, LinkSessions, LinkStatus, Revocation,
    Revocations, Sealed, check_seal,
};
use doorward_store::{Conflict, Scope, StoreError};

impl State {
    /// Revokes the tokens of a session, if the session has them.
    pub(super) fn revoke_pending(&mut self, scope: &Scope, session: &LinkSession) {
        if let Some(tokens) = session.tokens.clone() {
            self.revoke(scope, session.tokens_record(), session.connector.clone(), tokens);
        }
    }

    pub(crate) fn revoke(&mut self, scope: &Scope, record: String, connector: ConnectorName, sealed: Sealed) {
        self.revoked += 1;
        let revocation = Revocation {
            organization: scope.organization(),
            environment: scope.environment(),
            id: self.revoked.to_string(),
            connector,
            record,
            sealed,
            attempts: 0,
        };
        self.revocations.push(Due { revocation, at: Timestamp::from_millis(0) });
    }

    fn expire_links(&mut self, now: Timestamp) {
        self.links.retain(|_, session| session.expires_at + LINK_RETENTION > now);
        let is_over = |session: &LinkSession| session.expires_at <= now && !session.status.is_end();
        let over: Vec<_> = self.links.iter().filter(|(_, session)| is_over(session)).map(|(key, _)| *key).collect();
        for (scope, id) in over {
            let Some(session) = self.links.remove(&(scope, id)) else { continue };
            self.revoke_pending(&scope, &session);
            let session = LinkSession { status: LinkStatus::Expired, tokens: None, confirmation: None, ..session };
            self.links.insert((scope, id), session);
        }
    }

    fn found(&self, is_it: impl Fn(&LinkSession) -> bool) -> Option<FoundLink> {
        let ((scope, _), session) = self.links.iter().find(|(_, session)| is_it(session))?;
        let (organization, environment) = (scope.organization(), scope.environment());
        Some(FoundLink { organization, environment, session: session.clone() })
    }
}

#[async_trait]
impl LinkSessions for MemoryStore {
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        state.expire_links(now);
        check_seal(state.identity.sealing_key, &session.plan)?;
        if !state.users.contains_key(&(*scope, session.registered_user)) {
            return Err(StoreError::NotFound);
        }
        let is_taken = |known: &LinkSession| known.state == session.state || known.start == session.start;
        if state.links.contains_key(&(*scope, session.id)) || state.links.values().any(is_taken) {
            return Err(Conflict::Duplicate.into());
        }
        state.links.insert((*scope, session.id), session);
        Ok(())
    }

    async fn link(&self, scope: &Scope, id: LinkSessionId) -> Result<Option<LinkSession>, StoreError> {
        Ok(self.state().links.get(&(*scope, id)).cloned())
    }

    async fn link_by_start(&self, start: Digest) -> Result<Option<FoundLink>, StoreError> {
        Ok(self.state().found(|session| session.start == start))
    }

    async fn link_by_state(&self, link_state: Digest) -> Result<Option<FoundLink>, StoreError> {
        Ok(self.state().found(|session| session.state == link_state))
    }

    async fn advance_link(&self, scope: &Scope, from: LinkStatus, session: LinkSession) -> Result<(), StoreError> {
        let mut state = self.state();
        let known = state.links.get(&(*scope, session.id)).cloned().ok_or(StoreError::NotFound)?;
        if known.status != from {
            return Err(Conflict::Stale.into());
        }
        match &session.tokens {
            None => state.revoke_pending(scope, &known),
            tokens if *tokens == known.tokens => {}
            Some(tokens) => check_seal(state.identity.sealing_key, tokens)?,
        }
        let LinkSession { status, browser, confirmation, tokens, error, provider_error, expires_at, .. } = session;
        let advanced =
            LinkSession { status, browser, confirmation, tokens, error, provider_error, expires_at, ..known };
        state.links.insert((*scope, advanced.id), advanced);
        Ok(())
    }

    async fn complete_link(
        &self,
        scope: &Scope,
        id: LinkSessionId,
        credential: Credential,
        event: EventDraft,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let known = state.links.get(&(*scope, id)).cloned().ok_or(StoreError::NotFound)?;
        known.may_become(&credential)?;
        state.put(scope, credential)?;
        let complete = LinkSession { status: LinkStatus::Complete, tokens: None, confirmation: None, ..known };
        state.links.insert((*scope, id), complete);
        state.append(event);
        Ok(())
    }

    async fn expire_links(&self, now: Timestamp) -> Result<(), StoreError> {
        self.state().expire_links(now);
        Ok(())
    }
}

#[async_trait]
impl Revocations for MemoryStore {
    async fn take_revocations(
        &self,
        now: Timestamp,
        next: Timestamp,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        let mut state = self.state();
        let due = state.revocations.iter_mut().filter(|due| due.at <= now).take(limit as usize);
        let taken = due.map(|due| {
            due.at = next;
            due.revocation.attempts += 1;
            due.revocation.clone()
        });
        Ok(taken.collect())
    }

    async fn postpone_revocation(&self, revocation: &Revocation, until: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        let found = state.revocations.iter_mut().find(|due| due.revocation.id == revocation.id);
        found.ok_or(StoreError::NotFound)?.at = until;
        Ok(())
    }

    async fn end_revocation(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let mut state = self.state();
        let before = state.revocations.len();
        state.revocations.retain(|due| due.revocation.id != revocation.id);
        if state.revocations.len() < before { Ok(()) } else { Err(StoreError::NotFound) }
    }
}
