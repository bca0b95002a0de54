//! Queues of jobs, and the threads that serve them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use doorward_store::StoreError;

use crate::error::unavailable;

/// The order in which jobs are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Urgency {
    /// Messages from and to nodes: a lease or a waiting writer depends on them.
    Control,
    /// Changes to keys, and actions of operators.
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

    /// Adds a job. Returns false if the queue is closed.
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

    /// Takes the most urgent job. Waits if the queue is empty. Returns `None` if the queue is closed and empty.
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

    /// Takes the most urgent job, if the queue has a job.
    pub(crate) fn most_urgent(&self) -> Option<J> {
        self.lock().jobs.iter_mut().find_map(VecDeque::pop_front)
    }

    /// Takes the least urgent job, if the queue has a job.
    pub(crate) fn least_urgent(&self) -> Option<J> {
        self.lock().jobs.iter_mut().rev().find_map(VecDeque::pop_front)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().jobs.iter().all(VecDeque::is_empty)
    }

    /// Closes the queue: the threads finish the queued jobs, and end.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<J>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue with the threads that serve it. Dropping it waits until the threads have finished the queued jobs.
pub(crate) struct Served<J> {
    pub(crate) queue: Arc<Queue<J>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<J: Send + 'static> Served<J> {
    /// Starts one thread for each of `servers`. Closes the queue if the system cannot start a thread.
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
                    tracing::error!(name, %error, "cannot start a thread: raise this process's limit of threads");
                    queue.close();
                }
            }
        }
        Self { queue, threads: Mutex::new(threads) }
    }
}

impl<J> Served<J> {
    /// Refuses new jobs, and waits until the queued jobs are done and the threads have ended.
    pub(crate) fn close(&self) {
        self.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let this = std::thread::current().id();
        // A thread that drops the queue cannot wait for itself.
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != this) {
            // A server catches its jobs' panics, so `join` cannot fail.
            let _ = thread.join();
        }
    }
}

impl<J> Drop for Served<J> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Returns the error for a job that came after the store was closed.
pub(crate) fn closed() -> StoreError {
    unavailable("the store is closed: open it again")
}

/// Returns the error for a job that panicked.
pub(crate) fn gave_up() -> StoreError {
    unavailable("the storage engine panicked: this is a bug in the program, report it")
}

/// Runs blocking work, which may wait for a disk or another process, on its own thread.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(work()));
    answered.await.unwrap_or_else(|_| Err(gave_up()))
}
