use doorward_types::{as_text, words};

/// The kind of an audited change. The text names are stable.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Action {
    /// A key was created: a test key, or the production key of a new organization.
    AccessKeyCreated,
    /// A test key was deleted.
    AccessKeyDeleted,
    /// A key that another service made was taken over, or became the next production secret.
    AccessKeyImported,
    /// The current production secret was replaced, and no longer works.
    AccessKeyRegenerated,
    /// A key that was in quarantine after a report works again.
    AccessKeyReleased,
    /// The name or the note of a key was changed.
    AccessKeyRenamed,
    /// A key was reported as leaked, by an operator or from outside. The secrets after the change are those that still work.
    AccessKeyReportedLeaked,
    /// The next production secret was handed out.
    AccessKeyStaged,
    /// A staged secret was withdrawn.
    AccessKeyStageDiscarded,
    /// An origin was added to the allowed callback origins.
    AllowedOriginAdded,
    /// An origin was removed from the allowed callback origins.
    AllowedOriginRemoved,
    /// The log was exported.
    AuditLogExported,
    /// The beginning of the log was cut off, with a signed statement.
    AuditLogPruned,
    /// The statement about pruned events was signed again, by another key or in a newer form.
    AuditLogResigned,
    /// A connector was created or replaced.
    ConnectorPut,
    /// A connector was removed.
    ConnectorRemoved,
    /// A registered user's credential was created or replaced.
    CredentialPut,
    /// A registered user's credential was removed.
    CredentialRemoved,
    /// An operator accepted the loss of changes.
    LostChangeAccepted,
    /// An operator signed in through an identity provider for the first time, and is bound to that identity from then on.
    OperatorBound,
    /// An operator was added.
    OperatorCreated,
    /// An operator was removed.
    OperatorDeleted,
    /// A sign-in link was created for an operator.
    OperatorLinkMinted,
    /// An operator added a passkey.
    OperatorPasskeyAdded,
    /// An operator removed one of the operator's passkeys.
    OperatorPasskeyRemoved,
    /// An operator signed in to the dashboard.
    OperatorSignedIn,
    /// An operator signed out, or all of an operator's sessions and links were ended.
    OperatorSignedOut,
    /// An organization was closed: its keys are gone.
    OrganizationClosed,
    /// An organization was provisioned.
    OrganizationCreated,
    /// The name or the external id of an organization was changed.
    OrganizationRenamed,
    /// An organization was resumed: its keys work again.
    OrganizationResumed,
    /// An organization was suspended: its keys are refused.
    OrganizationSuspended,
    /// A registered user was deleted, with all credentials.
    RegisteredUserDeleted,
    /// The key that seals data at rest was replaced.
    SealingKeyRotated,
    /// An operator declared that the store was restored from a backup.
    StoreRestored,
}

words! {
    Action, "unknown audit action":
    AccessKeyCreated = "access_key.created",
    AccessKeyDeleted = "access_key.deleted",
    AccessKeyImported = "access_key.imported",
    AccessKeyRegenerated = "access_key.regenerated",
    AccessKeyReleased = "access_key.released",
    AccessKeyRenamed = "access_key.renamed",
    AccessKeyReportedLeaked = "access_key.reported_leaked",
    AccessKeyStaged = "access_key.staged",
    AccessKeyStageDiscarded = "access_key.stage_discarded",
    AllowedOriginAdded = "allowed_origin.added",
    AllowedOriginRemoved = "allowed_origin.removed",
    AuditLogExported = "audit_log.exported",
    AuditLogPruned = "audit_log.pruned",
    AuditLogResigned = "audit_log.resigned",
    ConnectorPut = "connector.put",
    ConnectorRemoved = "connector.removed",
    CredentialPut = "credential.put",
    CredentialRemoved = "credential.removed",
    LostChangeAccepted = "lost_change.accepted",
    OperatorBound = "operator.bound",
    OperatorCreated = "operator.created",
    OperatorDeleted = "operator.deleted",
    OperatorLinkMinted = "operator.link_minted",
    OperatorPasskeyAdded = "operator.passkey_added",
    OperatorPasskeyRemoved = "operator.passkey_removed",
    OperatorSignedIn = "operator.signed_in",
    OperatorSignedOut = "operator.signed_out",
    OrganizationClosed = "organization.closed",
    OrganizationCreated = "organization.created",
    OrganizationRenamed = "organization.renamed",
    OrganizationResumed = "organization.resumed",
    OrganizationSuspended = "organization.suspended",
    RegisteredUserDeleted = "registered_user.deleted",
    SealingKeyRotated = "sealing_key.rotated",
    StoreRestored = "store.restored",
}

as_text!(Action);
