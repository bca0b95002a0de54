use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use doorward_audit::EventDraft;
use doorward_key::KeyPrefix;
use doorward_origin::AllowList;
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, Locator, LocatorError, OrganizationId, SecretState, SessionId,
};

use crate::{
    AccessKey, Conflict, Doubt, IdempotencyKey, Operation, OperationId, Organization, OriginEntry, RequestHash,
    Revision, Secret, StoreError, StoreId, StoreIdentity,
};

/// A change to what nodes hold in memory, and what must be true for it.
///
/// The core decides what should happen and names the secrets that it saw. An engine takes the lock of changes, reads
/// [`Facts`], and asks [`Change::plan`]. That returns the rows to write, or refuses with [`Conflict::Stale`] if a named
/// secret is no longer there. Engines decide nothing.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds an organization with its production key.
    Provision {
        /// The organization.
        organization: Organization,
        /// Its production key.
        key: AccessKey,
        /// The key's first secret.
        secret: Secret,
        /// Refuse with [`crate::Conflict::NotEmpty`] where there is an organization already.
        only_if_empty: bool,
    },
    /// Adds a test key to an organization.
    Create {
        /// The key.
        key: AccessKey,
        /// The key's first secret.
        secret: Secret,
    },
    /// Adds a staged secret; refused with [`crate::Conflict::AlreadyStaged`] where there is one.
    Stage {
        /// The key.
        key: KeyRef,
        /// The secret.
        secret: Secret,
    },
    /// Removes the staged secret.
    Unstage {
        /// The key.
        key: KeyRef,
        /// The secret that is staged.
        staged: Locator,
    },
    /// Kills the current secret and puts another in its place.
    Regenerate {
        /// The key.
        key: KeyRef,
        /// The secrets that die: the current one, and the staged one where it is discarded.
        retired: Vec<Locator>,
        /// What takes the place.
        successor: Successor,
    },
    /// Deletes a key with its secrets.
    Delete {
        /// The key.
        key: KeyRef,
        /// All of its secrets.
        retired: Vec<Locator>,
    },
    /// Adds an origin to an organization's list; refused with [`crate::Conflict::Duplicate`] if it is there, and with
    /// [`crate::Conflict::ListFull`] if the list has [`AllowList::MAX_ENTRIES`].
    AllowOrigin {
        /// The entry.
        entry: OriginEntry,
    },
    /// Takes an origin off an organization's list.
    DisallowOrigin {
        /// Whose list.
        organization: OrganizationId,
        /// The entry.
        id: AllowedOriginId,
    },
}

/// What takes a dead secret's place.
#[derive(Clone, Debug)]
pub enum Successor {
    /// The secret that was staged.
    Promote(Locator),
    /// A fresh one.
    Fresh(Secret),
}

/// The place of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyRef {
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// The key.
    pub id: AccessKeyId,
}

impl KeyRef {
    /// Returns the place of a key.
    #[must_use]
    pub const fn of(key: &AccessKey) -> Self {
        Self { organization: key.organization, environment: key.environment, id: key.id }
    }
}

impl Facts {
    fn key(&self) -> Result<&KeyFacts, StoreError> {
        self.key.as_ref().ok_or(StoreError::Missing)
    }
}

impl KeyFacts {
    /// A generation is never used twice; a caller with an old one has not seen what happened since.
    fn is_next(&self, secret: &Secret) -> Result<(), StoreError> {
        if secret.generation == self.generations + 1 { Ok(()) } else { Err(Conflict::Stale.into()) }
    }

    /// A caller that names other secrets than the key has now has not seen what happened since.
    fn has_just(&self, named: impl Iterator<Item = Locator>) -> Result<(), StoreError> {
        let named: BTreeSet<_> = named.collect();
        let there: BTreeSet<_> = self.secrets.iter().map(|(locator, _)| *locator).collect();
        if named == there { Ok(()) } else { Err(Conflict::Stale.into()) }
    }
}

/// The state that a change is decided on, read under the lock of changes.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The store.
    pub store: StoreIdentity,
    /// The operation that was carried out before for the same actor and idempotency key.
    pub done: Option<Operation>,
    /// Whether the store has an organization.
    pub any_organization: bool,
    /// Whether the store has the change's organization.
    pub organization: bool,
    /// The change's key, as [`Change::key`] names it; none if there is no such key.
    pub key: Option<KeyFacts>,
    /// The list of allowed origins of the change's organization. Read only if [`Change::concerns_origins`].
    pub origins: Vec<OriginEntry>,
}

/// The state of one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyFacts {
    /// The number of secrets that it ever had.
    pub generations: u32,
    /// The secrets that work.
    pub secrets: Vec<(Locator, SecretState)>,
}

