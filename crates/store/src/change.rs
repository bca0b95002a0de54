use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use doorward_audit::EventDraft;
use doorward_key::KeyPrefix;
use doorward_types::{AccessKeyId, AllowedOriginId, Environment, Locator, LocatorError, OrganizationId, SessionId};

use crate::{
    AccessKey, IdempotencyKey, OperationId, OperationRow, Organization, OriginEntry, RequestHash, Revision, Secret,
    StoreId,
};

/// A change to what nodes hold in memory, and what must be true for it.
///
/// The core decides what should happen and names the secrets that it saw. An engine takes the lock of changes, reads
/// [`crate::Facts`], and asks [`Change::plan`]. That returns the rows to write, or refuses with [`crate::Conflict::Stale`] if a named
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
        /// Refuse with [`crate::Conflict::NotEmpty`] if there is an organization already.
        only_if_empty: bool,
    },
    /// Adds a test key to an organization.
    Create {
        /// The key.
        key: AccessKey,
        /// The key's first secret.
        secret: Secret,
    },
    /// Adds a staged secret; refused with [`crate::Conflict::AlreadyStaged`] if there is one.
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
        /// The secrets that die: the current one, and the staged one if it is discarded.
        retired: Vec<Locator>,
        /// The secret that takes the place.
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
    /// [`crate::Conflict::ListFull`] if the list has [`AllowList::MAX_ENTRIES`](doorward_origin::AllowList::MAX_ENTRIES).
    AllowOrigin {
        /// The entry.
        entry: OriginEntry,
    },
    /// Takes an origin off an organization's list.
    DisallowOrigin {
        /// The organization of the list.
        organization: OrganizationId,
        /// The entry.
        id: AllowedOriginId,
    },
}

/// The secret that takes a dead secret's place.
#[derive(Clone, Debug)]
pub enum Successor {
    /// The secret that was staged.
    Promote(Locator),
    /// A fresh one.
    Fresh(Secret),
}

/// The place of a key, in the order of the columns by which every engine sorts keys.
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

    /// Returns everything that is another after this change: each node must hear of it.
    #[must_use]
    pub fn touched(&self) -> Vec<Touched> {
        match self {
            Self::AllowOrigin { entry } => vec![Touched::Origins(entry.organization)],
            Self::DisallowOrigin { organization, .. } => vec![Touched::Origins(*organization)],
            _ => self.locators().into_iter().map(Touched::Secret).collect(),
        }
    }

    /// Returns every secret that lives or dies by this change.
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

/// A thing that a change touched, as the change log names it.
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

/// The part of a change that goes into its transaction whatever the change is.
#[derive(Clone, Debug)]
pub struct ChangeContext {
    /// Drawn for this change alone: tells whether the change happened if its commit was not answered, and whether a store
    /// still has it.
    pub operation: OperationId,
    /// The events that the audit log will tell of it.
    pub events: Events,
    /// Refuse, with [`crate::StoreError::AlreadyDone`], a change that was asked for under this key before.
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
    /// Adds another event.
    #[must_use]
    pub fn and(mut self, event: EventDraft) -> Self {
        self.others.push(event);
        self
    }

    /// Returns the first event, which says who asked and when.
    #[must_use]
    pub const fn first(&self) -> &EventDraft {
        &self.first
    }

    /// Returns all events, in the order in which they are written.
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
