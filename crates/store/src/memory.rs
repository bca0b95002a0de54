use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use doorward_audit::{ChainFault, Event, EventDraft, Pruned};
use doorward_key::Digest;
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, Locator, Name, OperatorId, OrganizationId, RegisteredUserId,
    SecretState, SessionId, Timestamp,
};

use crate::{
    AccessKey, AccessKeyWithSecrets, AuditLog, CHANGE_LOG_LENGTH, Change, ChangeContext, Coherence, Conflict,
    Connector, ConnectorName, Credential, CredentialKey, EventFilter, IDEMPOTENCY_WINDOW, KeyRef, KeyStore,
    LinkSession, LinkSessions, LiveSecret, LostChange, LostChanges, OperationId, Operator, Operators, Organization,
    OriginEntry, OriginsChange, Outbox, Page, Poll, Position, Record, RegisteredUser, Revision, Scope, Secret,
    SecretChange, SecretUsage, Session, SessionStatus, Shipment, SinkState, StoreError, Successor, Table, TakenLink,
    Touched, UsageLog,
};

/// An engine that keeps everything in memory: for tests, and to show what the contract means in the plainest way.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

type KeyPlace = (OrganizationId, Environment, AccessKeyId);

#[derive(Debug, Default)]
struct State {
    organizations: BTreeMap<OrganizationId, Organization>,
    keys: BTreeMap<KeyPlace, AccessKeyWithSecrets>,
    places: HashMap<Locator, KeyPlace>,
    position: Position,
    log: BTreeMap<Revision, Logged>,
    lost: BTreeMap<Position, bool>,
    sessions: BTreeMap<SessionId, SessionStatus>,
    events: BTreeMap<Scope, Vec<Event>>,
    pruned: BTreeMap<Scope, Pruned>,
    /// Whose and which event is at each position.
    written: BTreeMap<u64, (Scope, u64)>,
    sinks: BTreeMap<Name, SinkState>,
    done: BTreeMap<(String, String), (String, Timestamp)>,
    uses: BTreeMap<(Locator, i64), u64>,
    last_uses: HashMap<Locator, Timestamp>,
    origins: BTreeMap<(OrganizationId, AllowedOriginId), OriginEntry>,
    operators: BTreeMap<OperatorId, Operator>,
    users: BTreeMap<(Scope, RegisteredUserId), RegisteredUser>,
    credentials: BTreeMap<(Scope, CredentialKey), Credential>,
    connectors: BTreeMap<(Scope, ConnectorName), Connector>,
    links: Vec<(Scope, LinkSession)>,
}

#[derive(Debug)]
struct Logged {
    operation: OperationId,
    node: Option<SessionId>,
    touched: Vec<Touched>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every method checks first and writes after, so that no panic leaves half a change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(key: &KeyRef) -> KeyPlace {
    (key.organization, key.environment, key.id)
}

fn place_of(key: &AccessKey) -> KeyPlace {
    (key.organization, key.environment, key.id)
}

impl State {
    fn key(&mut self, key: &KeyRef) -> Result<&mut AccessKeyWithSecrets, StoreError> {
        self.keys.get_mut(&place(key)).ok_or(StoreError::Missing)
    }

