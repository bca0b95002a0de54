//! Polls, sessions, lost changes, and counts of uses.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::KeyPrefix;
use doorward_types::{Incarnation, Locator, OrganizationId, SessionId, Timestamp};

use crate::MemoryStore;
use doorward_store::{
    ActiveSecret, ChangeFeed, ChangeTarget, KeyRef, LostChange, LostChangeStore, NodeDescription, NodeRecord,
    NodeRegistry, Observation, OriginEntry, OriginsChange, Position, Revision, SecretChange, SecretUsage, Session,
    SessionStatus, Sourced, StoreError, StoreIdentity, UsageBucket, UsageLog,
};

#[async_trait]
impl ChangeFeed for MemoryStore {
    async fn identity(&self) -> Result<Sourced<StoreIdentity>, StoreError> {
        let state = self.state();
        Ok(state.sourced(state.identity.clone()))
    }

    async fn claim_prefix(&self, prefix: &KeyPrefix) -> Result<(), StoreError> {
        self.state().identity.prefix.get_or_insert_with(|| prefix.clone());
        Ok(())
    }

    async fn active_secrets(
        &self,
        after: Option<&ActiveSecret>,
        limit: u32,
    ) -> Result<Sourced<Vec<ActiveSecret>>, StoreError> {
        let state = self.state();
        let after = after.map(|live| (KeyRef::of(&live.key), live.secret.state));
        let from = after.map_or(Bound::Unbounded, |(place, _)| Bound::Included(place));
        let page = state
            .keys
            .range((from, Bound::Unbounded))
            .flat_map(|(place, found)| {
                let mut secrets: Vec<_> = found.secrets.iter().map(|secret| (*place, *secret)).collect();
                secrets.sort_by_key(|(_, secret)| secret.state);
                secrets
            })
            .filter(|(place, secret)| after.is_none_or(|after| (*place, secret.state) > after))
            .filter_map(|(_, secret)| state.live(secret.locator))
            .take(limit as usize)
            .collect();
        Ok(state.sourced(page))
    }

    async fn all_allowed_origins(
        &self,
        after: Option<&OriginEntry>,
        limit: u32,
    ) -> Result<Sourced<Vec<OriginEntry>>, StoreError> {
        let state = self.state();
        let after = after.map(|entry| (entry.organization, entry.id));
        let later = state.origins.iter().filter(|(place, _)| after.is_none_or(|after| **place > after));
        Ok(state.sourced(later.take(limit as usize).map(|(_, entry)| entry.clone()).collect()))
    }

    async fn active_secret(&self, locator: Locator) -> Result<Sourced<Option<ActiveSecret>>, StoreError> {
        let state = self.state();
        Ok(state.sourced(state.live(locator)))
    }

    async fn position(&self) -> Result<Sourced<Position>, StoreError> {
        let state = self.state();
        Ok(state.sourced(state.position))
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Sourced<Observation>, StoreError> {
        let state = self.state();
        let logged = state.log.range(Revision(since.revision.0 + 1)..).map(|(_, logged)| logged);
        let touched_by_others = logged.clone().any(|logged| logged.node != Some(session));
        let touched: BTreeSet<ChangeTarget> = logged.flat_map(|logged| &logged.touched).copied().collect();
        let (mut changes, mut origins) = (Vec::new(), Vec::new());
        for touched in touched {
            match touched {
                ChangeTarget::Origins(organization) => {
                    origins.push(OriginsChange { organization, entries: state.origins_of(organization) });
                }
                ChangeTarget::Secret(locator) => changes.push(SecretChange { locator, live: state.live(locator) }),
            }
        }
        Ok(state.sourced(Observation {
            session: state.sessions.get(&session).copied(),
            position: state.position,
            operation_there: state.operation_at(since.revision),
            is_noted: state.lost.contains_key(&since),
            open_loss: state.lost.iter().find(|(_, accepted)| !**accepted).map(|(change, _)| *change),
            touched_by_others,
            changes,
            origins,
        }))
    }

    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        self.state().lost.entry(change).or_insert(false);
        Ok(())
    }

    async fn last_change_of(&self, subject: &str) -> Result<Sourced<Option<Revision>>, StoreError> {
        let state = self.state();
        let about = state.operations.values().map(|known| &known.operation).filter(|known| known.subject == subject);
        Ok(state.sourced(about.map(|known| known.revision).max()))
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(10)
    }
}

#[async_trait]
impl NodeRegistry for MemoryStore {
    async fn register(&self, session: Session) -> Result<(), StoreError> {
        let mut state = self.state();
        let status = SessionStatus { session, acknowledged: None, asked: None, retired: false };
        state.sessions.insert(session.id, status);
        state.identity.longest_lease = state.identity.longest_lease.max(session.lease);
        Ok(())
    }

