use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use doorward_audit::EventDraft;
use doorward_types::{AccessKeyId, AllowedOriginId, Environment, Locator, LocatorError, OrganizationId, SessionId};

use crate::{AccessKey, Organization, OriginEntry, Secret};

/// A change to what nodes hold in memory, as rows to write and what must be true for it.
///
/// The core decides what should happen and names the secrets that it saw; the engine carries it out whole, or refuses
/// with [`crate::Conflict::Stale`] where one of them is no longer there. Engines decide nothing.
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
    /// Adds an origin to an organization's list; refused with [`crate::Conflict::Duplicate`] where it is there.
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

/// Names a key in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyRef {
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// The key.
    pub id: AccessKeyId,
}

impl Change {
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
    /// Drawn for this change alone: tells whether it happened where a commit was not answered, and whether a store still
    /// has it.
    pub operation: OperationId,
    /// What the audit log will tell of it.
    pub events: Events,
    /// Refuse, with [`crate::StoreError::AlreadyDone`], what was asked for under this key before.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The node that shares the writer's process. It hears of the change directly, and need not acknowledge it here.
    pub node: Option<SessionId>,
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

/// Names one change, for ever: 128 random bits, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OperationId(u128);

impl OperationId {
    /// The operation with these bits, which are to be random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for OperationId {
    type Err = ParseIntError;

    /// Of no text, the nil operation: what engines hold of changes that were made before operations were noted.
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        if text.is_empty() { Ok(Self::default()) } else { u128::from_str_radix(text, 16).map(Self) }
    }
}

/// How long an idempotency key is remembered: as long as clients retry, and as others in the field do.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_hours(24);

/// What a client calls one request, so that a repeat changes nothing (the `Idempotency-Key` header).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The most characters in a key.
    pub const MAX_LENGTH: usize = 128;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, IdempotencyKeyError> {
        if (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdempotencyKeyError)
        }
    }
}

/// The text is no idempotency key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an idempotency key is 1 to 128 visible ASCII characters")]
pub struct IdempotencyKeyError;
