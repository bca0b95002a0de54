//! Doorward's engine in memory, for tests and as the simplest example of the contract.

mod audit;
mod coherence;
mod erasure;
mod keys;
mod links;
mod passkeys;
mod sealing;
mod tables;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use doorward_audit::{Event, EventDraft, Pruned};
use doorward_key::{Random, SystemRandom};
use doorward_types::{
    AllowedOriginId, LinkSessionId, Locator, Name, OperatorId, OrganizationId, RegisteredUserId, SecretState,
    SessionId, Timestamp, ToolCallId, altered,
};

use doorward_records::{
    Connector, ConnectorName, Credential, CredentialKey, LinkSession, RegisteredUser, Revocation, ToolCall,
};
use doorward_store::{
    AccessKeyWithSecrets, ActiveSecret, Change, ChangeContext, ChangeTarget, Facts, KeyFacts, KeyLabel, KeyRef,
    LeakMarks, NodeDescription, Operation, OperationId, Operator, Organization, OriginEntry, Passkey, Position,
    Provenance, RetiredSecret, Revision, Scope, Secret, SessionStatus, SignIn, SinkState, Sourced, Step, StoreError,
    StoreId, StoreIdentity,
};

/// A store in memory. It ends with the process.
#[derive(Debug)]
pub struct MemoryStore(Mutex<State>);

#[derive(Clone, Debug, Default)]
struct State {
    identity: StoreIdentity,
    organizations: BTreeMap<OrganizationId, Organization>,
    keys: BTreeMap<KeyRef, AccessKeyWithSecrets>,
    places: HashMap<Locator, KeyRef>,
    /// The locators of all secrets that were ever imported.
    imports: HashSet<Locator>,
    retired: HashMap<Locator, RetiredSecret>,
    position: Position,
    log: BTreeMap<Revision, Logged>,
    lost: BTreeMap<Position, bool>,
    sessions: BTreeMap<SessionId, SessionStatus>,
    descriptions: BTreeMap<SessionId, NodeDescription>,
    events: BTreeMap<Scope, Vec<Event>>,
    pruned: BTreeMap<Scope, Pruned>,
    /// The scope and sequence of the event at each position.
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
    /// The number of revocations made, for their ids.
    revoked: u64,
    sign_ins: HashMap<[u8; 32], SignIn>,
    passkeys: BTreeMap<String, Passkey>,
    /// The ends of the challenges that were answered.
    spent_challenges: HashMap<[u8; 32], Timestamp>,
    tool_calls: BTreeMap<(Scope, ToolCallId), ToolCall>,
}

#[derive(Clone, Debug)]
struct Logged {
    operation: OperationId,
    node: Option<SessionId>,
    touched: Vec<ChangeTarget>,
}

/// A revocation, and the time when it is due.
#[derive(Clone, Debug)]
struct Due {
    revocation: Revocation,
    at: Timestamp,
}

