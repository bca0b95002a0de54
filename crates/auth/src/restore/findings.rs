use doorward_origin::AllowedOrigin;
use doorward_store::{AccessKey, Operator, Organization, OriginEntry, Passkey, Secret};
use doorward_types::{
    AccessKeyId, ActorName, Environment, Incarnation, Locator, Name, OperatorId, OrganizationId, Timestamp,
};

/// The result of a comparison.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Findings {
    /// The number of events read.
    pub read: u64,
    /// The number of events that the store does not have, each counted once.
    pub missing: u64,
    /// The newest incarnation that an event names.
    pub incarnation: Incarnation,
    /// Keys with a secret that was revoked after the backup, and is active again.
    pub keys: Vec<RevivedKey>,
    /// Operators who were removed after the backup, and are present again.
    pub operators: Vec<RevivedOperator>,
    /// Passkeys that were removed after the backup, and sign in again.
    pub passkeys: Vec<RevivedPasskey>,
    /// Origins that were removed after the backup, and are on a list again.
    pub origins: Vec<RevivedOrigin>,
    /// Organizations that were closed or suspended after the backup, and whose keys work again.
    pub organizations: Vec<RevivedOrganization>,
    /// The records that were made after the backup, and are lost.
    pub gone: Gone,
    /// The reasons why these findings may be incomplete.
    pub uncertain: Vec<Uncertainty>,
}

impl Findings {
    /// Returns true if a key, operator, passkey or origin must be removed again, or an organization closed or suspended again.
    #[must_use]
    pub const fn has_revived(&self) -> bool {
        !(self.keys.is_empty()
            && self.operators.is_empty()
            && self.passkeys.is_empty()
            && self.origins.is_empty()
            && self.organizations.is_empty())
    }
}

/// A key with a secret that was revoked after the backup, and is active again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevivedKey {
    /// The key.
    pub key: AccessKey,
    /// The organization's name.
    pub organization_name: Name,
    /// The secrets that were revoked.
    pub dead: Vec<RevokedSecret>,
    /// All active secrets of the key, the current secret first.
    pub seen: Vec<Locator>,
    /// The change that revokes these secrets again and keeps the others.
    pub remedy: Remedy,
}

/// A secret that was revoked after the backup, and is active again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevokedSecret {
    /// The secret.
    pub secret: Secret,
    /// The time of the revocation, from the event.
    pub died_at: Timestamp,
    /// The actor of the event.
    pub killed_by: ActorName,
}

/// The change that revokes a key's secrets again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remedy {
    /// Delete the test key.
    Delete,
    /// Promote the staged secret, as it was promoted before.
    Promote,
    /// Mint a fresh production secret: every secret of the key was revoked.
    Regenerate,
    /// Withdraw the staged secret.
    Unstage,
}

impl Remedy {
    /// Returns the word for the remedy in JSON documents.
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

/// An operator who was removed after the backup, and is present again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevivedOperator {
    /// The operator.
    pub operator: Operator,
    /// The time of the removal, from the event.
    pub removed_at: Timestamp,
    /// The actor of the event.
    pub removed_by: ActorName,
}

/// A passkey that was removed after the backup, and signs in again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevivedPasskey {
    /// The passkey.
    pub passkey: Passkey,
    /// The operator.
    pub operator: Operator,
    /// The time of the removal, from the event.
    pub removed_at: Timestamp,
    /// The actor of the event.
    pub removed_by: ActorName,
}

/// An origin that was removed after the backup, and is on the list again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevivedOrigin {
    /// The entry.
    pub entry: OriginEntry,
    /// The organization's name.
    pub organization_name: Name,
    /// The time of the removal, from the event.
    pub removed_at: Timestamp,
    /// The actor of the event.
    pub removed_by: ActorName,
}

/// An organization that was closed or suspended after the backup, and whose keys work again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevivedOrganization {
    /// The organization.
    pub organization: Organization,
    /// True if it was closed. False if it was suspended.
    pub was_closed: bool,
    /// The time of the change, from the event.
    pub changed_at: Timestamp,
    /// The actor of the event.
    pub changed_by: ActorName,
}

/// The records that were made after the backup. Their holders are refused.
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
    /// Returns true if no record was made after the backup.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.organizations.is_empty() && self.secrets.is_empty() && self.operators.is_empty() && self.origins.is_empty()
    }
}

/// An organization that was made after the backup.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GoneOrganization {
    /// The id.
    pub id: OrganizationId,
    /// The name.
    pub name: Option<Name>,
    /// The time, from the event.
    pub made_at: Timestamp,
}

/// A secret that was made after the backup.
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
    /// The time, from the event.
    pub made_at: Timestamp,
}

/// An operator who was added after the backup.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GoneOperator {
    /// The operator's id.
    pub id: OperatorId,
    /// The operator's name.
    pub name: Option<Name>,
    /// The time, from the event.
    pub made_at: Timestamp,
}

/// An origin that was allowed after the backup.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GoneOrigin {
    /// The organization.
    pub organization: OrganizationId,
    /// The origin.
    pub origin: AllowedOrigin,
    /// The time, from the event.
    pub made_at: Timestamp,
}

/// A reason why the findings may be incomplete.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum Uncertainty {
    /// An event was changed in its file. It is used nevertheless.
    #[error("event {sequence} of {log} was changed: its hash does not match")]
    Changed {
        /// The log, by the origin of its checkpoints.
        log: String,
        /// The place of the event.
        sequence: u64,
    },
    /// The event before this event is neither in a file nor in the store.
    #[error("{log} has a gap before event {sequence}: the event before it is neither in a file nor in the store")]
    Gap {
        /// The log, by the origin of its checkpoints.
        log: String,
        /// The place of the event after the gap.
        sequence: u64,
    },
    /// No file has an event of a log that the store has.
    #[error("no file has an event of {log}: its changes after the backup are unknown")]
    Untold {
        /// The log, by the origin of its checkpoints.
        log: String,
    },
}
