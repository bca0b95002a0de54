//! Threads that read, each with its own connection. SQLite blocks, so it never runs on the async threads.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use doorward_store::StoreError;
use rusqlite::Transaction;
use tokio::sync::oneshot;

use crate::files::Files;
use crate::queue::{Queue, Served, Urgency, closed, gave_up};
use crate::reader::Reader;

type Job = Box<dyn FnOnce(Result<&mut Reader, StoreError>) + Send>;

/// Threads that take reads from one queue. Dropping this value finishes the queued reads and closes the connections.
pub(crate) struct ConnectionThread(Served<Job>);

impl ConnectionThread {
    pub(crate) fn start(name: &str, threads: usize, files: &Arc<Files>) -> Self {
        let servers = (0..threads).map(|_| {
            let files = Arc::clone(files);
            move |queue: &Queue<Job>| serve(queue, &files)
        });
        Self(Served::start(name, servers))
    }

    /// Runs a job, unless its caller has gone away before it begins.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |reader| {
            if !answer.is_closed() {
                let _ = answer.send(reader.and_then(job));
            }
        });
        if !self.0.queue.push(Urgency::Data, job) {
            return Err(closed());
        }
        answered.await.unwrap_or_else(|_| Err(gave_up()))
    }

    /// Runs reads on one snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(|reader| reader.read(work)).await
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }
}

fn serve(queue: &Queue<Job>, files: &Arc<Files>) {
    let mut reader = None;
    while let Some(job) = queue.wait() {
        // A job that panics drops its answer, and its caller gets an error. The thread continues.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if reader.is_none() {
                match Reader::open(files) {
                    Ok(opened) => reader = Some(opened),
                    Err(error) => return job(Err(error)),
                }
            }
            if let Some(reader) = &mut reader {
                job(Ok(reader));
            }
        }));
    }
}

impl fmt::Debug for ConnectionThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lane")
    }
}