/// A row to write, which [`Change::plan`] has found to be allowed.
#[derive(Clone, Debug)]
pub enum Step {
    /// Insert an organization.
    AddOrganization(Organization),
    /// Insert a key that had so many secrets.
    AddKey(AccessKey, u32),
    /// Insert a secret of a key.
    AddSecret(KeyRef, Secret),
    /// Insert an entry of a list of allowed origins.
    AddOrigin(OriginEntry),
    /// Make a staged secret the current one.
    Promote(KeyRef, Locator),
    /// Delete a key, which has no secret left.
    RemoveKey(KeyRef),
    /// Delete an entry of a list of allowed origins.
    RemoveOrigin(OrganizationId, AllowedOriginId),
    /// Delete a secret of a key.
    RemoveSecret(KeyRef, Locator),
    /// Write how many secrets a key ever had.
    SetGenerations(KeyRef, u32),
    /// Write the prefix of all keys into the store's own record.
    SetPrefix(KeyPrefix),
}

/// A change that was committed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Committed {
    /// The change's number.
    pub revision: Revision,
    /// The store that has it.
    pub store: StoreId,
    /// The longest lease of any node that may have read the state from before: what a writer waits for if it can ask nobody.
    pub longest_lease: Duration,
}

impl Change {
    /// Returns the organization that the change is about.
    #[must_use]
    pub const fn organization(&self) -> OrganizationId {
        match self {
            Self::Provision { organization, .. } => organization.id,
            Self::Create { key, .. } => key.organization,
            Self::Stage { key, .. }
            | Self::Unstage { key, .. }
            | Self::Regenerate { key, .. }
            | Self::Delete { key, .. } => key.organization,
            Self::AllowOrigin { entry } => entry.organization,
            Self::DisallowOrigin { organization, .. } => *organization,
        }
    }

    /// Returns the key that the change is about, if it is about a key.
    #[must_use]
    pub const fn key(&self) -> Option<KeyRef> {
        match self {
            Self::Provision { key, .. } | Self::Create { key, .. } => Some(KeyRef::of(key)),
            Self::Stage { key, .. }
            | Self::Unstage { key, .. }
            | Self::Regenerate { key, .. }
            | Self::Delete { key, .. } => Some(*key),
            Self::AllowOrigin { .. } | Self::DisallowOrigin { .. } => None,
        }
    }

    /// Returns whether the change is about a list of allowed origins.
    #[must_use]
    pub const fn concerns_origins(&self) -> bool {
        matches!(self, Self::AllowOrigin { .. } | Self::DisallowOrigin { .. })
    }

    /// Decides whether the change may happen, and returns the rows to write for it, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyDone`] and [`StoreError::IdempotencyKeyReused`], if the idempotency key was used before;
    /// [`StoreError::Doubtful`], if the store is not the expected one; [`StoreError::OtherPrefix`], if the store's keys
    /// begin with another prefix; [`StoreError::PrefixUnknown`], if the store does not know theirs;
    /// [`StoreError::Missing`], if the organization or the key does not exist;
    /// [`StoreError::Conflict`], if the state does not allow the change.
    pub fn plan(&self, facts: &Facts, context: &ChangeContext) -> Result<Vec<Step>, StoreError> {
        if let Some(done) = &facts.done {
            return Err(done.repeated(&context.request));
        }
        if let Some(expected) = context.store.filter(|expected| *expected != facts.store.id) {
            return Err(Doubt::OtherStore { expected, found: facts.store.id }.into());
        }
        let mut steps = match &facts.store.prefix {
            None if facts.any_organization => return Err(StoreError::PrefixUnknown),
            None => vec![Step::SetPrefix(context.prefix.clone())],
            Some(prefix) if *prefix == context.prefix => vec![],
            Some(prefix) => return Err(StoreError::OtherPrefix { store: prefix.clone() }),
        };
        steps.extend(self.steps(facts)?);
        Ok(steps)
    }

