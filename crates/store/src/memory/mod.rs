mod audit;
mod coherence;
mod keys;
mod tables;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use doorward_audit::{Event, EventDraft, Pruned};
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, Locator, Name, OperatorId, OrganizationId, RegisteredUserId,
    SecretState, SessionId, Timestamp, ToolCallId,
};

use crate::{
    AccessKey, AccessKeyWithSecrets, Change, Conflict, Connector, ConnectorName, Credential, CredentialKey, KeyRef,
    LinkSession, LiveSecret, OperationId, Operator, Organization, OriginEntry, Position, RegisteredUser, Revision,
    Scope, Secret, SessionStatus, SignIn, SinkState, StoreError, Successor, ToolCall, Touched,
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
    sign_ins: HashMap<[u8; 32], SignIn>,
    tool_calls: BTreeMap<(Scope, ToolCallId), ToolCall>,
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
