use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use doorward_types::Tick;
use tokio::sync::Notify;

use crate::Core;
use crate::node::Node;

/// The longest sleep of the watch before it looks again: a clock may have been set or have stood still.
const LOOK: Duration = Duration::from_millis(500);

/// The end of the lease, in nanoseconds of [`Clock::tick`](doorward_types::Clock::tick). Zero means that there is none.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    end: AtomicU64,
    renewed: Notify,
}

impl Lease {
    /// The end of the lease. A verification takes it *before* the lookup that it vouches for.
    pub(crate) fn ends_at(&self) -> Tick {
        Tick::from_nanos(self.end.load(Ordering::Acquire))
    }

    /// Extends the lease to its full length from `asked`, the moment before the poll that it rests on. The hot clock may lag.
    pub(super) fn extend_from(&self, asked: Tick, core: &Core) {
        let length = core.timing.lease().saturating_sub(core.clock.tick_lag());
        self.end.store((asked + length).as_nanos(), Ordering::Release);
        self.renewed.notify_one();
    }

    /// Ends the lease until the next poll.
    pub(super) fn end(&self) {
        self.end.store(0, Ordering::Release);
    }
}

/// Logs when the lease ends and when it is renewed, at the moment at which verifications see it.
pub(super) async fn keep_watch(node: &Node, failure: &Mutex<Option<String>>) {
    let mut was_current = true;
    loop {
        let left = node.lease_left();
        if left.is_some() != was_current {
            was_current = !was_current;
            if was_current {
                tracing::info!("this node is current again");
            } else {
                let known = failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let reason = known.unwrap_or_else(|| "no poll has ended in time".to_owned());
                tracing::warn!(reason, "this node cannot prove that it is current, and answers 503");
            }
        }
        match left {
            // One step of the clock later, the lease has ended or was renewed.
            Some(left) => tokio::time::sleep((left + Duration::from_millis(1)).min(LOOK)).await,
            None => {
                let _ = tokio::time::timeout(LOOK, node.lease().renewed.notified()).await;
            }
        }
    }
}