    fn steps(&self, facts: &Facts) -> Result<Vec<Step>, StoreError> {
        match self {
            Self::Provision { organization, key, secret, only_if_empty } => {
                if *only_if_empty && facts.any_organization {
                    return Err(Conflict::NotEmpty.into());
                }
                if facts.organization {
                    return Err(Conflict::Duplicate.into());
                }
                Ok(vec![
                    Step::AddOrganization(organization.clone()),
                    Step::AddKey(key.clone(), secret.generation),
                    Step::AddSecret(KeyRef::of(key), *secret),
                ])
            }
            Self::Create { key, secret } => {
                if !facts.organization {
                    return Err(StoreError::Missing);
                }
                // An organization has its production key from the start.
                if key.environment == Environment::Production || facts.key.is_some() {
                    return Err(Conflict::Duplicate.into());
                }
                Ok(vec![Step::AddKey(key.clone(), secret.generation), Step::AddSecret(KeyRef::of(key), *secret)])
            }
            Self::Stage { key, secret } => {
                let found = facts.key()?;
                if found.secrets.iter().any(|(_, state)| *state == SecretState::Staged) {
                    return Err(Conflict::AlreadyStaged.into());
                }
                found.is_next(secret)?;
                Ok(vec![Step::SetGenerations(*key, secret.generation), Step::AddSecret(*key, *secret)])
            }
            Self::Unstage { key, staged } => {
                if !facts.key()?.secrets.contains(&(*staged, SecretState::Staged)) {
                    return Err(Conflict::Stale.into());
                }
                Ok(vec![Step::RemoveSecret(*key, *staged)])
            }
            Self::Regenerate { key, retired, successor } => {
                let found = facts.key()?;
                let (survivor, mut steps) = match successor {
                    Successor::Promote(locator) => (Some(*locator), vec![Step::Promote(*key, *locator)]),
                    Successor::Fresh(secret) => {
                        found.is_next(secret)?;
                        let raise = Step::SetGenerations(*key, secret.generation);
                        (None, vec![raise, Step::AddSecret(*key, *secret)])
                    }
                };
                let promoted = survivor.map(|locator| (locator, SecretState::Staged));
                if !promoted.is_none_or(|staged| found.secrets.contains(&staged)) {
                    return Err(Conflict::Stale.into());
                }
                found.has_just(retired.iter().copied().chain(survivor))?;
                // The dead first: a key has one current secret.
                let mut all: Vec<_> = retired.iter().map(|locator| Step::RemoveSecret(*key, *locator)).collect();
                all.append(&mut steps);
                Ok(all)
            }
            Self::Delete { key, retired } => {
                // An organization keeps its production key to the end.
                if key.environment == Environment::Production {
                    return Err(Conflict::Stale.into());
                }
                facts.key()?.has_just(retired.iter().copied())?;
                let dead = retired.iter().map(|locator| Step::RemoveSecret(*key, *locator));
                Ok(dead.chain([Step::RemoveKey(*key)]).collect())
            }
            Self::AllowOrigin { entry } => {
                if !facts.organization {
                    return Err(StoreError::Missing);
                }
                if facts.origins.iter().any(|known| known.id == entry.id || known.origin == entry.origin) {
                    return Err(Conflict::Duplicate.into());
                }
                if facts.origins.len() >= AllowList::MAX_ENTRIES {
                    return Err(Conflict::ListFull.into());
                }
                Ok(vec![Step::AddOrigin(entry.clone())])
            }
            Self::DisallowOrigin { organization, id } => {
                if !facts.origins.iter().any(|known| known.id == *id) {
                    return Err(StoreError::Missing);
                }
                Ok(vec![Step::RemoveOrigin(*organization, *id)])
            }
        }
    }

    /// Everything that is another after this change: what each node must hear of.
    #[must_use]
    pub fn touched(&self) -> Vec<Touched> {
        match self {
            Self::AllowOrigin { entry } => vec![Touched::Origins(entry.organization)],
            Self::DisallowOrigin { organization, .. } => vec![Touched::Origins(*organization)],
            _ => self.locators().into_iter().map(Touched::Secret).collect(),
        }
    }

    /// Every secret that lives or dies by this change.
    fn locators(&self) -> Vec<Locator> {
        match self {
            Self::Provision { secret, .. } | Self::Create { secret, .. } | Self::Stage { secret, .. } => {
                vec![secret.locator]
            }
            Self::Unstage { staged, .. } => vec![*staged],
            Self::Regenerate { retired, successor, .. } => {
                let successor = match successor {
                    Successor::Promote(locator) => *locator,
                    Successor::Fresh(secret) => secret.locator,
                };
                retired.iter().copied().chain([successor]).collect()
            }
            Self::Delete { retired, .. } => retired.clone(),
            Self::AllowOrigin { .. } | Self::DisallowOrigin { .. } => vec![],
        }
    }
}

/// What a change touched, as the change log names it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Touched {
    /// An organization's list of allowed origins.
    Origins(OrganizationId),
    /// A secret.
    Secret(Locator),
}

impl fmt::Display for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origins(organization) => organization.fmt(f),
            Self::Secret(locator) => locator.fmt(f),
        }
    }
}

impl FromStr for Touched {
    type Err = LocatorError;

