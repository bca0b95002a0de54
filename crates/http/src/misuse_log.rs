//! The misuse of keys, summed up for people: one entry for each use of each key, however often it is used so.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use doorward_auth::KnownKey;
use doorward_types::{Locator, Timestamp};

use crate::KeyMisuse;

/// The maximum number of entries until the next look.
const MAX_ENTRIES: usize = 1_000;

/// The maximum number of addresses in an entry.
const MAX_SOURCES: usize = 16;

/// The misuse of one key in one way, since the last look.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MisuseSum {
    /// The kind of use.
    pub misuse: KeyMisuse,
    /// The key.
    pub key: KnownKey,
    /// The number of calls.
    pub calls: u64,
    /// The time of the first call.
    pub first_at: Timestamp,
    /// The time of the last call.
    pub last_at: Timestamp,
    /// Some addresses of the senders, sorted.
    pub sources: Vec<IpAddr>,
}

#[derive(Debug, Default)]
pub(crate) struct MisuseLog(Mutex<HashMap<(KeyMisuse, Locator), Entry>>);

#[derive(Debug)]
struct Entry {
    key: KnownKey,
    calls: u64,
    first_at: Timestamp,
    last_at: Timestamp,
    sources: HashSet<IpAddr>,
}

impl MisuseLog {
    /// Counts a call. Further keys are not counted once there are many entries: the log tells of them.
    pub(crate) fn count(&self, misuse: KeyMisuse, key: KnownKey, source: Option<IpAddr>, now: Timestamp) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (misuse, key.locator);
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&place) {
            return;
        }
        let new = || Entry { key, calls: 0, first_at: now, last_at: now, sources: HashSet::new() };
        let entry = entries.entry(place).or_insert_with(new);
        entry.calls = entry.calls.saturating_add(1);
        entry.last_at = now;
        if entry.sources.len() < MAX_SOURCES {
            entry.sources.extend(source);
        }
    }

    /// Takes the entries since the last look.
    pub(crate) fn take(&self) -> Vec<MisuseSum> {
        let entries = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut sums: Vec<_> = entries.into_iter().map(|((misuse, _), entry)| entry.sum(misuse)).collect();
        sums.sort_by_key(|sum| (sum.misuse as usize, sum.key.locator));
        sums
    }
}

impl Entry {
    fn sum(self, misuse: KeyMisuse) -> MisuseSum {
        let Self { key, calls, first_at, last_at, sources } = self;
        let mut sources: Vec<_> = sources.into_iter().collect();
        sources.sort_unstable();
        MisuseSum { misuse, key, calls, first_at, last_at, sources }
    }
}
