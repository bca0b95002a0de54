//! The engine of Doorward that keeps everything in memory: for tests, and to show what the contract means in the plainest
//! way.

mod audit;
mod coherence;
mod keys;
mod links;
mod sealing;
mod tables;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_audit::{Event, EventDraft, Pruned};
use doorward_key::{Random, SystemRandom};
use doorward_types::{
    AllowedOriginId, Incarnation, LinkSessionId, Locator, Name, OperatorId, OrganizationId, RegisteredUserId,
    SecretState, SessionId, Timestamp, ToolCallId,
};

use doorward_records::{
    Connector, ConnectorName, Credential, CredentialKey, LinkSession, RegisteredUser, Revocation, ToolCall,
};
use doorward_store::{
    AccessKeyWithSecrets, Change, ChangeContext, Facts, KeyFacts, KeyRef, LiveSecret, Operation, OperationId, Operator,
    Organization, OriginEntry, Position, Provenance, Revision, Scope, SessionStatus, SignIn, SinkState, Sourced, Step,
    StoreError, StoreId, StoreIdentity, Touched,
};

/// A store in memory, which is gone with the process.
#[derive(Debug)]
pub struct MemoryStore(Mutex<State>);

#[derive(Clone, Debug)]
struct State {
    identity: StoreIdentity,
    organizations: BTreeMap<OrganizationId, Organization>,
    keys: BTreeMap<KeyRef, AccessKeyWithSecrets>,
    places: HashMap<Locator, KeyRef>,
    position: Position,
    log: BTreeMap<Revision, Logged>,
    lost: BTreeMap<Position, bool>,
    sessions: BTreeMap<SessionId, SessionStatus>,
    events: BTreeMap<Scope, Vec<Event>>,
    pruned: BTreeMap<Scope, Pruned>,
    /// Whose and which event is at each position.
    written: BTreeMap<u64, (Scope, u64)>,
    sinks: BTreeMap<Name, SinkState>,
    operations: BTreeMap<OperationId, Remembered>,
    uses: BTreeMap<(Locator, i64), u64>,
    last_uses: HashMap<Locator, Timestamp>,
    origins: BTreeMap<(OrganizationId, AllowedOriginId), OriginEntry>,
    operators: BTreeMap<OperatorId, Operator>,
    users: BTreeMap<(Scope, RegisteredUserId), RegisteredUser>,
    credentials: BTreeMap<(Scope, CredentialKey), Credential>,
    connectors: BTreeMap<(Scope, ConnectorName), Connector>,
    links: BTreeMap<(Scope, LinkSessionId), LinkSession>,
    revocations: Vec<Due>,
    /// Counts revocations, to name them.
    revoked: u64,
    sign_ins: HashMap<[u8; 32], SignIn>,
    tool_calls: BTreeMap<(Scope, ToolCallId), ToolCall>,
}

#[derive(Clone, Debug)]
struct Logged {
    operation: OperationId,
    node: Option<SessionId>,
    touched: Vec<Touched>,
}

/// A revocation, and when it is due.
#[derive(Clone, Debug)]
struct Due {
    revocation: Revocation,
    at: Timestamp,
}

/// An operation, and what it is found by.
#[derive(Clone, Debug)]
struct Remembered {
    operation: Operation,
    actor: String,
    idempotency_key: Option<String>,
    time: Timestamp,
}

impl Remembered {
    fn asked_as(&self, actor: &str, key: &str) -> bool {
        self.actor == actor && self.idempotency_key.as_deref() == Some(key)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let mut name = [0; 16];
        // Without randomness, the name is merely the same as that of another store in this process.
        let _ = SystemRandom.fill(&mut name);
        let id = StoreId::from_bytes(name);
        Self(Mutex::new(State {
            identity: StoreIdentity {
                id,
                incarnation: Incarnation::FIRST,
                prefix: None,
                sealing_key: None,
                longest_lease: Duration::ZERO,
            },
            organizations: BTreeMap::new(),
            keys: BTreeMap::new(),
            places: HashMap::new(),
            position: Position::default(),
            log: BTreeMap::new(),
            lost: BTreeMap::new(),
            sessions: BTreeMap::new(),
            events: BTreeMap::new(),
            pruned: BTreeMap::new(),
            written: BTreeMap::new(),
            sinks: BTreeMap::new(),
            operations: BTreeMap::new(),
            uses: BTreeMap::new(),
            last_uses: HashMap::new(),
            origins: BTreeMap::new(),
            operators: BTreeMap::new(),
            users: BTreeMap::new(),
            credentials: BTreeMap::new(),
            connectors: BTreeMap::new(),
            links: BTreeMap::new(),
            revocations: Vec::new(),
            revoked: 0,
            sign_ins: HashMap::new(),
            tool_calls: BTreeMap::new(),
        }))
    }

