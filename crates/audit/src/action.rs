use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// What was done, by the name that others rely on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
#[non_exhaustive]
pub enum Action {
    /// A key was made: a test key, or the production key of a new organization.
    AccessKeyCreated,
    /// A test key was deleted.
    AccessKeyDeleted,
    /// The current production secret died, and another took its place.
    AccessKeyRegenerated,
    /// The next production secret was handed out.
    AccessKeyStaged,
    /// A staged secret was withdrawn.
    AccessKeyStageDiscarded,
    /// An origin was put on the list of those that callbacks may go to.
    AllowedOriginAdded,
    /// An origin was taken off that list.
    AllowedOriginRemoved,
    /// The log was exported.
    AuditLogExported,
    /// The beginning of the log was cut off, under a signed statement.
    AuditLogPruned,
    /// The statement for pruned events was signed again, by another key or in a newer form.
    AuditLogResigned,
    /// A connector was put into an environment, or another in its place.
    ConnectorPut,
    /// A connector was taken out of an environment.
    ConnectorRemoved,
    /// A credential of a registered user was put, or another in its place.
    CredentialPut,
    /// A credential of a registered user was removed.
    CredentialRemoved,
    /// An operator answered for changes that the store had lost.
    LostChangeAccepted,
    /// An operator who signs in through an identity provider did so for the first time, and is this identity from then on.
    OperatorBound,
    /// An operator was added.
    OperatorCreated,
    /// An operator was removed.
    OperatorDeleted,
    /// A link was made by which an operator can sign in.
    OperatorLinkMinted,
    /// An operator signed in to the page.
    OperatorSignedIn,
    /// An operator signed out, or all sessions and links of an operator were ended.
    OperatorSignedOut,
    /// An organization was provisioned.
    OrganizationCreated,
    /// A registered user was deleted, with all credentials.
    RegisteredUserDeleted,
    /// Another key seals what is sealed at rest.
    SealingKeyRotated,
    /// An operator said that the store was restored from a backup.
    StoreRestored,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 25] = [
        Self::AccessKeyCreated,
        Self::AccessKeyDeleted,
        Self::AccessKeyRegenerated,
        Self::AccessKeyStaged,
        Self::AccessKeyStageDiscarded,
        Self::AllowedOriginAdded,
        Self::AllowedOriginRemoved,
        Self::AuditLogExported,
        Self::AuditLogPruned,
        Self::AuditLogResigned,
        Self::ConnectorPut,
        Self::ConnectorRemoved,
        Self::CredentialPut,
        Self::CredentialRemoved,
        Self::LostChangeAccepted,
        Self::OperatorBound,
        Self::OperatorCreated,
        Self::OperatorDeleted,
        Self::OperatorLinkMinted,
        Self::OperatorSignedIn,
        Self::OperatorSignedOut,
        Self::OrganizationCreated,
        Self::RegisteredUserDeleted,
        Self::SealingKeyRotated,
        Self::StoreRestored,
    ];

    /// The name in logs and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessKeyCreated => "access_key.created",
            Self::AccessKeyDeleted => "access_key.deleted",
            Self::AccessKeyRegenerated => "access_key.regenerated",
            Self::AccessKeyStaged => "access_key.staged",
            Self::AccessKeyStageDiscarded => "access_key.stage_discarded",
            Self::AllowedOriginAdded => "allowed_origin.added",
            Self::AllowedOriginRemoved => "allowed_origin.removed",
            Self::AuditLogExported => "audit_log.exported",
            Self::AuditLogPruned => "audit_log.pruned",
            Self::AuditLogResigned => "audit_log.resigned",
            Self::ConnectorPut => "connector.put",
            Self::ConnectorRemoved => "connector.removed",
            Self::CredentialPut => "credential.put",
            Self::CredentialRemoved => "credential.removed",
            Self::LostChangeAccepted => "lost_change.accepted",
            Self::OperatorBound => "operator.bound",
            Self::OperatorCreated => "operator.created",
            Self::OperatorDeleted => "operator.deleted",
            Self::OperatorLinkMinted => "operator.link_minted",
            Self::OperatorSignedIn => "operator.signed_in",
            Self::OperatorSignedOut => "operator.signed_out",
            Self::OrganizationCreated => "organization.created",
            Self::RegisteredUserDeleted => "registered_user.deleted",
            Self::SealingKeyRotated => "sealing_key.rotated",
            Self::StoreRestored => "store.restored",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or(UnknownAction)
    }
}

impl TryFrom<String> for Action {
    type Error = UnknownAction;

    fn try_from(text: String) -> Result<Self, UnknownAction> {
        text.parse()
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The text names no action.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such audit action")]
pub struct UnknownAction;
