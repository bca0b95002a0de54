//! Polls and sessions; what was lost; how often secrets were used.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_types::{AccessKeyId, Environment, Locator, OrganizationId, SessionId, Timestamp};

use super::{MemoryStore, place_of};
use crate::{
    CHANGE_LOG_LENGTH, Coherence, LiveSecret, LostChange, LostChanges, OperationId, OriginEntry, OriginsChange, Poll,
    Position, Revision, SecretChange, SecretUsage, Session, SessionStatus, SpanUses, StoreError, Touched, UsageLog,
};

#[async_trait]
impl Coherence for MemoryStore {
    async fn register(&self, session: Session) -> Result<(), StoreError> {
        let status = SessionStatus { session, acknowledged: None, retired: false };
        self.state().sessions.insert(session.id, status);
        Ok(())
    }

    async fn live_secrets(&self, after: Option<&LiveSecret>, limit: u32) -> Result<Vec<LiveSecret>, StoreError> {
        let state = self.state();
        let after = after.map(|live| (place_of(&live.key), live.secret.state));
        let page = state
            .keys
            .range(
                after.map_or(
                    (OrganizationId::from_u128(0), Environment::Production, AccessKeyId::from_u128(0)),
                    |a| a.0,
                )..,
            )
            .flat_map(|(place, found)| {
                let mut secrets: Vec<_> = found.secrets.iter().map(|secret| (*place, *secret)).collect();
                secrets.sort_by_key(|(_, secret)| secret.state);
                secrets
            })
            .filter(|(place, secret)| after.is_none_or(|after| (*place, secret.state) > after))
            .filter_map(|(_, secret)| state.live(secret.locator))
            .take(limit as usize)
            .collect();
        Ok(page)
    }

    async fn live_origins(&self, after: Option<&OriginEntry>, limit: u32) -> Result<Vec<OriginEntry>, StoreError> {
        let state = self.state();
        let after = after.map(|entry| (entry.organization, entry.id));
        let later = state.origins.iter().filter(|(place, _)| after.is_none_or(|after| **place > after));
        Ok(later.take(limit as usize).map(|(_, entry)| entry.clone()).collect())
    }

    async fn live_secret(&self, locator: Locator) -> Result<Option<LiveSecret>, StoreError> {
        Ok(self.state().live(locator))
    }

    async fn position(&self) -> Result<Position, StoreError> {
        Ok(self.state().position)
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Poll, StoreError> {
        let state = self.state();
        if state.sessions.get(&session).is_none_or(|status| status.retired) {
            return Ok(Poll::Retired);
        }
        let newest = state.position.revision;
        let behind = since.revision.0 + (CHANGE_LOG_LENGTH as u64) < newest.0;
        let there = state.log.get(&since.revision).map_or_else(OperationId::default, |logged| logged.operation);
        let lost = !behind && (since.revision > newest || since.operation != there);
        if lost && !state.lost.contains_key(&since) {
            return Ok(Poll::Lost(since));
        }
        if let Some((change, _)) = state.lost.iter().find(|(_, accepted)| !**accepted) {
            return Ok(Poll::Lost(*change));
        }
        if behind || lost {
            return Ok(Poll::Behind);
        }
        let touched = state.log.range(Revision(since.revision.0 + 1)..).map(|(_, logged)| logged);
        let acknowledgement_wanted = touched.clone().any(|logged| logged.node != Some(session));
        let touched: BTreeSet<Touched> = touched.flat_map(|logged| &logged.touched).copied().collect();
        let (mut changes, mut origins) = (Vec::new(), Vec::new());
        for touched in touched {
            match touched {
                Touched::Origins(organization) => {
                    origins.push(OriginsChange { organization, entries: state.origins_of(organization) });
                }
                Touched::Secret(locator) => changes.push(SecretChange { locator, live: state.live(locator) }),
            }
        }
        Ok(Poll::Current { position: state.position, acknowledgement_wanted, changes, origins })
    }

    async fn acknowledge(&self, session: SessionId, revision: Revision) -> Result<(), StoreError> {
        if let Some(status) = self.state().sessions.get_mut(&session) {
            status.acknowledged = status.acknowledged.max(Some(revision));
        }
        Ok(())
    }

    async fn sessions(&self) -> Result<Vec<SessionStatus>, StoreError> {
        Ok(self.state().sessions.values().copied().collect())
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
        self.state().sessions.retain(|id, _| !sessions.contains(id));
        Ok(())
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(10)
    }
}

#[async_trait]
impl LostChanges for MemoryStore {
    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        self.state().lost.entry(change).or_insert(false);
        Ok(())
    }

    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError> {
        Ok(self
            .state()
            .lost
            .iter()
            .map(|(change, accepted)| LostChange { change: *change, accepted: *accepted })
            .collect())
    }

    async fn accept_lost(&self, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.lost.values().all(|accepted| *accepted) {
            return Err(StoreError::Missing);
        }
        state.lost.values_mut().for_each(|accepted| *accepted = true);
        state.append(event);
        Ok(())
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
            .filter(|(locator, _)| state.places.get(locator).is_some_and(|place| place.0 == organization));
        let mut usage: Vec<_> = of_organization
            .map(|(locator, last_used_at)| SecretUsage {
                locator: *locator,
                last_used_at: *last_used_at,
                uses_last_hour: state.uses.range((*locator, since)..=(*locator, i64::MAX)).map(|(_, uses)| uses).sum(),
            })
            .collect();
        usage.sort_unstable_by_key(|usage| usage.locator);
        Ok(usage)
    }

    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SpanUses>, StoreError> {
        let state = self.state();
        let since = SecretUsage::oldest_kept(now);
        let kept =
            state.uses.iter().map(|((locator, span), uses)| SpanUses { locator: *locator, span: *span, uses: *uses });
        let ours = |found: &SpanUses| state.places.get(&found.locator).is_some_and(|place| place.0 == organization);
        let mut kept: Vec<_> = kept.filter(|found| found.span >= since && ours(found)).collect();
        kept.sort_unstable();
        Ok(kept)
    }
}
