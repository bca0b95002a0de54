//! Organizations, keys, their secrets, and allowed origins.

use doorward_key::{Digest, ImportFormat};
use doorward_origin::AllowedOrigin;
use doorward_types::{
    AccessKeyId, ActorName, AllowedOriginId, Environment, ExternalId, Locator, Name, OrganizationId, OrganizationState,
    SecretState, Timestamp,
};

/// An organization: the tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Organization {
    /// The permanent id.
    pub id: OrganizationId,
    /// The name. It is unique among organizations that are not closed, unless a duplicate was asked for.
    pub name: Name,
    /// The time of provisioning.
    pub created_at: Timestamp,
    /// The id of the embedding service, unique and never given to another organization.
    pub external_id: Option<ExternalId>,
    /// The state.
    pub state: OrganizationState,
    /// The time from which the data of a closed organization is erased. `None` if the organization is not closed, or if
    /// its data is gone.
    pub erase_at: Option<Timestamp>,
}

impl Organization {
    /// Returns a new organization: active, without an external id.
    #[must_use]
    pub const fn new(id: OrganizationId, name: Name, created_at: Timestamp) -> Self {
        Self { id, name, created_at, external_id: None, state: OrganizationState::Active, erase_at: None }
    }

    /// Returns true if the keys of the organization are gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == OrganizationState::Closed
    }
}

/// An access key, which lasts through all regenerations. From provisioning on, an organization has exactly one
/// production key, and any number of test keys.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AccessKey {
    /// The permanent id.
    pub id: AccessKeyId,
    /// The organization that owns the key.
    pub organization: OrganizationId,
    /// The environment that the key opens. Only this field decides, not the prefix of a presented key.
    pub environment: Environment,
    /// The name.
    pub name: Name,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The actor that created the key.
    pub created_by: ActorName,
}

impl AccessKey {
    /// Creates the record of a key.
    #[must_use]
    pub const fn new(
        organization: OrganizationId,
        environment: Environment,
        id: AccessKeyId,
        name: Name,
        created_at: Timestamp,
        created_by: ActorName,
    ) -> Self {
        Self { id, organization, environment, name, created_at, created_by }
    }
}

/// An entry of an organization's list of origins that callbacks may go to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OriginEntry {
    /// The permanent id.
    pub id: AllowedOriginId,
    /// The organization of the list.
    pub organization: OrganizationId,
    /// The origin, unique within the list.
    pub origin: AllowedOrigin,
    /// The time when the entry was added.
    pub created_at: Timestamp,
    /// The actor that added the entry.
    pub created_by: ActorName,
}

impl OriginEntry {
    /// Creates an entry.
    #[must_use]
    pub const fn new(
        organization: OrganizationId,
        id: AllowedOriginId,
        origin: AllowedOrigin,
        created_at: Timestamp,
        created_by: ActorName,
    ) -> Self {
        Self { id, organization, origin, created_at, created_by }
    }
}

/// A secret of a key, presented as text by the key's holder. A production key has one current secret and up to one
/// staged secret. A test key has one current secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Secret {
    /// The public part of the text.
    pub locator: Locator,
    /// The digest of the text. The text itself is not stored.
    pub digest: Digest,
    /// The number of the secret within its key, from 1. A number is never used twice.
    pub generation: u32,
    /// The state: current or staged.
    pub state: SecretState,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The format of the text, if another service made the secret. `None` for a text of our own format.
    pub imported: Option<ImportFormat>,
    /// The time of the first report that the secret has leaked.
    pub reported_at: Option<Timestamp>,
    /// The time since which the secret is refused because of a report, until an operator decides.
    pub quarantined_at: Option<Timestamp>,
}

/// The marks of a secret after a report that it has leaked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LeakMarks {
    /// The time of the first report.
    pub reported_at: Option<Timestamp>,
    /// The time since which the secret is refused.
    pub quarantined_at: Option<Timestamp>,
}

impl Secret {
    /// Creates the record of a secret whose text is of our own format.
    #[must_use]
    pub const fn new(
        state: SecretState,
        locator: Locator,
        digest: Digest,
        generation: u32,
        created_at: Timestamp,
    ) -> Self {
        Self { locator, digest, generation, state, created_at, imported: None, reported_at: None, quarantined_at: None }
    }

    /// Returns the marks of reports that the secret has leaked.
    #[must_use]
    pub const fn leak_marks(&self) -> LeakMarks {
        LeakMarks { reported_at: self.reported_at, quarantined_at: self.quarantined_at }
    }
}

/// The words of people about a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyLabel {
    /// The name.
    pub name: Name,
    /// A note, such as the team that uses the key.
    pub note: Option<Name>,
}

/// A key with its active secrets.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AccessKeyWithSecrets {
    /// The key.
    pub key: AccessKey,
    /// The note of people about the key.
    pub note: Option<Name>,
    /// The number of secrets that the key ever had. The next secret's generation is one higher.
    pub generations: u32,
    /// The active secrets, the current secret first.
    pub secrets: Vec<Secret>,
}

impl AccessKeyWithSecrets {
    /// Creates a key with its active secrets, without a note.
    #[must_use]
    pub const fn new(key: AccessKey, generations: u32, secrets: Vec<Secret>) -> Self {
        Self { key, note: None, generations, secrets }
    }

    /// Returns the words of people about the key.
    #[must_use]
    pub fn label(&self) -> KeyLabel {
        KeyLabel { name: self.key.name.clone(), note: self.note.clone() }
    }
}

/// The data of one active secret in a node's memory.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ActiveSecret {
    /// The secret.
    pub secret: Secret,
    /// The secret's key.
    pub key: AccessKey,
    /// The name of the key's organization.
    pub organization_name: Name,
    /// The state of the key's organization.
    pub organization_state: OrganizationState,
}

impl ActiveSecret {
    /// Creates the data of an active secret of an organization that is active.
    #[must_use]
    pub const fn new(secret: Secret, key: AccessKey, organization_name: Name) -> Self {
        Self { secret, key, organization_name, organization_state: OrganizationState::Active }
    }

    /// Returns the reason to refuse the secret although it is active. The organization's reason comes first.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        if self.organization_state != OrganizationState::Active {
            return Some(Hold::Suspended);
        }
        self.secret.quarantined_at.map(|_| Hold::Quarantined)
    }
}

/// A reason to refuse an active secret for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Hold {
    /// The secret was reported as leaked, and waits for an operator.
    Quarantined,
    /// The organization is suspended, or in another state in which its keys are refused.
    Suspended,
}
