use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use doorward_audit::EventDraft;
use doorward_key::KeyPrefix;
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, ExternalId, Locator, LocatorError, Name, OrganizationId,
    OrganizationState, SessionId, Timestamp,
};

use crate::{
    AccessKey, IdempotencyKey, KeyLabel, LeakMarks, OperationId, OperationRow, Organization, OriginEntry, RequestHash,
    Revision, Secret, StoreId,
};

/// A change to the data that nodes hold in memory, with its preconditions.
///
/// The core decides on the change and names the secrets that it saw. An engine takes the lock of changes, reads
/// [`crate::Facts`], and calls [`Change::plan`]. The plan is the list of rows to write. It fails with
/// [`crate::Conflict::Stale`] if a named secret is gone. Engines decide nothing.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds an organization with its production key. Fails with [`crate::Conflict::ExternalIdTaken`] if another
    /// organization has its external id.
    Provision {
        /// The organization.
        organization: Organization,
        /// Its production key.
        key: AccessKey,
        /// The key's first secret.
        secret: Secret,
        /// False to fail with [`crate::Conflict::NameTaken`] if another organization has the name and is not closed.
        allow_duplicate_name: bool,
        /// True to fail with [`crate::Conflict::NotEmpty`] if the store has an organization.
        only_if_empty: bool,
    },
    /// Adds a test key to an organization.
    Create {
        /// The key.
        key: AccessKey,
        /// The key's first secret.
        secret: Secret,
    },
    /// Adds a staged secret. Fails with [`crate::Conflict::AlreadyStaged`] if the key has a staged secret.
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
        /// The staged secret.
        staged: Locator,
    },
    /// Revokes the current secret and replaces it.
    Regenerate {
        /// The key.
        key: KeyRef,
        /// The revoked secrets: the current secret, and the staged secret if it is discarded.
        retired: Vec<Locator>,
        /// The new current secret.
        successor: Successor,
    },
    /// Deletes a key with its secrets.
    Delete {
        /// The key.
        key: KeyRef,
        /// All secrets of the key.
        retired: Vec<Locator>,
    },
    /// Sets the words of people about a key. Fails with [`crate::Conflict::Stale`] if they have changed since the caller
    /// saw them, and with [`crate::Conflict::Unchanged`] if they are the same.
    Label {
        /// The key.
        key: KeyRef,
        /// The words that the caller saw.
        seen: KeyLabel,
        /// The new words.
        label: KeyLabel,
    },
    /// Sets the marks of a secret after a report that it has leaked, or after an operator's decision. Fails with
    /// [`crate::Conflict::Stale`] if they have changed since the caller saw them, and with [`crate::Conflict::Unchanged`] if
    /// they are the same.
    Mark {
        /// The key.
        key: KeyRef,
        /// The secret.
        locator: Locator,
        /// The marks that the caller saw.
        seen: LeakMarks,
        /// The new marks.
        marks: LeakMarks,
    },
    /// Adds an origin to an organization's list. Fails with [`crate::Conflict::Duplicate`] if the list has the origin,
    /// and with [`crate::Conflict::ListFull`] if the list has
    /// [`AllowList::MAX_ENTRIES`](doorward_origin::AllowList::MAX_ENTRIES).
    AllowOrigin {
        /// The entry.
        entry: OriginEntry,
    },
    /// Removes an origin from an organization's list.
    DisallowOrigin {
        /// The organization of the list.
        organization: OrganizationId,
        /// The entry.
        id: AllowedOriginId,
    },
    /// Changes an organization's record, and with it the standing of all its keys. Fails with
    /// [`crate::Conflict::Closed`] if the organization is closed, and with [`crate::Conflict::Stale`] if its record has
    /// changed since the caller saw it.
    Update {
        /// The record that the caller saw.
        seen: Organization,
        /// The change of the record.
        update: OrganizationUpdate,
    },
}

/// A change of an organization's record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OrganizationUpdate {
    /// Removes all keys and allowed origins. The other data is erased from this time on.
    Close {
        /// The time from which the data is erased.
        erase_at: Timestamp,
    },
    /// Sets the name, the external id, or both.
    Rename {
        /// The new name, or `None` to keep the name.
        name: Option<Name>,
        /// The new external id, or `None` to keep it.
        external_id: Option<ExternalId>,
        /// False to fail with [`crate::Conflict::NameTaken`] if another organization has the name and is not closed.
        allow_duplicate_name: bool,
    },
    /// Accepts the keys again. Fails with [`crate::Conflict::Unchanged`] if the organization is not suspended.
    Resume,
    /// Refuses all keys. Fails with [`crate::Conflict::Unchanged`] if the organization is suspended.
    Suspend,
}

