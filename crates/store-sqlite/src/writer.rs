//! The thread that writes. Writes that wait together are committed together, so that they share the wait for the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward_store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::Failure;
use crate::files::Files;
use crate::identity;
use crate::queue::{Queue, Served, Urgency, closed, gave_up};

/// The most writes in one transaction, the last of which go to the least urgent: neither waits for the other for long.
const GROUP: usize = 64;
const KEPT_FOR_THE_LEAST_URGENT: usize = 16;

/// The pause between two transactions, so that the lock is free for another process when it tries: a part of the last
/// transaction's time, within these bounds.
const PAUSE_PART: u32 = 8;
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// A write: runs in a transaction, or fails before it has begun.
type Job = Box<dyn FnOnce(Result<&Connection, Failure>) -> Ended + Send>;

/// Tells the caller what came of the write, when the commit has ended.
type Settle = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// The end of a job, before the commit.
#[derive(Default)]
struct Ended {
    /// Keeps the rows that the job wrote.
    keep: bool,
    settle: Option<Settle>,
}

/// The one thread of this process that writes to the store.
pub(crate) struct Writer(Served<Job>);

impl Writer {
    pub(crate) fn start(connection: Connection, files: &Arc<Files>) -> Self {
        let files = Arc::clone(files);
        Self(Served::start("doorward-write", [move |queue: &Queue<Job>| serve(queue, connection, &files)]))
    }

    /// Runs a write, unless its caller has gone away before it begins. An error takes back what the write did, and nothing
    /// else. Returns after the commit.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if answer.is_closed() {
                return Ended::default();
            }
            let done = match connection {
                Ok(connection) => work(connection),
                Err(failure) => Err(failure.into()),
            };
            let keep = done.is_ok();
            let settle = move |committed: Result<(), Failure>| {
                let _ = answer.send(match (done, committed) {
                    (Err(own @ StoreError::Unavailable(_)), _) => Err(own),
                    // Also a refusal may stand on what was not committed.
                    (_, Err(failure)) => Err(failure.into()),
                    (done, Ok(())) => done,
                });
            };
            Ended { keep, settle: Some(Box::new(settle)) }
        });
        if !self.0.queue.push(urgency, job) {
            return Err(closed());
        }
        answered.await.unwrap_or_else(|_| Err(gave_up()))
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }
}

fn serve(queue: &Queue<Job>, connection: Connection, files: &Files) {
    while let Some(first) = queue.wait() {
        let began = now();
        write_together(queue, first, &connection, files);
        if !queue.is_empty() {
            std::thread::sleep((began.elapsed() / PAUSE_PART).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::error!(%error, "the store's file was not closed: its last writes stay in the file beside it");
    }
}

/// Carries out this job and others that wait, in one transaction.
fn write_together(queue: &Queue<Job>, first: Job, connection: &Connection, files: &Files) {
    if let Err(failure) = begin(connection) {
        // All that wait would wait as long for the same.
        for job in [Some(first)].into_iter().chain(std::iter::repeat_with(|| queue.most_urgent())).map_while(|job| job)
        {
            settle(job(Err(failure.clone())), Err(failure.clone()));
        }
        return;
    }
    let began = now();
    let (mut ended, mut next, mut outcome) = (Vec::new(), Some(first), Ok(()));
    while let Some(job) = next {
        let done = carry_out(job, connection);
        ended.push(done.0);
        outcome = done.1;
        next = match ended.len() {
            _ if outcome.is_err() || began.elapsed() >= files.settings.group_time => None,
            GROUP.. => None,
            taken if taken >= GROUP - KEPT_FOR_THE_LEAST_URGENT => queue.least_urgent(),
            _ => queue.most_urgent(),
        };
    }
    let outcome = outcome.and_then(|()| commit(connection, files));
    if !connection.is_autocommit()
        && let Err(error) = run(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a transaction was not rolled back");
    }
    for ended in ended {
        settle(ended, outcome.clone());
    }
}

fn begin(connection: &Connection) -> Result<(), Failure> {
    run(connection, "BEGIN IMMEDIATE")?;
    identity::knows_schema(connection).inspect_err(|_| drop(run(connection, "ROLLBACK")))
}

/// Runs a job so that it fails alone. An error is that of all jobs of the transaction.
fn carry_out(job: Job, connection: &Connection) -> (Ended, Result<(), Failure>) {
    if let Err(error) = run(connection, "SAVEPOINT job") {
        let failure = Failure::from(error);
        return (job(Err(failure.clone())), Err(failure));
    }
    // A job that panics drops its answer, which its caller sees as an error.
    let ended = catch_unwind(AssertUnwindSafe(|| job(Ok(connection)))).unwrap_or_default();
    let release = || {
        if connection.is_autocommit() {
            return Err(
                "a write that shared the transaction failed, and SQLite took all of them back: try again".into()
            );
        }
        if !ended.keep {
            run(connection, "ROLLBACK TO job")?;
        }
        Ok(run(connection, "RELEASE job")?)
    };
    let released = release();
    (ended, released)
}

/// Commits into the file that is at the store's path, or says that it did not, or that this is not known.
pub(crate) fn commit(connection: &Connection, files: &Files) -> Result<(), Failure> {
    files.prove()?;
    run(connection, "COMMIT")?;
    files.prove().map_err(|doubt| {
        tracing::error!(%doubt, "a commit went into a file that was moved at the same moment");
        Failure::OutcomeUnknown
    })
}

fn settle(ended: Ended, outcome: Result<(), Failure>) {
    if let Some(settle) = ended.settle {
        settle(outcome);
    }
}

fn run(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

#[expect(clippy::disallowed_methods, reason = "bounds a transaction; no lease and no promise hangs on it")]
fn now() -> Instant {
    Instant::now()
}
