use std::time::Duration;

use doorward_key::Digest;
use doorward_origin::AllowedOrigin;
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, Locator, Name, OperatorId, OrganizationId, SecretState, Timestamp,
};

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
