use doorward_origin::AllowedOrigin;
use doorward_store::{AccessKey, Operator, OriginEntry, Secret};
use doorward_types::{AccessKeyId, Environment, Incarnation, Locator, Name, OperatorId, OrganizationId, Timestamp};

/// The result of a comparison.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Findings {
    /// The number of events that were read.
    pub read: u64,
    /// The number of them that the store does not have, each counted once.
    pub missing: u64,
    /// The newest incarnation that an event names.
    pub incarnation: Incarnation,
    /// Keys with a secret that died since the backup, and is in force.
    pub keys: Vec<RevivedKey>,
    /// Operators who were removed since the backup, and are there.
    pub operators: Vec<RevivedOperator>,
    /// Origins that were taken off a list since the backup, and are on it.
    pub origins: Vec<RevivedOrigin>,
    /// The records that were made since the backup. Nothing can bring them back.
    pub gone: Gone,
    /// The reasons why something may have died of which these findings do not tell.
    pub uncertain: Vec<Uncertainty>,
}

impl Findings {
    /// Returns whether there is something to remove again.
    #[must_use]
    pub const fn has_revived(&self) -> bool {
        !(self.keys.is_empty() && self.operators.is_empty() && self.origins.is_empty())
    }
}

/// A key with a secret that died since the backup, and is in force.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevivedKey {
    /// The key.
    pub key: AccessKey,
    /// Its organization's name.
    pub organization_name: Name,
    /// The secrets that died.
    pub dead: Vec<DeadSecret>,
    /// All secrets of the key that are in force, the current one first.
    pub seen: Vec<Locator>,
    /// The change that kills the dead ones, and spares the others.
    pub remedy: Remedy,
}

/// A secret that died since the backup, and is in force.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadSecret {
    /// The secret.
    pub secret: Secret,
    /// The time of its death, as the event says.
    pub died_at: Timestamp,
    /// The actor of that event.
    pub killed_by: Name,
}

/// The change that kills the dead secrets of a key again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remedy {
    /// Delete the test key.
    Delete,
    /// Promote the staged secret, as it was promoted before.
    Promote,
    /// Mint a fresh production secret: no secret of the key should be in force.
    Regenerate,
    /// Withdraw the staged secret.
    Unstage,
}

impl Remedy {
    /// Returns the word for it in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Promote => "promote",
            Self::Regenerate => "regenerate",
            Self::Unstage => "unstage",
        }
    }
}

/// An operator who was removed since the backup, and is there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevivedOperator {
    /// The operator.
    pub operator: Operator,
    /// The time of the removal, as the event says.
    pub removed_at: Timestamp,
    /// The actor of that event.
    pub removed_by: Name,
}

/// An origin that was taken off a list since the backup, and is on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevivedOrigin {
    /// The entry.
    pub entry: OriginEntry,
    /// Its organization's name.
    pub organization_name: Name,
    /// The time of the removal, as the event says.
    pub removed_at: Timestamp,
    /// The actor of that event.
    pub removed_by: Name,
}

/// The records that were made since the backup. Whoever holds them is refused.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Gone {
    /// Organizations.
    pub organizations: Vec<GoneOrganization>,
    /// Secrets of keys.
    pub secrets: Vec<GoneSecret>,
    /// Operators, whose tokens are refused.
    pub operators: Vec<GoneOperator>,
    /// Allowed origins.
    pub origins: Vec<GoneOrigin>,
}

impl Gone {
    /// Returns whether nothing was made since the backup.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.organizations.is_empty() && self.secrets.is_empty() && self.operators.is_empty() && self.origins.is_empty()
    }
}

/// An organization that was made since the backup.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GoneOrganization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: Option<Name>,
    /// The time, as the event says.
    pub made_at: Timestamp,
}

/// A secret that was made since the backup.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GoneSecret {
    /// The organization.
    pub organization: OrganizationId,
    /// The environment.
    pub environment: Environment,
    /// The key.
    pub key: AccessKeyId,
    /// The key's name.
    pub key_name: Option<Name>,
    /// The secret.
    pub locator: Locator,
    /// The time, as the event says.
    pub made_at: Timestamp,
}

/// An operator who was added since the backup.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GoneOperator {
    /// The operator's id.
    pub id: OperatorId,
    /// The operator's name.
    pub name: Option<Name>,
    /// The time, as the event says.
    pub made_at: Timestamp,
}

/// An origin that was allowed since the backup.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GoneOrigin {
    /// The organization.
    pub organization: OrganizationId,
    /// The origin.
    pub origin: AllowedOrigin,
    /// The time, as the event says.
    pub made_at: Timestamp,
}

/// A reason why something may have died of which the events do not tell.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum Uncertainty {
    /// An event was changed in its file. It counts as it is.
    #[error("event {sequence} of {log} was changed: its hash does not fit")]
    Changed {
        /// The log, by the origin of its checkpoints.
        log: String,
        /// The place of the event.
        sequence: u64,
    },
    /// An event follows another one that neither a file nor the store has.
    #[error("{log} has a gap before event {sequence}: the event before it is neither in a file nor in the store")]
    Gap {
        /// The log, by the origin of its checkpoints.
        log: String,
        /// The place of the event after the gap.
        sequence: u64,
    },
    /// No file has an event of a log that the store has.
    #[error("no file has an event of {log}: what happened there since the backup is not known")]
    Untold {
        /// The log, by the origin of its checkpoints.
        log: String,
    },
}
