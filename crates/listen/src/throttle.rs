use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The pause between two log lines about one kind of case. Metrics count every case.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Decides when the log gets a line about a kind of case, so that strangers cannot flood it.
#[derive(Debug)]
pub struct Throttle<K> {
    /// The time at which each kind was last told, and the number of cases that were not told since.
    last: Mutex<HashMap<K, (Instant, u64)>>,
}

impl<K> Default for Throttle<K> {
    fn default() -> Self {
        Self { last: Mutex::default() }
    }
}

impl<K: Eq + Hash> Throttle<K> {
    /// Takes in a case of this kind. Returns the number of cases that were not told, if one is to be told now.
    pub fn is_due(&self, kind: K) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let untold = match last.get_mut(&kind) {
            Some((then, untold)) if now.duration_since(*then) < WARNING_INTERVAL => {
                *untold += 1;
                return None;
            }
            Some((_, untold)) => *untold,
            None => 0,
        };
        last.insert(kind, (now, 0));
        Some(untold)
    }
}
