//! Recently revoked secrets, so that the owner of a key that is still sent can be warned.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use doorward_key::Digest;
use doorward_store::{ActiveSecret, Refusals, RetiredSecret};
use doorward_types::{AccessKeyId, Environment, Locator, OrganizationId, Timestamp};

/// The maximum number of remembered secrets: two megabytes.
pub(crate) const MAX_REMEMBERED: u32 = 10_000;

/// The secrets that were revoked lately, also before this node ran. They decide nothing: a revoked key is refused like an unknown
/// key.
#[derive(Debug, Default)]
pub(crate) struct RevokedKeys(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_locator: HashMap<Locator, (Digest, RevokedKey)>,
    oldest_first: VecDeque<Locator>,
    /// The refused calls that the store does not have yet.
    refusals: HashMap<Locator, Refusals>,
}

impl RevokedKeys {
    /// Remembers a secret that was active in this node until now.
    pub(crate) fn remember(&self, active: &ActiveSecret, revoked_at: Timestamp) {
        let ActiveSecret { secret, key, .. } = active;
        let revoked = RevokedKey {
            organization: key.organization,
            environment: key.environment,
            key: key.id,
            locator: secret.locator,
            revoked_at,
        };
        self.remembered().add(secret.digest, revoked);
    }

    /// Remembers a secret that the store remembers.
    pub(crate) fn remember_retired(&self, retired: &RetiredSecret) {
        let RetiredSecret { locator, digest, organization, environment, access_key, retired_at, .. } = *retired;
        let revoked = RevokedKey { organization, environment, key: access_key, locator, revoked_at: retired_at };
        self.remembered().add(digest, revoked);
    }

    /// Finds the revoked secret by its digest; a matching locator alone is not enough.
    pub(crate) fn find(&self, locator: Locator, digest: Digest) -> Option<RevokedKey> {
        let remembered = self.remembered();
        let (known, revoked) = remembered.by_locator.get(&locator)?;
        (*known == digest).then_some(*revoked)
    }

    /// Returns true if a production secret of the organization was revoked at this time or later.
    pub(crate) fn has_production_since(&self, organization: OrganizationId, since: Timestamp) -> bool {
        let remembered = self.remembered();
        let mut revoked = remembered.by_locator.values().map(|(_, revoked)| revoked);
        revoked.any(|revoked| {
            revoked.organization == organization
                && revoked.environment == Environment::Production
                && revoked.revoked_at >= since
        })
    }

    /// Counts a refused call with a revoked secret.
    pub(crate) fn count_refusal(&self, locator: Locator, at: Timestamp, from: Option<IpAddr>) {
        self.remembered().count(Refusals { locator, calls: 1, last_at: at, last_from: from });
    }

    /// Returns the refused calls with these secrets that the store does not have yet.
    pub(crate) fn refusals(&self) -> Vec<Refusals> {
        self.remembered().refusals.values().copied().collect()
    }

    /// Takes the refused calls that the store does not have yet.
    pub(crate) fn take_refusals(&self) -> Vec<Refusals> {
        std::mem::take(&mut self.remembered().refusals).into_values().collect()
    }

    /// Counts refused calls again that could not be written.
    pub(crate) fn restore_refusals(&self, refusals: &[Refusals]) {
        let mut remembered = self.remembered();
        refusals.iter().for_each(|refused| remembered.count(*refused));
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn add(&mut self, digest: Digest, revoked: RevokedKey) {
        let locator = revoked.locator;
        if self.by_locator.insert(locator, (digest, revoked)).is_none() {
            self.oldest_first.push_back(locator);
        }
        if self.oldest_first.len() > MAX_REMEMBERED as usize
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_locator.remove(&oldest);
            self.refusals.remove(&oldest);
        }
    }

    fn count(&mut self, refused: Refusals) {
        let known = self.refusals.entry(refused.locator).or_insert(Refusals { calls: 0, ..refused });
        known.calls = known.calls.saturating_add(refused.calls);
        if known.last_at <= refused.last_at {
            (known.last_at, known.last_from) = (refused.last_at, refused.last_from);
        }
    }
}

/// A secret that this node knows, active or revoked, with its key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KnownKey {
    /// The organization of the key.
    pub organization: OrganizationId,
    /// The environment of the key.
    pub environment: Environment,
    /// The key.
    pub key: AccessKeyId,
    /// The public part of the secret.
    pub locator: Locator,
}