/// An operation, and the actor and idempotency key that find it.
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
    /// Returns an empty store.
    #[must_use]
    pub fn new() -> Self {
        let mut name = [0; 16];
        // Without randomness, the name may only equal another store's in this process.
        let _ = SystemRandom.fill(&mut name);
        let identity = StoreIdentity { id: StoreId::from_bytes(name), ..StoreIdentity::default() };
        Self(Mutex::new(State { identity, ..State::default() }))
    }

    /// Returns a copy of the store's present state, like a backup.
    #[must_use]
    pub fn backup(&self) -> Self {
        Self(Mutex::new(self.state().clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every method checks first and writes afterwards, so no panic leaves half a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn key(&mut self, key: &KeyRef) -> Result<&mut AccessKeyWithSecrets, StoreError> {
        self.keys.get_mut(key).ok_or(StoreError::NotFound)
    }

    /// Returns the facts for the decision on a change.
    fn facts(&self, change: &Change, context: &ChangeContext) -> Facts {
        let organization = change.organization();
        let actor = context.events.first().actor.as_str();
        let key = change.key().and_then(|key| self.keys.get(&key)).map(|found| KeyFacts {
            label: found.label(),
            generations: found.generations,
            secrets: found.secrets.iter().map(|secret| (secret.locator, secret.state)).collect(),
            marks: found.secrets.iter().map(|secret| (secret.locator, secret.leak_marks())).collect(),
        });
        let (name, external_id) = change.names();
        let others = || self.organizations.values().filter(|found| found.id != organization);
        Facts {
            store: self.identity.clone(),
            done: context.idempotency_key.as_ref().and_then(|key| self.done(actor, key.as_str())).cloned(),
            any_organization: !self.organizations.is_empty(),
            organization: self.organizations.get(&organization).cloned(),
            is_name_taken: name.is_some_and(|name| others().any(|found| found.name == *name && !found.is_closed())),
            is_external_id_taken: external_id.is_some()
                && others().any(|found| found.external_id.as_ref() == external_id),
            secrets: self.secrets_of(organization),
            key,
            origins: self.origins_of(organization),
        }
    }

    fn secrets_of(&self, organization: OrganizationId) -> Vec<(KeyRef, Locator)> {
        let places = self.places.iter().filter(|(_, key)| key.organization == organization);
        places.map(|(locator, key)| (*key, *locator)).collect()
    }

    /// Returns an actor's operation with an idempotency key.
    fn done(&self, actor: &str, key: &str) -> Option<&Operation> {
        let found = self.operations.values().find(|known| known.asked_as(actor, key));
        found.map(|known| &known.operation)
    }

    /// Returns true if a step would break the constraints that no two secrets share a locator, and that no secret is
    /// imported twice. SQL engines check them in the database.
    fn is_taken(&self, step: &Step) -> bool {
        match step {
            Step::AddSecret(_, secret) => self.places.contains_key(&secret.locator),
            Step::RememberImport(locator) => self.imports.contains(locator),
            _ => false,
        }
    }

    fn carry_out(&mut self, step: Step) -> Result<(), StoreError> {
        match step {
            Step::AddOrganization(organization) | Step::SetOrganization(organization) => {
                self.organizations.insert(organization.id, organization);
            }
            Step::AddKey(key, generations) => {
                self.keys.insert(KeyRef::of(&key), AccessKeyWithSecrets::new(key, generations, vec![]));
            }
            Step::AddSecret(key, secret) => {
                self.key(&key)?.secrets.push(secret);
                self.places.insert(secret.locator, key);
            }
            Step::AddOrigin(entry) => {
                self.origins.insert((entry.organization, entry.id), entry);
            }
            Step::RememberImport(locator) => {
                self.imports.insert(locator);
            }
            Step::Promote(key, locator) => {
                let found = self.key(&key)?;
                for secret in found.secrets.iter_mut().filter(|secret| secret.locator == locator) {
                    secret.state = SecretState::Current;
                }
            }
            Step::Retire(key, locator, at) => {
                let is_it = |secret: &&Secret| secret.locator == locator;
                let found = *self.key(&key)?.secrets.iter().find(is_it).ok_or(StoreError::NotFound)?;
                let Secret { digest, generation, state, .. } = found;
                let KeyRef { organization, environment, id } = key;
                let retired = RetiredSecret::new(organization, environment, locator, digest, id, generation, state, at);
                self.retired.insert(locator, retired);
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
            // A store in memory has no older program.
            Step::Require(_) => {}
            Step::SetLabel(key, KeyLabel { name, note }) => {
                let found = self.key(&key)?;
                (found.key.name, found.note) = (name, note);
            }
            Step::SetMarks(key, locator, LeakMarks { reported_at, quarantined_at }) => {
                for secret in self.key(&key)?.secrets.iter_mut().filter(|secret| secret.locator == locator) {
                    (secret.reported_at, secret.quarantined_at) = (reported_at, quarantined_at);
                }
            }
            Step::SetGenerations(key, generations) => self.key(&key)?.generations = generations,
            Step::SetPrefix(prefix) => self.identity.prefix = Some(prefix),
        }
        Ok(())
    }

    /// Returns the provenance of this store's answers.
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

    /// Returns a sink if this session holds it, and counts a heartbeat.
    fn held(&mut self, name: &Name, holder: SessionId) -> Option<&mut SinkState> {
        let sink = self.sinks.get_mut(name).filter(|sink| sink.holder == Some(holder))?;
        sink.beat += 1;
        Some(sink)
    }

    fn origins_of(&self, organization: OrganizationId) -> Vec<OriginEntry> {
        self.origins.values().filter(|entry| entry.organization == organization).cloned().collect()
    }

    /// Returns the operation of a change, or nil if the change log no longer has it.
    fn operation_at(&self, revision: Revision) -> OperationId {
        self.log.get(&revision).map_or_else(OperationId::default, |logged| logged.operation)
    }

    fn live(&self, locator: Locator) -> Option<ActiveSecret> {
        let found = self.keys.get(self.places.get(&locator)?)?;
        let secret = *found.secrets.iter().find(|secret| secret.locator == locator)?;
        let organization = self.organizations.get(&found.key.organization)?;
        let active = ActiveSecret::new(secret, found.key.clone(), organization.name.clone());
        Some(altered!(active, organization_state: organization.state))
    }
}