    fn check(&mut self, change: &Change) -> Result<(), StoreError> {
        let fresh = match change {
            Change::Provision { organization, secret, only_if_empty, .. } => {
                if *only_if_empty && !self.organizations.is_empty() {
                    return Err(Conflict::NotEmpty.into());
                }
                if self.organizations.contains_key(&organization.id) {
                    return Err(Conflict::Duplicate.into());
                }
                Some(secret.locator)
            }
            Change::Create { key, secret } => {
                if !self.organizations.contains_key(&key.organization) {
                    return Err(StoreError::Missing);
                }
                if key.environment == Environment::Production || self.keys.contains_key(&place_of(key)) {
                    return Err(Conflict::Duplicate.into());
                }
                Some(secret.locator)
            }
            Change::Stage { key, secret } => {
                let found = self.key(key)?;
                if found.secrets.iter().any(|secret| secret.state == SecretState::Staged) {
                    return Err(Conflict::AlreadyStaged.into());
                }
                if secret.generation != found.generations + 1 {
                    return Err(Conflict::Stale.into());
                }
                Some(secret.locator)
            }
            Change::Unstage { key, staged } => {
                let found = self.key(key)?;
                if !found.secrets.iter().any(|s| s.locator == *staged && s.state == SecretState::Staged) {
                    return Err(Conflict::Stale.into());
                }
                None
            }
            Change::Regenerate { key, retired, successor } => {
                let found = self.key(key)?;
                let mut left: BTreeSet<Locator> = found.secrets.iter().map(|secret| secret.locator).collect();
                let all_there = retired.iter().all(|locator| left.remove(locator));
                let fits = match successor {
                    Successor::Promote(locator) => left.remove(locator),
                    Successor::Fresh(secret) => secret.generation == found.generations + 1,
                };
                if !all_there || !fits || !left.is_empty() {
                    return Err(Conflict::Stale.into());
                }
                match successor {
                    Successor::Promote(_) => None,
                    Successor::Fresh(secret) => Some(secret.locator),
                }
            }
            Change::Delete { key, retired } => {
                let found = self.key(key)?;
                if key.environment == Environment::Production {
                    return Err(Conflict::Stale.into());
                }
                let there: BTreeSet<Locator> = found.secrets.iter().map(|secret| secret.locator).collect();
                if there != retired.iter().copied().collect() {
                    return Err(Conflict::Stale.into());
                }
                None
            }
            Change::AllowOrigin { entry } => {
                if !self.organizations.contains_key(&entry.organization) {
                    return Err(StoreError::Missing);
                }
                if self.origins_of(entry.organization).iter().any(|known| known.origin == entry.origin) {
                    return Err(Conflict::Duplicate.into());
                }
                None
            }
            Change::DisallowOrigin { organization, id } => {
                self.origins.get(&(*organization, *id)).ok_or(StoreError::Missing)?;
                None
            }
        };
        match fresh {
            Some(locator) if self.places.contains_key(&locator) => Err(Conflict::Duplicate.into()),
            _ => Ok(()),
        }
    }

    fn add_key(&mut self, key: AccessKey, secret: Secret) {
        let place = place_of(&key);
        self.places.insert(secret.locator, place);
        self.keys.insert(place, AccessKeyWithSecrets { key, generations: secret.generation, secrets: vec![secret] });
    }

    fn add_secret(&mut self, key: &KeyRef, secret: Secret) -> Result<(), StoreError> {
        let found = self.key(key)?;
        found.generations = secret.generation;
        found.secrets.push(secret);
        self.places.insert(secret.locator, place(key));
        Ok(())
    }

    fn remove_secrets(&mut self, key: &KeyRef, dead: &[Locator]) -> Result<(), StoreError> {
        self.key(key)?.secrets.retain(|secret| !dead.contains(&secret.locator));
        for locator in dead {
            self.places.remove(locator);
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Provision { organization, key, secret, .. } => {
                self.organizations.insert(organization.id, organization);
                self.add_key(key, secret);
            }
            Change::Create { key, secret } => self.add_key(key, secret),
            Change::Stage { key, secret } => self.add_secret(&key, secret)?,
            Change::Unstage { key, staged } => self.remove_secrets(&key, &[staged])?,
            Change::Regenerate { key, retired, successor } => {
                self.remove_secrets(&key, &retired)?;
                match successor {
                    Successor::Promote(locator) => {
                        let found = self.key(&key)?;
                        for secret in found.secrets.iter_mut().filter(|secret| secret.locator == locator) {
                            secret.state = SecretState::Current;
                        }
                    }
                    Successor::Fresh(secret) => self.add_secret(&key, secret)?,
                }
            }
            Change::Delete { key, retired } => {
                self.remove_secrets(&key, &retired)?;
                self.keys.remove(&place(&key));
            }
            Change::AllowOrigin { entry } => {
                self.origins.insert((entry.organization, entry.id), entry);
            }
            Change::DisallowOrigin { organization, id } => {
                self.origins.remove(&(organization, id));
            }
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "names the log that an event belongs to; no caller's authority")]
    fn append(&mut self, draft: EventDraft) {
        let scope = Scope::assertion(draft.organization, draft.environment);
        let log = self.events.entry(scope).or_default();
        let event = Event::following(log.last().map(|last| (last.sequence, last.hash)), draft);
        let position = self.written.last_key_value().map_or(1, |(last, _)| last + 1);
        self.written.insert(position, (scope, event.sequence));
        log.push(event);
    }

    /// The sink, where this one holds it; which counts as a beat.
    fn held(&mut self, name: &Name, holder: SessionId) -> Option<&mut SinkState> {
        let sink = self.sinks.get_mut(name).filter(|sink| sink.holder == Some(holder))?;
        sink.beat += 1;
        Some(sink)
    }