impl KnownKey {
    /// Creates the facts about a secret and its key.
    #[must_use]
    pub const fn new(
        organization: OrganizationId,
        environment: Environment,
        key: AccessKeyId,
        locator: Locator,
    ) -> Self {
        Self { organization, environment, key, locator }
    }
}

impl From<&ActiveSecret> for KnownKey {
    fn from(live: &ActiveSecret) -> Self {
        let ActiveSecret { secret, key, .. } = live;
        Self { organization: key.organization, environment: key.environment, key: key.id, locator: secret.locator }
    }
}

impl From<RevokedKey> for KnownKey {
    fn from(revoked: RevokedKey) -> Self {
        let RevokedKey { organization, environment, key, locator, .. } = revoked;
        Self { organization, environment, key, locator }
    }
}

/// A key that was presented after its revocation. It was deleted or regenerated, or its staged secret was withdrawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RevokedKey {
    /// The organization of the key.
    pub organization: OrganizationId,
    /// The environment of the key.
    pub environment: Environment,
    /// The key. It still exists if only its secret was regenerated.
    pub key: AccessKeyId,
    /// The secret.
    pub locator: Locator,
    /// The time of the revocation, or the time at which this node learned of it.
    pub revoked_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use doorward_key::{FreshKey, KeyPrefix, PresentedKey, SystemRandom};
    use doorward_store::{AccessKey, Secret};
    use doorward_types::{IdSeed, SecretState, altered};

    use super::*;

    fn fresh() -> FreshKey {
        FreshKey::generate(&KeyPrefix::default(), Environment::Test, &SystemRandom).unwrap()
    }

    fn active(key: &FreshKey) -> ActiveSecret {
        let now = Timestamp::from_millis(1);
        let seed = IdSeed::new(now, [1; 10]);
        let secret = Secret::new(SecretState::Current, key.locator(), key.digest(), 1, now);
        let key = AccessKey::new(
            OrganizationId::new(seed),
            Environment::Test,
            AccessKeyId::new(seed),
            "ci".parse().unwrap(),
            now,
            "ada".parse().unwrap(),
        );
        ActiveSecret::new(secret, key, "Acme".parse().unwrap())
    }

    fn find(dead: &RevokedKeys, key: FreshKey) -> Option<Timestamp> {
        let value = key.into_value();
        let presented = PresentedKey::parse(&KeyPrefix::default(), value.expose().as_bytes()).unwrap();
        dead.find(presented.locator(), presented.digest()).map(|found| found.revoked_at)
    }

    #[test]
    fn a_dead_key_is_known_by_its_digest_and_not_by_its_locator() {
        let (dead, key, guessed) = (RevokedKeys::default(), fresh(), fresh());
        let revoked_at = Timestamp::from_millis(7);
        dead.remember(&active(&key), revoked_at);
        let mut other = active(&guessed);
        other.secret.digest = key.digest();
        dead.remember(&other, revoked_at);
        assert_eq!(find(&dead, key), Some(revoked_at));
        assert_eq!(find(&dead, guessed), None);
        assert_eq!(find(&dead, fresh()), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (dead, first) = (RevokedKeys::default(), fresh());
        let now = Timestamp::from_millis(7);
        dead.remember(&active(&first), now);
        let (mut last, template) = (fresh(), active(&first));
        for _ in 0..MAX_REMEMBERED {
            last = fresh();
            let secret = altered!(template.secret, locator: last.locator(), digest: last.digest());
            dead.remember(&altered!(template.clone(), secret: secret), now);
        }
        assert_eq!((find(&dead, first), find(&dead, last)), (None, Some(now)));
        assert_eq!(dead.0.lock().unwrap().by_locator.len(), MAX_REMEMBERED as usize);
    }

    #[test]
    fn refused_calls_are_summed_until_they_are_written() {
        let dead = RevokedKeys::default();
        let (locator, first, last) = (fresh().locator(), Timestamp::from_millis(1), Timestamp::from_millis(2));
        let from = Some(IpAddr::from([10, 0, 0, 7]));
        dead.count_refusal(locator, last, from);
        dead.count_refusal(locator, first, None);
        let sum = Refusals { locator, calls: 2, last_at: last, last_from: from };
        assert_eq!(dead.refusals(), [sum]);
        let taken = dead.take_refusals();
        assert_eq!((taken.as_slice(), dead.refusals().len()), (&[sum][..], 0));
        dead.count_refusal(locator, first, None);
        dead.restore_refusals(&taken);
        assert_eq!(dead.take_refusals(), [Refusals { calls: 3, ..sum }]);
    }
}
