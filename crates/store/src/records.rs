use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use doorward_key::Digest;
use doorward_origin::AllowedOrigin;
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, Locator, Name, OperatorId, OrganizationId, RegisteredUserId,
    SecretState, Timestamp,
};

use crate::Sealed;

/// The tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Organization {
    /// Names it for ever.
    pub id: OrganizationId,
    /// What people call it. Not unique.
    pub name: Name,
    /// When it was provisioned.
    pub created_at: Timestamp,
}

/// An access key: what lasts through all regenerations. An organization has exactly one for production, from
/// provisioning on, and any number for test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessKey {
    /// Names it for ever.
    pub id: AccessKeyId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Which world it opens. This decides, not the prefix of what is presented.
    pub environment: Environment,
    /// What people call it.
    pub name: Name,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Name,
}

/// An entry of an organization's list of origins that callbacks may go to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginEntry {
    /// Names it for ever.
    pub id: AllowedOriginId,
    /// Whose list it is on.
    pub organization: OrganizationId,
    /// The origin. No list has it twice.
    pub origin: AllowedOrigin,
    /// When it was added.
    pub created_at: Timestamp,
    /// Who added it.
    pub created_by: Name,
}

/// What a key's holder presents. A production key has one current secret and at most one staged, a test key one current.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Secret {
    /// The public part of its text.
    pub locator: Locator,
    /// All that is stored of its text.
    pub digest: Digest,
    /// Counts the secrets of its key, from 1; never used twice.
    pub generation: u32,
    /// Whether it is current or staged.
    pub state: SecretState,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key with the secrets that work, the current one first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessKeyWithSecrets {
    /// The key.
    pub key: AccessKey,
    /// How many secrets it ever had; the next one's generation is one more.
    pub generations: u32,
    /// Those that work.
    pub secrets: Vec<Secret>,
}

/// How often one secret was used. Nodes count in memory and write from time to time, so that this lags by some seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SecretUsage {
    /// The secret.
    pub locator: Locator,
    /// When it was last used.
    pub last_used_at: Timestamp,
    /// How often in the last hour: in the last six spans of [`USAGE_SPAN`] and the one that is under way.
    pub uses_last_hour: u64,
}

/// How often one secret was used in one span of [`USAGE_SPAN`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SpanUses {
    /// The secret.
    pub locator: Locator,
    /// Which span, as [`SecretUsage::span`] numbers them.
    pub span: i64,
    /// How often.
    pub uses: u64,
}

/// How finely uses are counted over time.
pub const USAGE_SPAN: Duration = Duration::from_mins(10);

/// How long the counts of a span are kept.
pub const USAGE_KEPT: Duration = Duration::from_hours(24);

impl SecretUsage {
    /// The span that a moment belongs to, by its number since the epoch.
    #[must_use]
    pub const fn span(at: Timestamp) -> i64 {
        at.as_millis().div_euclid(USAGE_SPAN.as_millis() as i64)
    }

    /// The first span that counts for the last hour.
    #[must_use]
    pub const fn hour_before(now: Timestamp) -> i64 {
        Self::span(now) - 6
    }

    /// The first span that is kept.
    #[must_use]
    pub const fn oldest_kept(now: Timestamp) -> i64 {
        Self::span(now) - (USAGE_KEPT.as_secs() / USAGE_SPAN.as_secs()) as i64
    }
}

/// All that a node keeps in memory of one secret that works.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LiveSecret {
    /// The secret.
    pub secret: Secret,
    /// Its key.
    pub key: AccessKey,
    /// Its organization's name.
    pub organization_name: Name,
}

/// Who may use the management side; its name is the actor of audit events.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operator {
    /// Names it for ever.
    pub id: OperatorId,
    /// Unique.
    pub name: Name,
    /// The public part of its token.
    pub locator: Locator,
    /// All that is stored of its token.
    pub digest: Digest,
    /// When it was added.
    pub created_at: Timestamp,
    /// The identity provider's way to sign the operator in, if there is one.
    pub provider: ProviderAccess,
}

/// The ways of an identity provider to sign an operator in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ProviderAccess {
    /// It cannot: the operator is a local one, whatever names a provider gives.
    #[default]
    Local,
    /// It can, and whom it calls by the operator's name first, is the operator from then on.
    Expected,
    /// It can, if it names this identity.
    Bound(ProviderIdentity),
}

/// A person, as an identity provider tells people apart: no subject is ever given to someone else (OpenID Connect Core 1.0,
/// section 5.7). Names and addresses are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderIdentity {
    /// The provider.
    pub issuer: String,
    /// The person.
    pub subject: String,
}

/// A record of one environment, kept in a [`crate::Table`].
pub trait Record: Clone + Send + Sync + 'static {
    /// What names a record within its scope.
    type Key: Clone + Send + Sync;

    /// This record's key.
    fn key(&self) -> Self::Key;
}

/// A user of the organization's own product, as one environment knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegisteredUser {
    /// Names it for ever.
    pub id: RegisteredUserId,
    /// What the organization calls it; unique within the environment.
    pub origin_user_id: Name,
    /// What people call it.
    pub origin_user_name: Option<Name>,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Record for RegisteredUser {
    type Key = RegisteredUserId;

    fn key(&self) -> RegisteredUserId {
        self.id
    }
}

/// A secret that a registered user entrusted, sealed: plaintext cannot be stored, since nothing takes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credential {
    /// Whose it is. It goes when the user goes.
    pub registered_user: RegisteredUserId,
    /// What it opens.
    pub connector: ConnectorName,
    /// The secret.
    pub sealed: Sealed,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last put.
    pub updated_at: Timestamp,
}

/// Names a credential within its scope.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CredentialKey {
    /// Whose it is.
    pub registered_user: RegisteredUserId,
    /// What it opens.
    pub connector: ConnectorName,
}

impl fmt::Display for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registered_user, self.connector)
    }
}

impl Record for Credential {
    type Key = CredentialKey;

    fn key(&self) -> CredentialKey {
        CredentialKey { registered_user: self.registered_user, connector: self.connector.clone() }
    }
}

/// How one environment reaches a third party that users link accounts of: the OAuth application, sealed whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connector {
    /// Names it within its environment.
    pub name: ConnectorName,
    /// Its settings, the client's secret among them.
    pub sealed: Sealed,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last put.
    pub updated_at: Timestamp,
}

impl Connector {
    /// Returns the record that the settings of the connector with this name are sealed for.
    #[must_use]
    pub fn record(name: &ConnectorName) -> String {
        format!("connector/{name}")
    }
}

impl Record for Connector {
    type Key = ConnectorName;

    fn key(&self) -> ConnectorName {
        self.name.clone()
    }
}

/// Names what a credential opens, such as `github`: it stands in paths.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectorName(String);

impl ConnectorName {
    /// The most characters in a name.
    pub const MAX_LENGTH: usize = 64;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConnectorName {
    type Err = ConnectorNameError;

    fn from_str(text: &str) -> Result<Self, ConnectorNameError> {
        let reads_well = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
        if starts_well && reads_well && text.len() <= Self::MAX_LENGTH {
            Ok(Self(text.to_owned()))
        } else {
            Err(ConnectorNameError)
        }
    }
}

impl fmt::Display for ConnectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text names no connector.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a connector's name is 1 to 64 of a-z, 0-9, - and _, and begins with a letter or digit")]
pub struct ConnectorNameError;
