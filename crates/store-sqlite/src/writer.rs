//! The writing thread. It commits waiting writes together, so that they share the wait for the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward_store::StoreError;
use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::oneshot;

use crate::error::SqliteFailure;
use crate::files::Files;
use crate::identity;
use crate::queue::{Queue, Served, Urgency, closed, gave_up};

/// The maximum number of writes in one transaction. Its last places go to the least urgent writes, so that neither
/// urgent nor other writes wait long.
const MAX_GROUP: usize = 64;
const LEAST_URGENT_SHARE: usize = 16;

/// The pause between two transactions, during which another process can take the lock: this part of the last
/// transaction's time, within the bounds below.
const PAUSE_PART: u32 = 8;
const MIN_PAUSE: Duration = Duration::from_micros(100);
const MAX_PAUSE: Duration = Duration::from_millis(1);

/// A write: runs in a transaction, or fails before it has begun.
type Job = Box<dyn FnOnce(Result<&Connection, SqliteFailure>) -> Ended + Send>;

/// Reports the result of the write to its caller, after the commit.
type Settle = Box<dyn FnOnce(Result<(), SqliteFailure>) + Send>;

/// The result of a job, before the commit.
#[derive(Default)]
struct Ended {
    /// True if the rows of the job are committed.
    keep: bool,
    settle: Option<Settle>,
}

/// The only thread of this process that writes to the store.
pub(crate) struct Writer(Served<Job>);

impl Writer {
    pub(crate) fn start(connection: Connection, files: &Arc<Files>) -> Self {
        let files = Arc::clone(files);
        Self(Served::start("doorward-write", [move |queue: &Queue<Job>| serve(queue, connection, &files)]))
    }

    /// Runs a write, unless its caller goes away before it begins. Returns after the commit. An error undoes only this
    /// write.
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
            let settle = move |committed: Result<(), SqliteFailure>| {
                let _ = answer.send(match (done, committed) {
                    (Err(own @ StoreError::Unavailable(_)), _) => Err(own),
                    // A refusal, too, may be based on uncommitted rows.
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
            std::thread::sleep((began.elapsed() / PAUSE_PART).clamp(MIN_PAUSE, MAX_PAUSE));
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::error!(%error, "the store's file was not closed cleanly: its last writes stay in its `-wal` file");
    }
}

/// Runs this job and other waiting jobs in one transaction.
fn write_together(queue: &Queue<Job>, first: Job, connection: &Connection, files: &Files) {
    if let Err(failure) = begin(connection) {
        // Fail all waiting jobs too: each would wait as long and fail the same way.
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
            MAX_GROUP.. => None,
            taken if taken >= MAX_GROUP - LEAST_URGENT_SHARE => queue.least_urgent(),
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

fn begin(connection: &Connection) -> Result<(), SqliteFailure> {
    run(connection, "BEGIN IMMEDIATE")?;
    identity::knows_schema(connection).inspect_err(|_| drop(run(connection, "ROLLBACK")))
}

/// Runs a job so that its failure does not affect the other jobs. An error means that the whole transaction failed.
fn carry_out(job: Job, connection: &Connection) -> (Ended, Result<(), SqliteFailure>) {
    if let Err(error) = run(connection, "SAVEPOINT job") {
        let failure = SqliteFailure::from(error);
        return (job(Err(failure.clone())), Err(failure));
    }
    // A job that panics drops its answer, and its caller gets an error.
    let ended = catch_unwind(AssertUnwindSafe(|| job(Ok(connection)))).unwrap_or_default();
    let release = || {
        if connection.is_autocommit() {
            return Err(
                "another write of the same transaction failed, and SQLite rolled all of them back: try again".into()
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

/// Commits into the file at the store's path. The error tells whether nothing was committed or the outcome is unknown.
pub(crate) fn commit(connection: &Connection, files: &Files) -> Result<(), SqliteFailure> {
    files.prove()?;
    run(connection, "COMMIT").map_err(|error| match error.sqlite_error() {
        // The frame that ends the transaction is written last: without it, the transaction did not happen.
        Some(failure) if failure.extended_code == ffi::SQLITE_IOERR_WRITE => error.into(),
        // The disk may hold the whole transaction, although it did not confirm it.
        Some(failure) if failure.code == ErrorCode::SystemIoFailure => {
            tracing::error!(%error, "a commit was not confirmed by the disk");
            SqliteFailure::OutcomeUnknown
        }
        _ => error.into(),
    })?;
    files.prove().map_err(|doubt| {
        tracing::error!(%doubt, "a commit was written to a file that was moved at the same moment");
        SqliteFailure::OutcomeUnknown
    })
}

fn settle(ended: Ended, outcome: Result<(), SqliteFailure>) {
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