impl OrganizationUpdate {
    /// Returns the record after the change.
    #[must_use]
    pub fn applied_to(&self, seen: &Organization) -> Organization {
        let mut updated = seen.clone();
        match self {
            Self::Close { erase_at } => {
                (updated.state, updated.erase_at) = (OrganizationState::Closed, Some(*erase_at));
            }
            Self::Rename { name, external_id, .. } => {
                updated.name = name.clone().unwrap_or(updated.name);
                updated.external_id = external_id.clone().or(updated.external_id);
            }
            Self::Resume => updated.state = OrganizationState::Active,
            Self::Suspend => updated.state = OrganizationState::Suspended,
        }
        updated
    }
}

/// The secret that replaces a revoked secret.
#[derive(Clone, Debug)]
pub enum Successor {
    /// The staged secret.
    Promote(Locator),
    /// A fresh secret.
    Fresh(Secret),
}

/// The place of a key. The fields have the order by which every engine sorts keys.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
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

/// A committed change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Committed {
    /// The change's number.
    pub revision: Revision,
    /// The store of the change.
    pub store: StoreId,
    /// The longest lease of any node that may have read the old state. A writer waits for it if it cannot ask the
    /// nodes.
    pub longest_lease: Duration,
}

impl Change {
    /// Returns the organization of the change.
    #[must_use]
    pub const fn organization(&self) -> OrganizationId {
        match self {
            Self::Provision { organization, .. } => organization.id,
            Self::Create { key, .. } => key.organization,
            Self::Stage { key, .. }
            | Self::Unstage { key, .. }
            | Self::Regenerate { key, .. }
            | Self::Label { key, .. }
            | Self::Mark { key, .. }
            | Self::Delete { key, .. } => key.organization,
            Self::AllowOrigin { entry } => entry.organization,
            Self::DisallowOrigin { organization, .. } => *organization,
            Self::Update { seen, .. } => seen.id,
        }
    }

    /// Returns the key of the change, if it concerns a key.
    #[must_use]
    pub const fn key(&self) -> Option<KeyRef> {
        match self {
            Self::Provision { key, .. } | Self::Create { key, .. } => Some(KeyRef::of(key)),
            Self::Stage { key, .. }
            | Self::Unstage { key, .. }
            | Self::Regenerate { key, .. }
            | Self::Label { key, .. }
            | Self::Mark { key, .. }
            | Self::Delete { key, .. } => Some(*key),
            Self::AllowOrigin { .. } | Self::DisallowOrigin { .. } | Self::Update { .. } => None,
        }
    }

    /// Returns true if the change concerns a list of allowed origins.
    #[must_use]
    pub const fn concerns_origins(&self) -> bool {
        let closes = matches!(self, Self::Update { update: OrganizationUpdate::Close { .. }, .. });
        closes || matches!(self, Self::AllowOrigin { .. } | Self::DisallowOrigin { .. })
    }

    /// Returns true if the change concerns all secrets of an organization.
    #[must_use]
    pub const fn concerns_all_secrets(&self) -> bool {
        matches!(self, Self::Update { .. })
    }

    /// Returns true if the change makes an organization or changes its record. Such a change alters the facts of every
    /// other change of the organization.
    #[must_use]
    pub const fn concerns_organization(&self) -> bool {
        matches!(self, Self::Provision { .. } | Self::Update { .. })
    }

    /// Returns the name that the change gives to an organization, and the external id.
    #[must_use]
    pub const fn names(&self) -> (Option<&Name>, Option<&ExternalId>) {
        match self {
            Self::Provision { organization, .. } => (Some(&organization.name), organization.external_id.as_ref()),
            Self::Update { update: OrganizationUpdate::Rename { name, external_id, .. }, .. } => {
                (name.as_ref(), external_id.as_ref())
            }
            _ => (None, None),
        }
    }