    fn origins_of(&self, organization: OrganizationId) -> Vec<OriginEntry> {
        self.origins.values().filter(|entry| entry.organization == organization).cloned().collect()
    }

    fn live(&self, locator: Locator) -> Option<LiveSecret> {
        let found = self.keys.get(self.places.get(&locator)?)?;
        let secret = *found.secrets.iter().find(|secret| secret.locator == locator)?;
        let organization_name = self.organizations.get(&found.key.organization)?.name.clone();
        Some(LiveSecret { secret, key: found.key.clone(), organization_name })
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Revision, StoreError> {
        let mut state = self.state();
        let first = context.events.first();
        if let Some(key) = &context.idempotency_key {
            let now = first.time;
            state.done.retain(|_, (_, then)| *then + IDEMPOTENCY_WINDOW > now);
            if let Some((subject, _)) = state.done.get(&(first.actor.to_string(), key.as_str().to_owned())) {
                return Err(StoreError::AlreadyDone { subject: subject.clone() });
            }
        }
        state.check(&change)?;
        let touched = change.touched();
        state.apply(change)?;
        if let Some(key) = &context.idempotency_key {
            let place = (first.actor.to_string(), key.as_str().to_owned());
            state.done.insert(place, (first.subject.clone(), first.time));
        }
        let revision = Revision(state.position.revision.0 + 1);
        let ChangeContext { operation, node, .. } = context;
        state.position = Position { revision, operation };
        state.log.insert(revision, Logged { operation, node, touched });
        while state.log.len() > CHANGE_LOG_LENGTH + 1 {
            state.log.pop_first();
        }
        for event in context.events.iter() {
            state.append(event.clone());
        }
        Ok(revision)
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        Ok(self.state().organizations.get(&id).cloned())
    }

    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError> {
        let state = self.state();
        let older = state.organizations.values().rev().filter(|found| page.after.is_none_or(|after| found.id < after));
        Ok(older.take(page.limit as usize).cloned().collect())
    }

    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        let state = self.state();
        let mut keys: Vec<_> =
            state.keys.values().filter(|found| found.key.organization == organization).cloned().collect();
        for found in &mut keys {
            found.secrets.sort_by_key(|secret| secret.state);
        }
        Ok(keys)
    }

    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
        Ok(self.state().origins_of(organization))
    }
}

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
}

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

    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainFault>>, StoreError> {
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

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        Ok(self.state().events.keys().map(|scope| (scope.organization(), scope.environment())).collect())
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<Shipment>, StoreError> {
        let state = self.state();
        let after = state.written.range(position + 1..).take(limit as usize);
        let shipment = |(position, (scope, sequence)): (&u64, &(Scope, u64))| {
            let event = state.events.get(scope)?.iter().find(|event| event.sequence == *sequence)?;
            Some(Shipment { position: *position, event: Ok(event.clone()) })
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
            SinkState { behind, behind_since: next.map(|event| event.draft.time), ..sink.clone() }
        };
        Ok(state.sinks.values().map(now).collect())
    }

    async fn take_sink(&self, name: &Name, beat: Option<u64>, holder: SessionId) -> Result<bool, StoreError> {
        let mut state = self.state();
        match (state.sinks.get_mut(name), beat) {
            (Some(sink), Some(beat)) if sink.beat == beat => {
                (sink.holder, sink.beat) = (Some(holder), beat + 1);
                Ok(true)
            }
            (None, None) => {
                let (holder, name) = (Some(holder), name.clone());
                let sink = SinkState { name, position: 0, holder, beat: 1, behind: 0, behind_since: None };
                state.sinks.insert(sink.name.clone(), sink);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn advance_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError> {
        Ok(self.state().held(name, holder).map(|sink| sink.position = position).is_some())
    }

    async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError> {
        if let Some(sink) = self.state().held(name, holder) {
            sink.holder = None;
        }
        Ok(())
    }

    async fn forget_sink(&self, name: &Name) -> Result<bool, StoreError> {
        Ok(self.state().sinks.remove(name).is_some())
    }
}

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
        state.append(event);
        Ok(())
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        Ok(self.state().operators.values().cloned().collect())
    }

    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError> {
        Ok(self.state().operators.values().find(|operator| operator.locator == locator).cloned())
    }
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

    async fn put(&self, scope: &Scope, mut record: RegisteredUser) -> Result<(), StoreError> {
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
        Ok(())
    }

    async fn get(&self, scope: &Scope, key: &RegisteredUserId) -> Result<Option<RegisteredUser>, StoreError> {
        Ok(self.state().users.get(&(*scope, *key)).cloned())
    }

    async fn list(&self, scope: &Scope, page: Page<RegisteredUserId>) -> Result<Vec<RegisteredUser>, StoreError> {
        Ok(page_of(&self.state().users, scope, page))
    }

    async fn delete(&self, scope: &Scope, key: &RegisteredUserId) -> Result<bool, StoreError> {
        let mut state = self.state();
        state.credentials.retain(|(of, credential), _| of != scope || credential.registered_user != *key);
        state.links.retain(|(of, session)| of != scope || session.registered_user != *key);
        Ok(state.users.remove(&(*scope, *key)).is_some())
    }
}

#[async_trait]
impl Table<Credential> for MemoryStore {
    async fn insert(&self, scope: &Scope, record: Credential) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.users.contains_key(&(*scope, record.registered_user)) {
            return Err(StoreError::Missing);
        }
        if state.credentials.contains_key(&(*scope, record.key())) {
            return Err(Conflict::Duplicate.into());
        }
        state.credentials.insert((*scope, record.key()), record);
        Ok(())
    }

    async fn put(&self, scope: &Scope, mut record: Credential) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.users.contains_key(&(*scope, record.registered_user)) {
            return Err(StoreError::Missing);
        }
        if let Some(known) = state.credentials.get(&(*scope, record.key())) {
            record.created_at = known.created_at;
        }
        state.credentials.insert((*scope, record.key()), record);
        Ok(())
    }

    async fn get(&self, scope: &Scope, key: &CredentialKey) -> Result<Option<Credential>, StoreError> {
        Ok(self.state().credentials.get(&(*scope, key.clone())).cloned())
    }

    async fn list(&self, scope: &Scope, page: Page<CredentialKey>) -> Result<Vec<Credential>, StoreError> {
        Ok(page_of(&self.state().credentials, scope, page))
    }

    async fn delete(&self, scope: &Scope, key: &CredentialKey) -> Result<bool, StoreError> {
        Ok(self.state().credentials.remove(&(*scope, key.clone())).is_some())
    }
}

