use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use doorward_types::{Clock, ClockReading, ManualClock, MonoInstant, Timestamp};

/// Longer than any lease.
const JUMP: Duration = Duration::from_secs(60);

/// A clock that stands still until it is moved, and on which every lease can be over.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    clock: ManualClock,
    /// While it is set, elapsed time jumps at each look: a verification reads the lease's end before the clock, so that the
    /// lease is over by then, however often the node renews it.
    leases_expire: AtomicBool,
    jumped: AtomicU64,
}

impl TestClock {
    pub(crate) fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    pub(crate) fn expire_leases(&self, expire: bool) {
        self.leases_expire.store(expire, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn tick(&self) -> MonoInstant {
        if self.leases_expire.load(Ordering::SeqCst) {
            self.jumped.fetch_add(JUMP.as_secs(), Ordering::SeqCst);
        }
        self.clock.tick() + Duration::from_secs(self.jumped.load(Ordering::SeqCst))
    }

    fn tick_lag(&self) -> Duration {
        Duration::ZERO
    }

    fn reading(&self) -> ClockReading {
        self.clock.reading()
    }
}
