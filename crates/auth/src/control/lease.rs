use std::sync::atomic::{AtomicU64, Ordering};

use doorward_types::MonoInstant;
use tokio::sync::Notify;

use crate::Core;

/// The end of the lease, in nanoseconds of [`Clock::tick`](doorward_types::Clock::tick). Zero means no lease.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    end: AtomicU64,
    renewed: Notify,
}

impl Lease {
    /// Returns the end of the lease. A verification reads it *before* its lookup.
    pub(crate) fn ends_at(&self) -> MonoInstant {
        MonoInstant::from_nanos(self.end.load(Ordering::Acquire))
    }

    /// Extends the lease to its full length from `asked`, the moment before its poll. The hot clock may lag.
    pub(super) fn extend_from(&self, asked: MonoInstant, core: &Core) {
        let length = core.timing.lease().saturating_sub(core.clock.tick_lag());
        self.end.store((asked + length).as_nanos(), Ordering::Release);
        self.renewed.notify_one();
    }

    /// Waits until the lease is extended.
    pub(super) async fn renewed(&self) {
        self.renewed.notified().await;
    }

    /// Ends the lease until the next poll.
    pub(super) fn end(&self) {
        self.end.store(0, Ordering::Release);
    }
}
