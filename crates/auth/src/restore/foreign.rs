use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash as Key;

use doorward_audit::{Action, Checkpoint, Detail, Event, EventDraft, Hash, SecretSummary};
use doorward_store::{AuditLog, Scope, StoreError};
use doorward_types::{AccessKeyId, ActorName, Environment, Locator, OperatorId, OrganizationId, Timestamp};

use super::stretch::Stretch;
use super::{GoneOperator, GoneOrganization, GoneSecret, Uncertainty};

/// One log in the files: the events that the store lacks, and the links of their chain.
#[derive(Debug)]
pub(super) struct ForeignLog {
    scope: Scope,
    /// The number of events that were pruned from the store's log, and the hash of the last pruned event.
    cut_off: Option<(u64, Hash)>,
    stretch: Stretch,
    missing: HashSet<Hash>,
    /// The place of each missing event, and the hash of the event before it.
    links: Vec<(u64, Option<Hash>)>,
    changed: Vec<u64>,
}

/// The presence of an event in the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// The event is in the pruned part of the store's log.
    CutOff,
    /// The store has the event, or the event was already read.
    Known,
    /// The store does not have the event.
    Missing,
}

impl ForeignLog {
    pub(super) async fn new(store: &dyn AuditLog, scope: Scope) -> Result<Self, StoreError> {
        let cut_off = store.pruned(&scope).await?.map(|pruned| (pruned.size, pruned.last_hash));
        let (missing, links, changed) = (HashSet::new(), Vec::new(), Vec::new());
        Ok(Self { scope, cut_off, stretch: Stretch::default(), missing, links, changed })
    }

    pub(super) async fn take(
        &mut self,
        store: &dyn AuditLog,
        event: &Event,
        hash_fits: bool,
    ) -> Result<Standing, StoreError> {
        let Event { sequence, previous_hash, hash, .. } = *event;
        if self.cut_off.is_some_and(|(size, _)| sequence <= size) {
            return Ok(Standing::CutOff);
        }
        if self.stretch.has(store, &self.scope, sequence, hash).await? {
            return Ok(Standing::Known);
        }
        // A sink may deliver an event again after a crash.
        if hash.is_some_and(|hash| !self.missing.insert(hash)) {
            return Ok(Standing::Known);
        }
        self.links.push((sequence, previous_hash));
        if !hash_fits {
            self.changed.push(sequence);
        }
        Ok(Standing::Missing)
    }

    /// Returns the faults of the missing events.
    pub(super) async fn uncertain(mut self, store: &dyn AuditLog) -> Result<Vec<Uncertainty>, StoreError> {
        let log = Checkpoint::origin_of(self.scope.organization(), self.scope.environment());
        let changed =
            self.changed.iter().map(|sequence| Uncertainty::Changed { log: log.clone(), sequence: *sequence });
        let mut found: Vec<_> = changed.collect();
        self.links.sort_unstable_by_key(|(sequence, _)| *sequence);
        for (sequence, previous) in std::mem::take(&mut self.links) {
            if !self.has_before(store, sequence, previous).await? {
                found.push(Uncertainty::Gap { log: log.clone(), sequence });
            }
        }
        Ok(found)
    }

    /// Returns true if the event before this place is in a file or in the store.
    async fn has_before(
        &mut self,
        store: &dyn AuditLog,
        sequence: u64,
        previous: Option<Hash>,
    ) -> Result<bool, StoreError> {
        if previous.is_some_and(|previous| self.missing.contains(&previous)) || (sequence == 1 && previous.is_none()) {
            return Ok(true);
        }
        let before = sequence.saturating_sub(1);
        if self.cut_off.is_some_and(|(size, last)| size == before && previous == Some(last)) {
            return Ok(true);
        }
        self.stretch.has(store, &self.scope, before, previous).await
    }
}

/// The history according to external events.
#[derive(Debug, Default)]
pub(super) struct History {
    dead: HashMap<Locator, Removal>,
    /// The newest statement about the quarantine of each secret, with its place in the log: its begin, or none for its end.
    quarantines: HashMap<Locator, (u64, Option<Removal>)>,
    pub(super) removed_operators: HashMap<OperatorId, Removal>,
    pub(super) removed_passkeys: BTreeMap<String, Removal>,
    /// The newest statement about each origin, with its place in the log.
    pub(super) origins: HashMap<(OrganizationId, String), (u64, Word)>,
    /// The newest statement about the state of each organization, with its place in the log. Nothing follows a closing.
    pub(super) organizations: HashMap<OrganizationId, (u64, State)>,
    pub(super) made_secrets: HashMap<Locator, GoneSecret>,
    pub(super) made_organizations: HashMap<OrganizationId, GoneOrganization>,
    pub(super) made_operators: HashMap<OperatorId, GoneOperator>,
}

/// The actor who removed something, and the time.
#[derive(Clone, Debug)]
pub(super) struct Removal {
    pub(super) at: Timestamp,
    pub(super) by: ActorName,
}

/// The statement of an event about an origin.
#[derive(Clone, Debug)]
pub(super) enum Word {
    Allowed(Timestamp),
    Removed(Removal),
}

