use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The way to the end of an API: ready, draining, idle.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    draining: AtomicBool,
    under_way: AtomicUsize,
    idle: Notify,
}

impl Lifecycle {
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Resolves once no request is under way.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.under_way.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// A request under way, or work that it left behind.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Lifecycle>);

impl UnderWay {
    pub(crate) fn of(lifecycle: &Arc<Lifecycle>) -> Self {
        lifecycle.under_way.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(lifecycle))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 && self.0.is_draining() {
            self.0.idle.notify_waiters();
        }
    }
}