#[async_trait]
impl Table<Connector> for MemoryStore {
    async fn insert(&self, scope: &Scope, record: Connector) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.connectors.contains_key(&(*scope, record.key())) {
            return Err(Conflict::Duplicate.into());
        }
        state.connectors.insert((*scope, record.key()), record);
        Ok(())
    }

    async fn put(&self, scope: &Scope, mut record: Connector) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(known) = state.connectors.get(&(*scope, record.key())) {
            record.created_at = known.created_at;
        }
        state.connectors.insert((*scope, record.key()), record);
        Ok(())
    }

    async fn get(&self, scope: &Scope, key: &ConnectorName) -> Result<Option<Connector>, StoreError> {
        Ok(self.state().connectors.get(&(*scope, key.clone())).cloned())
    }

    async fn list(&self, scope: &Scope, page: Page<ConnectorName>) -> Result<Vec<Connector>, StoreError> {
        Ok(page_of(&self.state().connectors, scope, page))
    }

    async fn delete(&self, scope: &Scope, key: &ConnectorName) -> Result<bool, StoreError> {
        Ok(self.state().connectors.remove(&(*scope, key.clone())).is_some())
    }
}

#[async_trait]
impl LinkSessions for MemoryStore {
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state();
        state.links.retain(|(_, session)| session.expires_at > now);
        if !state.users.contains_key(&(*scope, session.registered_user)) {
            return Err(StoreError::Missing);
        }
        if state.links.iter().any(|(_, known)| known.state == session.state) {
            return Err(Conflict::Duplicate.into());
        }
        state.links.push((*scope, session));
        Ok(())
    }

    async fn take_link(&self, link_state: Digest, now: Timestamp) -> Result<Option<TakenLink>, StoreError> {
        let mut state = self.state();
        state.links.retain(|(_, session)| session.expires_at > now);
        let found = state.links.iter().position(|(_, session)| session.state == link_state);
        let (scope, session) = match found {
            Some(place) => state.links.swap_remove(place),
            None => return Ok(None),
        };
        Ok(Some(TakenLink { organization: scope.organization(), environment: scope.environment(), session }))
    }
}