    /// No locator has the underscore of an id.
    fn from_str(text: &str) -> Result<Self, LocatorError> {
        match text.parse() {
            Ok(organization) => Ok(Self::Origins(organization)),
            Err(_) => text.parse().map(Self::Secret),
        }
    }
}

/// What goes into the same transaction as a change.
#[derive(Clone, Debug)]
pub struct ChangeContext {
    /// Drawn for this change alone: tells whether the change happened if its commit was not answered, and whether a store
    /// still has it.
    pub operation: OperationId,
    /// What the audit log will tell of it.
    pub events: Events,
    /// Refuse, with [`StoreError::AlreadyDone`], what was asked for under this key before.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The hash of the request: another request under the same idempotency key is an error.
    pub request: RequestHash,
    /// The prefix that the writer gives to keys. The store's first change notes it; a change with another one is refused.
    pub prefix: KeyPrefix,
    /// The store that the writer means; none if any store will do.
    pub store: Option<StoreId>,
    /// The node that shares the writer's process. It hears of the change directly, and need not acknowledge it here.
    pub node: Option<SessionId>,
}

impl ChangeContext {
    /// Returns the context of a change that is asked for once, of any store, by a process without a node.
    #[must_use]
    pub const fn new(operation: OperationId, events: Events, request: RequestHash, prefix: KeyPrefix) -> Self {
        Self { operation, events, idempotency_key: None, request, prefix, store: None, node: None }
    }
}

/// One audit event or more: a change that no log tells of does not compile.
///
/// ```compile_fail
/// let none = doorward_store::Events::default();
/// ```
///
/// ```compile_fail
/// let none: doorward_store::Events = Vec::new().into();
/// ```
#[derive(Clone, Debug)]
pub struct Events {
    first: EventDraft,
    others: Vec<EventDraft>,
}

impl Events {
    /// With another event.
    #[must_use]
    pub fn and(mut self, event: EventDraft) -> Self {
        self.others.push(event);
        self
    }

    /// The first, which says who asked and when.
    #[must_use]
    pub const fn first(&self) -> &EventDraft {
        &self.first
    }

    /// All of them, in the order in which they are written.
    pub fn iter(&self) -> impl Iterator<Item = &EventDraft> {
        [&self.first].into_iter().chain(&self.others)
    }
}

impl From<EventDraft> for Events {
    fn from(event: EventDraft) -> Self {
        Self { first: event, others: vec![] }
    }
}

#[cfg(test)]
mod tests {
    use doorward_audit::{Action, Attribution};
    use doorward_origin::AllowedOrigin;
    use doorward_types::{Incarnation, Name, Timestamp};

    use super::*;

    #[test]
    fn a_list_of_origins_is_full_at_a_thousand_entries() {
        let organization = OrganizationId::from_u128(1);
        let name: Name = "ada".parse().unwrap();
        let entry = |number: u128| OriginEntry {
            id: AllowedOriginId::from_u128(number),
            organization,
            origin: format!("app-{number}.example.com").parse::<AllowedOrigin>().unwrap(),
            created_at: Timestamp::from_millis(1),
            created_by: name.clone(),
        };
        let log = (organization, Environment::Production);
        let attribution = Attribution::local(name.clone());
        let told =
            EventDraft::new(&attribution, Timestamp::from_millis(1), Action::AllowedOriginAdded, "x".into(), log);
        let (operation, request) = (OperationId::from_bytes([0; 16]), RequestHash::of(["x"]));
        let context = ChangeContext::new(operation, told.into(), request, KeyPrefix::default());
        let plan = |there: u128, change: Change| {
            let facts = Facts {
                store: StoreIdentity {
                    id: StoreId::from_bytes([0; 16]),
                    incarnation: Incarnation::FIRST,
                    prefix: Some(KeyPrefix::default()),
                    sealing_key: None,
                    longest_lease: Duration::ZERO,
                },
                done: None,
                any_organization: true,
                organization: true,
                key: None,
                origins: (0..there).map(entry).collect(),
            };
            change.plan(&facts, &context).map(|steps| steps.len())
        };
        let allow = |number| Change::AllowOrigin { entry: entry(number) };
        assert_eq!(plan(999, allow(5_000)).unwrap(), 1);
        for there in [1_000, 1_500] {
            let refused = plan(there, allow(5_000));
            assert!(matches!(refused, Err(StoreError::Conflict(Conflict::ListFull))), "{refused:?}");
            // What is there is there, and may go.
            let refused = plan(there, allow(7));
            assert!(matches!(refused, Err(StoreError::Conflict(Conflict::Duplicate))), "{refused:?}");
            let id = AllowedOriginId::from_u128(7);
            assert_eq!(plan(there, Change::DisallowOrigin { organization, id }).unwrap(), 1);
        }
    }
}
