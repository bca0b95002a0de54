//! The limit of failing requests to the provider.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use doorward_types::Timestamp;

/// The time after which one failed request is forgiven, and the maximum number of unforgiven ones. Without this limit, a provider
/// that counts failures could lock out this client, and all operators with it.
const REFILL_INTERVAL: Duration = Duration::from_secs(6);
const MAX_AT_ONCE: u32 = 10;

/// Limits failing requests, since anyone can begin a sign-in and invent a code.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Timestamp>);

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(Timestamp::from_millis(0)))
    }
}

impl Pace {
    /// Counts a request. Returns false if the limit is reached.
    pub(super) fn take(&self, now: Timestamp) -> bool {
        let mut paid_back = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // If the clock was set back, the limit starts again.
        let owed = if *paid_back > now + REFILL_INTERVAL * MAX_AT_ONCE { now } else { (*paid_back).max(now) };
        let may = owed + REFILL_INTERVAL <= now + REFILL_INTERVAL * MAX_AT_ONCE;
        if may {
            *paid_back = owed + REFILL_INTERVAL;
        }
        may
    }

    /// Uncounts a request that found a known person.
    pub(super) fn give_back(&self) {
        let mut paid_back = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *paid_back = *paid_back - REFILL_INTERVAL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_limited_and_successes_are_not() {
        let (pace, start) = (Pace::default(), Timestamp::from_millis(1_700_000_000_000));
        for _ in 0..1_000 {
            assert!(pace.take(start));
            pace.give_back();
        }
        let taken = (0..1_000).filter(|_| pace.take(start)).count();
        assert_eq!(taken, MAX_AT_ONCE as usize);
        assert!(!pace.take(start + REFILL_INTERVAL - Duration::from_millis(1)));
        assert!(pace.take(start + REFILL_INTERVAL) && !pace.take(start + REFILL_INTERVAL));
        let hour = Duration::from_hours(1);
        let taken = (0..3_600).filter(|second| pace.take(start + hour + Duration::from_secs(*second))).count();
        assert!((590..=620).contains(&taken), "{taken}");
        assert!(pace.take(start), "the clock was set back");
    }
}