/// The statement of an event about the state of an organization.
#[derive(Clone, Debug)]
pub(super) enum State {
    Closed(Removal),
    Resumed,
    Suspended(Removal),
}

impl History {
    /// Adds an event to the history. If the event may be older than the backup, only its removals count.
    pub(super) fn note(&mut self, event: &Event, standing: Standing) {
        let EventDraft { time, actor, action, subject, organization, environment, detail, .. } = &event.draft;
        let removal = || Removal { at: *time, by: actor.clone() };
        let is_new = standing == Standing::Missing;
        match action {
            Action::AccessKeyDeleted | Action::AccessKeyRegenerated | Action::AccessKeyStageDiscarded => {
                for dead in without(&detail.before, &detail.after) {
                    self.dead.entry(dead.locator).or_insert_with(removal);
                }
                if is_new {
                    self.note_made(event);
                }
            }
            Action::AccessKeyCreated | Action::AccessKeyImported | Action::AccessKeyStaged if is_new => {
                self.note_made(event);
            }
            // A quarantine that the store has lost counts as a revocation, unless an operator has ended it.
            Action::AccessKeyReleased | Action::AccessKeyReportedLeaked if is_new => {
                let held = without(&detail.before, &detail.after).map(|secret| (secret.locator, Some(removal())));
                let released = without(&detail.after, &detail.before).map(|secret| (secret.locator, None));
                for (locator, word) in held.chain(released) {
                    keep_newest(&mut self.quarantines, locator, event.sequence, word);
                }
            }
            Action::AllowedOriginAdded | Action::AllowedOriginRemoved => {
                let Some(origin) = &detail.origin else { return };
                let word = match action {
                    Action::AllowedOriginAdded => Word::Allowed(*time),
                    _ => Word::Removed(removal()),
                };
                let place = (*organization, origin.clone());
                // An origin may be added and removed several times.
                if is_new && *environment == Environment::Production {
                    keep_newest(&mut self.origins, place, event.sequence, word);
                }
            }
            Action::OrganizationClosed => {
                self.organizations.insert(*organization, (u64::MAX, State::Closed(removal())));
            }
            Action::OrganizationResumed | Action::OrganizationSuspended if is_new => {
                let state = match action {
                    Action::OrganizationResumed => State::Resumed,
                    _ => State::Suspended(removal()),
                };
                if *environment == Environment::Production {
                    keep_newest(&mut self.organizations, *organization, event.sequence, state);
                }
            }
            Action::OperatorCreated if is_new => {
                if let Ok(id) = subject.parse() {
                    let made = GoneOperator { id, name: detail.name.clone(), made_at: *time };
                    self.made_operators.insert(id, made);
                }
            }
            Action::OperatorDeleted => {
                if let Ok(id) = subject.parse() {
                    self.removed_operators.entry(id).or_insert_with(removal);
                }
            }
            Action::OperatorPasskeyRemoved => {
                if let Some(id) = &detail.identity {
                    self.removed_passkeys.entry(id.clone()).or_insert_with(removal);
                }
            }
            Action::OrganizationCreated if is_new => {
                let made = GoneOrganization { id: *organization, name: detail.name.clone(), made_at: *time };
                self.made_organizations.insert(*organization, made);
            }
            _ => {}
        }
    }

    /// Returns the revocation of a secret that the store has lost, or its quarantine.
    pub(super) fn revoked(&self, secret: Locator) -> Option<&Removal> {
        let held = || self.quarantines.get(&secret).and_then(|(_, held)| held.as_ref());
        self.dead.get(&secret).or_else(held)
    }

    /// Forgets the secrets that were made since the backup and revoked again.
    pub(super) fn forget_the_dead(&mut self) {
        let dead = &self.dead;
        self.made_secrets.retain(|locator, _| !dead.contains_key(locator));
    }

    fn note_made(&mut self, event: &Event) {
        let EventDraft { time, subject, organization, environment, detail, .. } = &event.draft;
        let Ok(key) = subject.parse::<AccessKeyId>() else { return };
        let Detail { name, before, after, .. } = detail;
        for made in without(after, before) {
            let secret = GoneSecret {
                organization: *organization,
                environment: *environment,
                key,
                key_name: name.clone(),
                locator: made.locator,
                made_at: *time,
            };
            self.made_secrets.entry(made.locator).or_insert(secret);
        }
    }
}

/// Keeps a statement with its place in the log, unless a later one is known.
fn keep_newest<K: Eq + Key, V>(newest: &mut HashMap<K, (u64, V)>, about: K, sequence: u64, statement: V) {
    if newest.get(&about).is_none_or(|(known, _)| *known <= sequence) {
        newest.insert(about, (sequence, statement));
    }
}

/// Returns the secrets that are not in `others`.
fn without<'a>(secrets: &'a [SecretSummary], others: &'a [SecretSummary]) -> impl Iterator<Item = &'a SecretSummary> {
    secrets.iter().filter(|secret| others.iter().all(|other| other.locator != secret.locator))
}
