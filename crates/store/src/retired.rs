use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use doorward_key::Digest;
use doorward_types::{AccessKeyId, Environment, Locator, OrganizationId, SecretState, Timestamp};

use crate::StoreError;

/// The time for which a revoked secret is remembered.
pub const RETIRED_RETENTION: Duration = Duration::from_hours(30 * 24);

/// A secret that was revoked: regenerated, withdrawn, or deleted with its key. The record decides nothing: a revoked key is
/// refused like an unknown key. It tells people who still sends the key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RetiredSecret {
    /// The organization of the secret's key.
    pub organization: OrganizationId,
    /// The environment of the secret's key.
    pub environment: Environment,
    /// The public part of the text.
    pub locator: Locator,
    /// The digest of the text.
    pub digest: Digest,
    /// The secret's key, which may be gone.
    pub access_key: AccessKeyId,
    /// The number of the secret within its key.
    pub generation: u32,
    /// The state before the revocation: current or staged.
    pub state: SecretState,
    /// The time of the revocation, by the writer's clock.
    pub retired_at: Timestamp,
    /// The number of calls that were refused since, as far as a node has written them.
    pub refused: u64,
    /// The time of the last refused call.
    pub last_refused_at: Option<Timestamp>,
    /// The address that sent the last refused call, if it is known.
    pub last_refused_from: Option<IpAddr>,
}

impl RetiredSecret {
    /// Returns a secret that was just revoked.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "an engine reads them from the columns of a row")]
    pub const fn new(
        organization: OrganizationId,
        environment: Environment,
        locator: Locator,
        digest: Digest,
        access_key: AccessKeyId,
        generation: u32,
        state: SecretState,
        retired_at: Timestamp,
    ) -> Self {
        Self {
            organization,
            environment,
            locator,
            digest,
            access_key,
            generation,
            state,
            retired_at,
            refused: 0,
            last_refused_at: None,
            last_refused_from: None,
        }
    }

    /// Adds refused calls with this secret.
    pub fn add(&mut self, refusals: &Refusals) {
        self.refused += u64::from(refusals.calls);
        if self.last_refused_at <= Some(refusals.last_at) {
            (self.last_refused_at, self.last_refused_from) = (Some(refusals.last_at), refusals.last_from);
        }
    }
}

/// The calls with a revoked secret that a node has refused since it last wrote them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusals {
    /// The secret.
    pub locator: Locator,
    /// The number of calls.
    pub calls: u32,
    /// The time of the last call.
    pub last_at: Timestamp,
    /// The address that sent the last call, if it is known.
    pub last_from: Option<IpAddr>,
}

/// The secrets that were revoked in the last [`RETIRED_RETENTION`].
#[async_trait]
pub trait RetiredSecrets: Send + Sync {
    /// Returns up to `limit` secrets, those that were revoked last first.
    async fn newest_retired(&self, limit: u32) -> Result<Vec<RetiredSecret>, StoreError>;

    /// Returns up to `limit` secrets of an organization, those that were revoked last first.
    async fn retired_of(&self, organization: OrganizationId, limit: u32) -> Result<Vec<RetiredSecret>, StoreError>;

    /// Returns the secret with this locator.
    async fn retired(&self, locator: Locator) -> Result<Option<RetiredSecret>, StoreError>;

    /// Adds refused calls to the secrets' counts. Secrets that are no longer remembered are skipped.
    async fn add_refusals(&self, refusals: &[Refusals]) -> Result<(), StoreError>;
}
