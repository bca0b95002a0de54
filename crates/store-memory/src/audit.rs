//! The audit logs and their outbox.

use std::collections::BTreeSet;

use async_trait::async_trait;
use doorward_audit::{ChainError, Event, EventDraft, Pruned};
use doorward_types::{Environment, Name, OrganizationId, SessionId, altered};

use crate::MemoryStore;
use doorward_store::{AuditLog, Conflict, EventFilter, Outbox, OutboxEntry, Page, Scope, SinkState, StoreError};

#[async_trait]
impl AuditLog for MemoryStore {
    async fn record(&self, event: EventDraft) -> Result<(), StoreError> {
        self.state().append(event);
        Ok(())
    }

    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        let state = self.state();
        let log = state.events.get(scope).map_or(&[][..], Vec::as_slice).iter().rev();
        let older =
            log.filter(|event| page.after.is_none_or(|after| event.sequence < after) && filter.admits(&event.draft));
        Ok(older.take(page.limit as usize).cloned().collect())
    }

    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainError>>, StoreError> {
        let state = self.state();
        let log = state.events.get(scope).into_iter().flatten();
        let later = log.filter(|event| page.after.is_none_or(|after| event.sequence > after));
        Ok(later.take(page.limit as usize).cloned().map(Ok).collect())
    }

    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError> {
        Ok(self.state().pruned.get(scope).cloned())
    }

    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        let log = state.events.get(scope).into_iter().flatten();
        if !log.clone().any(|event| event.sequence == pruned.size && event.hash == Some(pruned.last_hash)) {
            return Err(Conflict::Stale.into());
        }
        let goes = |place: &(Scope, u64)| place.0 == *scope && place.1 <= pruned.size;
        let last = state.written.iter().rev().find(|(_, place)| goes(place)).map_or(0, |(position, _)| *position);
        if state.sinks.values().any(|sink| sink.position < last) {
            return Err(Conflict::Unshipped.into());
        }
        state.append(event);
        state.written.retain(|_, place| !goes(place));
        state.events.entry(*scope).or_default().retain(|event| event.sequence > pruned.size);
        state.pruned.insert(*scope, pruned);
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "names the log that an event belongs to; no caller's authority")]
    async fn resign(&self, before: &Pruned, after: Pruned, event: EventDraft) -> Result<(), StoreError> {
        let mut state = self.state();
        match state.pruned.get_mut(&Scope::assertion(event.organization, event.environment)) {
            Some(now) if *now == *before && after.size == before.size => *now = after,
            _ => return Err(Conflict::Stale.into()),
        }
        state.append(event);
        Ok(())
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        let state = self.state();
        let scopes: BTreeSet<_> = state.events.keys().chain(state.pruned.keys()).collect();
        Ok(scopes.into_iter().map(|scope| (scope.organization(), scope.environment())).collect())
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        let state = self.state();
        let after = state.written.range(position + 1..).take(limit as usize);
        let shipment = |(position, (scope, sequence)): (&u64, &(Scope, u64))| {
            let event = state.events.get(scope)?.iter().find(|event| event.sequence == *sequence)?;
            Some(OutboxEntry { position: *position, event: Ok(event.clone()) })
        };
        Ok(after.filter_map(shipment).collect())
    }

    async fn sinks(&self) -> Result<Vec<SinkState>, StoreError> {
        let state = self.state();
        let newest = state.written.last_key_value().map_or(0, |(last, _)| *last);
        let now = |sink: &SinkState| {
            let next = state.written.range(sink.position + 1..).next().map(|(_, place)| place);
            let next = next.and_then(|(scope, sequence)| {
                state.events.get(scope)?.iter().find(|event| event.sequence == *sequence)
            });
            let behind = newest.saturating_sub(sink.position);
            altered!(sink.clone(), behind: behind, behind_since: next.map(|event| event.draft.time))
        };
        Ok(state.sinks.values().map(now).collect())
    }

    async fn acquire_sink(&self, name: &Name, beat: Option<u64>, holder: SessionId) -> Result<bool, StoreError> {
        let mut state = self.state();
        match (state.sinks.get_mut(name), beat) {
            (Some(sink), Some(beat)) if sink.beat == beat => {
                (sink.holder, sink.beat) = (Some(holder), beat + 1);
                Ok(true)
            }
            (None, None) => {
                let (holder, name) = (Some(holder), name.clone());
                let sink = SinkState::new(name, 0, holder, 1, 0, None);
                state.sinks.insert(sink.name.clone(), sink);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn commit_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError> {
        Ok(self.state().held(name, holder).map(|sink| sink.position = position).is_some())
    }

    async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError> {
        if let Some(sink) = self.state().held(name, holder) {
            sink.holder = None;
        }
        Ok(())
    }

    async fn delete_sink(&self, name: &Name) -> Result<bool, StoreError> {
        Ok(self.state().sinks.remove(name).is_some())
    }
}
