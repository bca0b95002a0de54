use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_types::{Causes, Foreign, Name};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::{Notice, Receiver, SinkError};

/// The maximum number of notices that wait for a receiver. The oldest are dropped first.
const MAX_WAITING: usize = 1_000;

/// The time that the last notices may take, when the program stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Hands notices to receivers, each by a task of its own: a receiver that fails or hangs delays no other.
///
/// Notices wait in memory. What a receiver has not taken when the program ends is lost: audit events have a [`Shipper`].
///
/// [`Shipper`]: crate::Shipper
#[derive(Debug)]
pub struct Tellers {
    queues: Vec<Arc<Queue>>,
    tasks: Mutex<JoinSet<()>>,
}

/// The notices that wait for one receiver.
#[derive(Debug)]
struct Queue {
    name: Name,
    waiting: Mutex<VecDeque<Notice>>,
    overflows: AtomicBool,
    changed: Notify,
    /// Told once the queue is empty and its receiver has taken the last notice.
    idle: Notify,
}

impl Tellers {
    /// Starts a task for each receiver. Needs a runtime of Tokio around it.
    #[must_use]
    pub fn start(receivers: Vec<(Name, Box<dyn Receiver>)>) -> Self {
        let (mut queues, mut tasks) = (Vec::new(), JoinSet::new());
        for (name, receiver) in receivers {
            let queue = Arc::new(Queue {
                name,
                waiting: Mutex::default(),
                overflows: AtomicBool::new(false),
                changed: Notify::new(),
                idle: Notify::new(),
            });
            tasks.spawn(tell_all(Arc::clone(&queue), receiver));
            queues.push(queue);
        }
        Self { queues, tasks: Mutex::new(tasks) }
    }

    /// Hands a notice to every receiver, without waiting.
    pub fn tell(&self, notice: &Notice) {
        for queue in &self.queues {
            queue.push(notice.clone());
        }
    }

    /// Stops, once the receivers have taken what waits, if they do so soon.
    pub async fn stop(&self) {
        let all = async {
            for queue in &self.queues {
                queue.until_idle().await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!("some notices did not arrive before the program stopped");
        }
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, notice: Notice) {
        let mut waiting = self.waiting();
        waiting.push_back(notice);
        let overflows = waiting.len() > MAX_WAITING;
        if overflows {
            waiting.pop_front();
        }
        drop(waiting);
        // One line for each time that the queue overflows.
        if !self.overflows.swap(overflows, Ordering::Relaxed) && overflows {
            tracing::warn!(sink = %self.name, "too many notices wait: the oldest are dropped");
        }
        self.changed.notify_one();
    }

    /// Waits for the next notice, which stays in the queue until it has arrived.
    async fn next(&self) -> Notice {
        loop {
            if let Some(notice) = self.waiting().front().cloned() {
                return notice;
            }
            self.idle.notify_waiters();
            self.changed.notified().await;
        }
    }

    fn arrived(&self, notice: &Notice) {
        let mut waiting = self.waiting();
        // It may have been dropped meanwhile, because too many wait.
        if waiting.front().is_some_and(|first| first.id == notice.id) {
            waiting.pop_front();
        }
    }

    async fn until_idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.waiting().is_empty() {
                return;
            }
            idle.await;
        }
    }
}

async fn tell_all(queue: Arc<Queue>, mut receiver: Box<dyn Receiver>) {
    let mut backoff = Backoff::default();
    loop {
        let notice = queue.next().await;
        match receiver.tell(&notice).await {
            Ok(()) => {
                queue.arrived(&notice);
                backoff = Backoff::default();
            }
            // The receiver does not want this notice, and the next may be fine.
            Err(SinkError::Refused { status: status @ 400..=499, .. }) if !matches!(status, 408 | 425 | 429) => {
                tracing::warn!(sink = %queue.name, status, notice = notice.id, "a notice was refused, and is dropped");
                queue.arrived(&notice);
                backoff = Backoff::default();
            }
            Err(error) => {
                if !backoff.has_failed() {
                    tracing::warn!(sink = %queue.name, error = %Foreign::new(Causes(&error)), "notices do not arrive; retrying");
                }
                sleep(backoff.after(&error)).await;
            }
        }
    }
}
