//! The limit of questions to the provider that lead to nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use doorward_types::Timestamp;

/// Each question that led to nothing is paid back in this time, and so many may be owed. A provider that counts what fails would
/// lock out this client, and all operators with it.
const EACH: Duration = Duration::from_secs(6);
const MOST: u32 = 10;

/// Limits the questions that lead to nothing: anyone can begin a sign-in and make up a code.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Timestamp>);

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(Timestamp::from_millis(0)))
    }
}

impl Pace {
    /// Takes a question; returns whether there was one left.
    pub(super) fn take(&self, now: Timestamp) -> bool {
        let mut paid_back = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back does not hold anyone up.
        let owed = if *paid_back > now + EACH * MOST { now } else { (*paid_back).max(now) };
        let may = owed + EACH <= now + EACH * MOST;
        if may {
            *paid_back = owed + EACH;
        }
        may
    }

    /// Gives a question back that led to someone who is known.
    pub(super) fn give_back(&self) {
        let mut paid_back = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *paid_back = *paid_back - EACH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_limited_and_what_succeeds_is_not() {
        let (pace, start) = (Pace::default(), Timestamp::from_millis(1_700_000_000_000));
        for _ in 0..1_000 {
            assert!(pace.take(start));
            pace.give_back();
        }
        let taken = (0..1_000).filter(|_| pace.take(start)).count();
        assert_eq!(taken, MOST as usize);
        assert!(!pace.take(start + EACH - Duration::from_millis(1)));
        assert!(pace.take(start + EACH) && !pace.take(start + EACH));
        let hour = Duration::from_hours(1);
        let taken = (0..3_600).filter(|second| pace.take(start + hour + Duration::from_secs(*second))).count();
        assert!((590..=620).contains(&taken), "{taken}");
        assert!(pace.take(start), "the clock was set back");
    }
}
