//! Recently revoked secrets, so that the owner of a key that is still sent can be warned.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use doorward_key::Digest;
use doorward_store::ActiveSecret;
use doorward_types::{AccessKeyId, Environment, Locator, OrganizationId, Timestamp};

/// The maximum number of remembered secrets: two megabytes.
const MAX_REMEMBERED: usize = 10_000;

/// The secrets that were revoked while a node ran. They decide nothing: a revoked key is refused like an unknown key.
#[derive(Debug, Default)]
pub(crate) struct RevokedKeys(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_locator: HashMap<Locator, (ActiveSecret, Timestamp)>,
    oldest_first: VecDeque<Locator>,
}

impl RevokedKeys {
    pub(crate) fn remember(&self, active: ActiveSecret, revoked_at: Timestamp) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let locator = active.secret.locator;
        if remembered.by_locator.insert(locator, (active, revoked_at)).is_none() {
            remembered.oldest_first.push_back(locator);
        }
        if remembered.oldest_first.len() > MAX_REMEMBERED
            && let Some(oldest) = remembered.oldest_first.pop_front()
        {
            remembered.by_locator.remove(&oldest);
        }
    }

    /// Finds the revoked secret by its digest; a matching locator alone is not enough.
    pub(crate) fn find(&self, locator: Locator, digest: Digest) -> Option<RevokedKey> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (active, revoked_at) = remembered.by_locator.get(&locator)?;
        (active.secret.digest == digest).then_some(RevokedKey {
            organization: active.key.organization,
            environment: active.key.environment,
            key: active.key.id,
            locator: active.secret.locator,
            revoked_at: *revoked_at,
        })
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
    /// The time at which this node learned of the revocation.
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
        dead.remember(active(&key), revoked_at);
        let mut other = active(&guessed);
        other.secret.digest = key.digest();
        dead.remember(other, revoked_at);
        assert_eq!(find(&dead, key), Some(revoked_at));
        assert_eq!(find(&dead, guessed), None);
        assert_eq!(find(&dead, fresh()), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (dead, first) = (RevokedKeys::default(), fresh());
        let now = Timestamp::from_millis(7);
        dead.remember(active(&first), now);
        let (mut last, template) = (fresh(), active(&first));
        for _ in 0..MAX_REMEMBERED {
            last = fresh();
            let secret = altered!(template.secret, locator: last.locator(), digest: last.digest());
            dead.remember(altered!(template.clone(), secret: secret), now);
        }
        assert_eq!((find(&dead, first), find(&dead, last)), (None, Some(now)));
        assert_eq!(dead.0.lock().unwrap().by_locator.len(), MAX_REMEMBERED);
    }
}
