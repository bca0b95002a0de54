//! Jobs that wait for a thread, and the threads that take them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use doorward_store::StoreError;

use crate::error::unavailable;

/// The order in which jobs are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Urgency {
    /// Words of nodes and to nodes: a lease or a waiting writer hangs on them.
    Control,
    /// Changes to keys, and what operators do.
    Change,
    /// Everything else.
    Data,
}

/// Jobs by urgency, and threads that wait for them.
pub(crate) struct Queue<J> {
    waiting: Mutex<Waiting<J>>,
    filled: Condvar,
}

struct Waiting<J> {
    jobs: [VecDeque<J>; 3],
    is_closed: bool,
}

impl<J> Queue<J> {
    pub(crate) fn new() -> Self {
        let jobs = [const { VecDeque::new() }; 3];
        Self { waiting: Mutex::new(Waiting { jobs, is_closed: false }), filled: Condvar::new() }
    }

    /// Adds a job; returns whether the queue takes any.
    pub(crate) fn push(&self, urgency: Urgency, job: J) -> bool {
        let mut waiting = self.lock();
        let Waiting { jobs: [control, changes, data], is_closed } = &mut *waiting;
        let jobs = match urgency {
            Urgency::Control => control,
            Urgency::Change => changes,
            Urgency::Data => data,
        };
        if !*is_closed {
            jobs.push_back(job);
            self.filled.notify_one();
        }
        !*is_closed
    }

    /// Takes the most urgent job, and waits for a job if there is none. None if the queue is closed and empty.
    pub(crate) fn wait(&self) -> Option<J> {
        let mut waiting = self.lock();
        loop {
            let next = waiting.jobs.iter_mut().find_map(VecDeque::pop_front);
            if next.is_some() || waiting.is_closed {
                return next;
            }
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the most urgent job, if there is a job.
    pub(crate) fn most_urgent(&self) -> Option<J> {
        self.lock().jobs.iter_mut().find_map(VecDeque::pop_front)
    }

    /// Takes the least urgent job, if there is a job.
    pub(crate) fn least_urgent(&self) -> Option<J> {
        self.lock().jobs.iter_mut().rev().find_map(VecDeque::pop_front)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().jobs.iter().all(VecDeque::is_empty)
    }

    /// Lets the threads end once they have done what is queued.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<J>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue with the threads that serve it. Dropping it lets them do what is queued, and waits for that.
pub(crate) struct Served<J> {
    pub(crate) queue: Arc<Queue<J>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<J: Send + 'static> Served<J> {
    /// Starts one thread for each of `servers`. If the system has no thread to give, the queue is closed.
    pub(crate) fn start<S: FnOnce(&Queue<J>) + Send + 'static>(
        name: &str,
        servers: impl IntoIterator<Item = S>,
    ) -> Self {
        let queue = Arc::new(Queue::new());
        let mut threads = Vec::new();
        for serve in servers {
            let its = Arc::clone(&queue);
            match Builder::new().name(name.to_owned()).spawn(move || serve(&its)) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    tracing::error!(name, %error, "cannot start a thread: raise the limit of threads of this process");
                    queue.close();
                }
            }
        }
        Self { queue, threads: Mutex::new(threads) }
    }
}

impl<J> Served<J> {
    /// Takes no more jobs, and returns when those that are queued are done and the threads have ended.
    pub(crate) fn close(&self) {
        self.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let this = std::thread::current().id();
        // A thread that ends by its own doing cannot wait for itself.
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != this) {
            // A server catches the panics of its jobs.
            let _ = thread.join();
        }
    }
}

impl<J> Drop for Served<J> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Returns the error of a job that came after the store was closed.
pub(crate) fn closed() -> StoreError {
    unavailable("the store is closed: open it again")
}

/// Returns the error of a job that panicked.
pub(crate) fn gave_up() -> StoreError {
    unavailable("the engine gave up on this: it is a fault of the program, so report it")
}

/// Runs what blocks for as long as a disk or another process takes.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(work()));
    answered.await.unwrap_or_else(|_| Err(gave_up()))
}