    /// Returns true if the change may give an organization the name of another.
    #[must_use]
    pub const fn allows_duplicate_name(&self) -> bool {
        match self {
            Self::Provision { allow_duplicate_name, .. }
            | Self::Update { update: OrganizationUpdate::Rename { allow_duplicate_name, .. }, .. } => {
                *allow_duplicate_name
            }
            _ => false,
        }
    }

    /// Returns every secret that this change names: those that it adds, promotes, marks or revokes.
    pub(crate) fn locators(&self) -> Vec<Locator> {
        match self {
            Self::Provision { secret, .. } | Self::Create { secret, .. } | Self::Stage { secret, .. } => {
                vec![secret.locator]
            }
            Self::Unstage { staged, .. } => vec![*staged],
            Self::Mark { locator, .. } => vec![*locator],
            Self::Regenerate { retired, successor, .. } => {
                let successor = match successor {
                    Successor::Promote(locator) => *locator,
                    Successor::Fresh(secret) => secret.locator,
                };
                retired.iter().copied().chain([successor]).collect()
            }
            Self::Delete { retired, .. } => retired.clone(),
            Self::AllowOrigin { .. } | Self::DisallowOrigin { .. } | Self::Label { .. } | Self::Update { .. } => {
                vec![]
            }
        }
    }
}

/// An entity that a change affects, as the change log names it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ChangeTarget {
    /// An organization's list of allowed origins.
    Origins(OrganizationId),
    /// A secret.
    Secret(Locator),
}

impl fmt::Display for ChangeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origins(organization) => organization.fmt(f),
            Self::Secret(locator) => locator.fmt(f),
        }
    }
}

impl FromStr for ChangeTarget {
    type Err = LocatorError;

    /// Reads an id if the text has an underscore: locators have none.
    fn from_str(text: &str) -> Result<Self, LocatorError> {
        match text.parse() {
            Ok(organization) => Ok(Self::Origins(organization)),
            Err(_) => text.parse().map(Self::Secret),
        }
    }
}

/// The part of a transaction that is the same for all changes.
#[derive(Clone, Debug)]
pub struct ChangeContext {
    /// The change's random name. It tells if the change was made after an unanswered commit, and if a store still has
    /// the change.
    pub operation: OperationId,
    /// The audit events of the change.
    pub events: Events,
    /// The client's name for the request. A repeat fails with [`crate::StoreError::AlreadyDone`].
    pub idempotency_key: Option<IdempotencyKey>,
    /// The hash of the request. A different request with the same idempotency key is an error.
    pub request: RequestHash,
    /// The prefix of the writer's keys. The store's first change stores it. A change with a different prefix is
    /// refused.
    pub prefix: KeyPrefix,
    /// True if the change's new secret was made elsewhere: its locator is always remembered, so that it cannot be added
    /// again after its revocation.
    pub is_offered: bool,
    /// The store that the writer expects, or `None` for any store.
    pub store: Option<StoreId>,
    /// The node in the writer's process. It learns of the change directly and need not acknowledge it in the store.
    pub node: Option<SessionId>,
}

impl ChangeContext {
    /// Returns the context of a change without an idempotency key, for any store, from a process without a node.
    #[must_use]
    pub const fn new(operation: OperationId, events: Events, request: RequestHash, prefix: KeyPrefix) -> Self {
        Self { operation, events, idempotency_key: None, request, prefix, is_offered: false, store: None, node: None }
    }
}

/// A non-empty list of audit events. A change without an audit event does not compile.
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
    /// Adds another event.
    #[must_use]
    pub fn and(mut self, event: EventDraft) -> Self {
        self.others.push(event);
        self
    }

    /// Returns the first event, which names the actor and the time.
    #[must_use]
    pub const fn first(&self) -> &EventDraft {
        &self.first
    }

    /// Returns all events, in the order of writing.
    pub fn iter(&self) -> impl Iterator<Item = &EventDraft> {
        [&self.first].into_iter().chain(&self.others)
    }
}

impl From<EventDraft> for Events {
    fn from(event: EventDraft) -> Self {
        Self { first: event, others: vec![] }
    }
}

impl<'a> OperationRow<'a> {
    /// Returns the row of a change with this context.
    #[must_use]
    pub fn of(context: &'a ChangeContext) -> Self {
        Self {
            operation: context.operation,
            event: context.events.first(),
            idempotency_key: context.idempotency_key.as_ref().map(IdempotencyKey::as_str),
            request: context.request,
        }
    }
}