    async fn acknowledge(&self, session: SessionId, position: Position) -> Result<(), StoreError> {
        let mut state = self.state();
        let is_of_this_history = position.is_in(state.position.revision, state.operation_at(position.revision));
        if let Some(status) = state.sessions.get_mut(&session).filter(|_| is_of_this_history) {
            status.acknowledged = status.acknowledged.max(Some(position.revision));
        }
        Ok(())
    }

    async fn ask(&self, revision: Revision) -> Result<(), StoreError> {
        for status in self.state().sessions.values_mut() {
            status.asked = status.asked.max(Some(revision));
        }
        Ok(())
    }

    async fn sessions(&self) -> Result<Sourced<Vec<SessionStatus>>, StoreError> {
        let state = self.state();
        Ok(state.sourced(state.sessions.values().copied().collect()))
    }

    async fn describe(&self, session: SessionId, description: &NodeDescription) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.sessions.contains_key(&session) {
            // The store's clock is the node's: both are in this process.
            state.descriptions.insert(session, description.clone());
        }
        Ok(())
    }

    async fn nodes(&self) -> Result<Sourced<Vec<NodeRecord>>, StoreError> {
        let state = self.state();
        let described = |id| state.descriptions.get(id).map(|description| (description.clone(), description.at));
        let nodes = state.sessions.iter().map(|(id, status)| NodeRecord::new(*status, described(id)));
        Ok(state.sourced(nodes.collect()))
    }

    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        let mut state = self.state();
        for session in sessions {
            if let Some(status) = state.sessions.get_mut(session) {
                status.retired = true;
            }
        }
        Ok(())
    }

    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        let mut state = self.state();
        state.sessions.retain(|id, _| !sessions.contains(id));
        state.descriptions.retain(|id, _| !sessions.contains(id));
        Ok(())
    }
}

#[async_trait]
impl LostChangeStore for MemoryStore {
    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError> {
        let state = self.state();
        let all = state.lost.iter().map(|(change, accepted)| LostChange::new(*change, *accepted));
        Ok(all.collect())
    }

    async fn accept_lost(&self, seen: &[Position], event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut is_any_open = false;
        for (_, accepted) in state.lost.iter_mut().filter(|(change, _)| seen.contains(change)) {
            is_any_open |= !std::mem::replace(accepted, true);
        }
        if !is_any_open {
            return Err(StoreError::NotFound);
        }
        state.append(event);
        Ok(())
    }

    async fn begin_incarnation(&self, last: Incarnation, event: EventDraft) -> Result<Incarnation, StoreError> {
        let mut state = self.state();
        let incarnation = Incarnation(state.identity.incarnation.max(last).0 + 1);
        state.identity.incarnation = incarnation;
        state.append(event);
        Ok(incarnation)
    }
}

#[async_trait]
impl UsageLog for MemoryStore {
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        for (locator, count) in uses {
            if state.places.contains_key(locator) {
                *state.uses.entry((*locator, SecretUsage::span(at))).or_default() += u64::from(*count);
                let last = state.last_uses.entry(*locator).or_insert(at);
                *last = (*last).max(at);
            }
        }
        let oldest = SecretUsage::oldest_kept(at);
        state.uses.retain(|(_, span), _| *span >= oldest);
        Ok(())
    }

    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError> {
        let state = self.state();
        let since = SecretUsage::hour_before(now);
        let of_organization = state
            .last_uses
            .iter()
            .filter(|(locator, _)| state.places.get(locator).is_some_and(|place| place.organization == organization));
        let mut usage: Vec<_> = of_organization
            .map(|(locator, last_used_at)| {
                SecretUsage::new(
                    *locator,
                    *last_used_at,
                    state.uses.range((*locator, since)..=(*locator, i64::MAX)).map(|(_, uses)| uses).sum(),
                )
            })
            .collect();
        usage.sort_unstable_by_key(|usage| usage.locator);
        Ok(usage)
    }

    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<UsageBucket>, StoreError> {
        let state = self.state();
        let since = SecretUsage::oldest_kept(now);
        let kept = state.uses.iter().map(|((locator, span), uses)| UsageBucket::new(*locator, *span, *uses));
        let ours = |found: &UsageBucket| {
            state.places.get(&found.locator).is_some_and(|place| place.organization == organization)
        };
        let mut kept: Vec<_> = kept.filter(|found| found.span >= since && ours(found)).collect();
        kept.sort_unstable();
        Ok(kept)
    }
}
