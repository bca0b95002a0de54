use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use doorward_store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::unavailable;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Threads that each own a connection and take jobs from one queue. SQLite blocks, so it never runs on the async threads.
pub(crate) struct Lane(Sender<Job>);

impl Lane {
    pub(crate) fn start(name: &str, connections: Vec<Connection>) -> Result<Self, StoreError> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for mut connection in connections {
            let jobs = Arc::clone(&jobs);
            let work = move || {
                loop {
                    let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = next else { break };
                    // A job that panics drops its answer, which its caller sees as an error; the lane goes on.
                    let _ = catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
                }
            };
            std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(unavailable)?;
        }
        Ok(Self(sender))
    }

    /// Runs a job to its end, also where the caller has gone away in the meantime.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, done) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let _ = answer.send(job(connection));
        });
        self.0.send(job).map_err(|_| unavailable("the store is closed"))?;
        done.await.map_err(unavailable)?
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lane")
    }
}