    /// Returns a copy of the store as it is now: what a backup would hold.
    #[must_use]
    pub fn backup(&self) -> Self {
        Self(Mutex::new(self.state().clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every method checks first and writes after, so that no panic leaves half a change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn key(&mut self, key: &KeyRef) -> Result<&mut AccessKeyWithSecrets, StoreError> {
        self.keys.get_mut(key).ok_or(StoreError::Missing)
    }

    /// The state that a change is decided on.
    fn facts(&self, change: &Change, context: &ChangeContext) -> Facts {
        let organization = change.organization();
        let actor = context.events.first().actor.as_str();
        let key = change.key().and_then(|key| self.keys.get(&key)).map(|found| KeyFacts {
            generations: found.generations,
            secrets: found.secrets.iter().map(|secret| (secret.locator, secret.state)).collect(),
        });
        Facts {
            store: self.identity.clone(),
            done: context.idempotency_key.as_ref().and_then(|key| self.done(actor, key.as_str())).cloned(),
            any_organization: !self.organizations.is_empty(),
            organization: self.organizations.contains_key(&organization),
            key,
            origins: self.origins_of(organization),
        }
    }

    /// The operation of an actor under an idempotency key.
    fn done(&self, actor: &str, key: &str) -> Option<&Operation> {
        let found = self.operations.values().find(|known| known.asked_as(actor, key));
        found.map(|known| &known.operation)
    }

    /// Another engine's constraint: no two secrets share a locator.
    fn is_taken(&self, step: &Step) -> bool {
        matches!(step, Step::AddSecret(_, secret) if self.places.contains_key(&secret.locator))
    }

    fn carry_out(&mut self, step: Step) -> Result<(), StoreError> {
        match step {
            Step::AddOrganization(organization) => {
                self.organizations.insert(organization.id, organization);
            }
            Step::AddKey(key, generations) => {
                self.keys.insert(KeyRef::of(&key), AccessKeyWithSecrets { key, generations, secrets: vec![] });
            }
            Step::AddSecret(key, secret) => {
                self.key(&key)?.secrets.push(secret);
                self.places.insert(secret.locator, key);
            }
            Step::AddOrigin(entry) => {
                self.origins.insert((entry.organization, entry.id), entry);
            }
            Step::Promote(key, locator) => {
                let found = self.key(&key)?;
                for secret in found.secrets.iter_mut().filter(|secret| secret.locator == locator) {
                    secret.state = SecretState::Current;
                }
            }
            Step::RemoveKey(key) => {
                self.keys.remove(&key);
            }
            Step::RemoveOrigin(organization, id) => {
                self.origins.remove(&(organization, id));
            }
            Step::RemoveSecret(key, locator) => {
                self.key(&key)?.secrets.retain(|secret| secret.locator != locator);
                self.places.remove(&locator);
            }
            Step::SetGenerations(key, generations) => self.key(&key)?.generations = generations,
            Step::SetPrefix(prefix) => self.identity.prefix = Some(prefix),
        }
        Ok(())
    }

    /// The provenance of what is read here: there is no other place.
    fn provenance(&self) -> Provenance {
        Provenance {
            store: self.identity.id,
            incarnation: self.identity.incarnation,
            primary: true,
            writable: true,
            needs_schema: 1,
            knows_schema: 1,
        }
    }

    fn sourced<T>(&self, value: T) -> Sourced<T> {
        Sourced::new(self.provenance(), value)
    }

    #[expect(clippy::disallowed_methods, reason = "names the log that an event belongs to; no caller's authority")]
    fn append(&mut self, draft: EventDraft) {
        let scope = Scope::assertion(draft.organization, draft.environment);
        let log = self.events.entry(scope).or_default();
        let last = log.last().map(|last| (last.sequence, last.hash));
        let event = Event::following(last, self.identity.incarnation, draft);
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

    /// The operation of a change, if the log still has it.
    fn operation_at(&self, revision: Revision) -> OperationId {
        self.log.get(&revision).map_or_else(OperationId::default, |logged| logged.operation)
    }

    fn live(&self, locator: Locator) -> Option<LiveSecret> {
        let found = self.keys.get(self.places.get(&locator)?)?;
        let secret = *found.secrets.iter().find(|secret| secret.locator == locator)?;
        let organization_name = self.organizations.get(&found.key.organization)?.name.clone();
        Some(LiveSecret { secret, key: found.key.clone(), organization_name })
    }
}
