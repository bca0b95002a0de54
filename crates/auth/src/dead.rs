//! The secrets that died lately: so that whoever still sends one can be named.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use doorward_key::PresentedKey;
use doorward_store::LiveSecret;
use doorward_types::{AccessKeyId, Environment, Locator, OrganizationId, Timestamp};

/// How many are remembered: two megabytes at the most.
const MOST: usize = 10_000;

/// What a node saw die while it ran. It decides nothing: a dead key is refused like one that never was.
#[derive(Debug, Default)]
pub(crate) struct Dead(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_locator: HashMap<Locator, (LiveSecret, Timestamp)>,
    oldest_first: VecDeque<Locator>,
}

impl Dead {
    pub(crate) fn remember(&self, lived: LiveSecret, revoked_at: Timestamp) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let locator = lived.secret.locator;
        if remembered.by_locator.insert(locator, (lived, revoked_at)).is_none() {
            remembered.oldest_first.push_back(locator);
        }
        if remembered.oldest_first.len() > MOST
            && let Some(oldest) = remembered.oldest_first.pop_front()
        {
            remembered.by_locator.remove(&oldest);
        }
    }

    /// Finds the revoked secret by its digest; a matching locator alone is not enough.
    pub(crate) fn find(&self, presented: &PresentedKey<'_>) -> Option<RevokedKey> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (lived, revoked_at) = remembered.by_locator.get(&presented.locator())?;
        (lived.secret.digest == presented.digest()).then_some(RevokedKey {
            organization: lived.key.organization,
            environment: lived.key.environment,
            key: lived.key.id,
            locator: lived.secret.locator,
            revoked_at: *revoked_at,
        })
    }
}

/// A key that was presented after its revocation: deleted, regenerated, or withdrawn before it was ever current.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RevokedKey {
    /// The organization of the key.
    pub organization: OrganizationId,
    /// The environment of the key.
    pub environment: Environment,
    /// The key, which is still in force if only its secret was regenerated.
    pub key: AccessKeyId,
    /// The secret.
    pub locator: Locator,
    /// The time at which this node heard of the revocation.
    pub revoked_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use doorward_key::{FreshKey, KeyPrefix, SystemRandom};
    use doorward_store::{AccessKey, Secret};
    use doorward_types::{IdSeed, SecretState};

    use super::*;

    fn fresh() -> FreshKey {
        FreshKey::generate(&KeyPrefix::default(), Environment::Test, &SystemRandom).unwrap()
    }

    fn lived(key: &FreshKey) -> LiveSecret {
        let now = Timestamp::from_millis(1);
        let seed = IdSeed { now, random: [1; 10] };
        let secret = Secret {
            locator: key.locator(),
            digest: key.digest(),
            generation: 1,
            state: SecretState::Current,
            created_at: now,
        };
        let key = AccessKey {
            id: AccessKeyId::new(seed),
            organization: OrganizationId::new(seed),
            environment: Environment::Test,
            name: "ci".parse().unwrap(),
            created_at: now,
            created_by: "ada".parse().unwrap(),
        };
        LiveSecret { secret, key, organization_name: "Acme".parse().unwrap() }
    }

    fn find(dead: &Dead, key: FreshKey) -> Option<Timestamp> {
        let value = key.into_value();
        let presented = PresentedKey::parse(&KeyPrefix::default(), value.expose().as_bytes()).unwrap();
        dead.find(&presented).map(|found| found.revoked_at)
    }

    #[test]
    fn a_dead_key_is_known_by_its_digest_and_not_by_its_locator() {
        let (dead, key, guessed) = (Dead::default(), fresh(), fresh());
        let revoked_at = Timestamp::from_millis(7);
        dead.remember(lived(&key), revoked_at);
        let mut other = lived(&guessed);
        other.secret.digest = key.digest();
        dead.remember(other, revoked_at);
        assert_eq!(find(&dead, key), Some(revoked_at));
        assert_eq!(find(&dead, guessed), None);
        assert_eq!(find(&dead, fresh()), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (dead, first) = (Dead::default(), fresh());
        let now = Timestamp::from_millis(7);
        dead.remember(lived(&first), now);
        let (mut last, template) = (fresh(), lived(&first));
        for _ in 0..MOST {
            last = fresh();
            let secret = Secret { locator: last.locator(), digest: last.digest(), ..template.secret };
            dead.remember(LiveSecret { secret, ..template.clone() }, now);
        }
        assert_eq!((find(&dead, first), find(&dead, last)), (None, Some(now)));
        assert_eq!(dead.0.lock().unwrap().by_locator.len(), MOST);
    }
}
