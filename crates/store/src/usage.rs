use std::time::Duration;

use async_trait::async_trait;
use doorward_types::{AccessKeyId, Locator, OrganizationId, Timestamp};

use crate::StoreError;

/// The counts of uses of secrets. Nodes count in memory and add the counts here from time to time.
#[async_trait]
pub trait UsageLog: Send + Sync {
    /// Adds uses that were counted up to about this time. Revoked secrets are skipped.
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError>;

    /// Returns the counts of an organization's secrets in each span, by secret and then by time. Counts are kept for
    /// [`USAGE_RETENTION`].
    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<UsageBucket>, StoreError>;

    /// Returns [`UsageLog::usage`], and the counts in each span of the secrets of `key`, by secret and then by time.
    ///
    /// The default reads each, and the spans of all secrets.
    async fn usage_with_spans(
        &self,
        organization: OrganizationId,
        key: AccessKeyId,
        now: Timestamp,
    ) -> Result<(Vec<SecretUsage>, Vec<UsageBucket>), StoreError> {
        let _ = key;
        Ok((self.usage(organization, now).await?, self.recent_uses(organization, now).await?))
    }

    /// Returns the usage of every secret of an organization that was ever used.
    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError>;
}

/// The usage of one secret. Nodes count in memory and write from time to time, so this lags by some seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SecretUsage {
    /// The secret.
    pub locator: Locator,
    /// The time of the last use.
    pub last_used_at: Timestamp,
    /// The count of uses in the last hour: in the current span of [`USAGE_BUCKET`] and the six spans before.
    pub uses_last_hour: u64,
}

/// The count of uses of one secret in one span of [`USAGE_BUCKET`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct UsageBucket {
    /// The secret.
    pub locator: Locator,
    /// The number of the span, from [`SecretUsage::span`].
    pub span: i64,
    /// The count of uses.
    pub uses: u64,
}

impl UsageBucket {
    /// Creates the count of a span.
    #[must_use]
    pub const fn new(locator: Locator, span: i64, uses: u64) -> Self {
        Self { locator, span, uses }
    }
}

/// The length of a span, over which uses are counted.
pub const USAGE_BUCKET: Duration = Duration::from_mins(10);

/// The time for which a span's counts are kept.
pub const USAGE_RETENTION: Duration = Duration::from_hours(24);

impl SecretUsage {
    /// Creates the usage of a secret.
    #[must_use]
    pub const fn new(locator: Locator, last_used_at: Timestamp, uses_last_hour: u64) -> Self {
        Self { locator, last_used_at, uses_last_hour }
    }

    /// Returns the number of a time's span since the epoch.
    #[must_use]
    pub const fn span(at: Timestamp) -> i64 {
        at.as_millis().div_euclid(USAGE_BUCKET.as_millis() as i64)
    }

    /// Returns the first span of the last hour.
    #[must_use]
    pub const fn hour_before(now: Timestamp) -> i64 {
        Self::span(now) - 6
    }

    /// Returns the first span that is kept.
    #[must_use]
    pub const fn oldest_kept(now: Timestamp) -> i64 {
        Self::span(now) - (USAGE_RETENTION.as_secs() / USAGE_BUCKET.as_secs()) as i64
    }
}
