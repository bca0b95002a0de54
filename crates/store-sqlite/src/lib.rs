//! The embedded engine: one SQLite file that several processes (servers, the command line) may share.
//!
//! One thread writes and several read; a lane of its own serves the polls of the coherence protocol, so that no long
//! read stands in their way. `synchronous=FULL`, always: with `NORMAL`, a power loss can undo a commit in WAL mode, and
//! a dead key comes back.
//!
//! ```no_run
//! # async fn example() -> Result<(), doorward_store::StoreError> {
//! use doorward_store::OpenMode;
//! use doorward_store_sqlite::SqliteStore;
//!
//! let store = SqliteStore::open("doorward.db", OpenMode::Create).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The file holds no key, only digests. Even so it is made with mode 0600.

mod audit;
mod coherence;
mod copy;
mod error;
#[cfg(test)]
mod faults;
mod keys;
mod lane;
mod links;
mod lost;
mod migrations;
mod operators;
mod origins;
mod outbox;
mod row;
mod sign_ins;
mod tables;
mod tool_calls;
mod usage;

use std::path::Path;
use std::sync::{Arc, Mutex};

use doorward_store::{OpenMode, StoreError};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::coherence::LastPoll;
use crate::error::unavailable;
use crate::lane::Lane;

/// How many reads go on side by side.
const READERS: usize = 2;

/// A store in one SQLite file. Dropping it finishes what was begun and closes the file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Lane,
    readers: Lane,
    poller: Lane,
    last_poll: Arc<Mutex<Option<LastPoll>>>,
}

impl SqliteStore {
    /// Opens a store, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] where there is no file and none is to be made; [`StoreError::UnsupportedSchema`] where a
    /// newer program has made it; [`StoreError::Unavailable`] where it cannot be opened, or is no store of Doorward's.
    pub async fn open(path: impl AsRef<Path>, mode: OpenMode) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let (answer, opened) = tokio::sync::oneshot::channel();
        // Opening blocks, for as long as another process may hold the file.
        std::thread::spawn(move || answer.send(Self::open_blocking(&path, mode)));
        opened.await.map_err(unavailable)?
    }

    fn open_blocking(path: &Path, mode: OpenMode) -> Result<Self, StoreError> {
        migrations::warn_of_old_sqlite();
        match mode {
            OpenMode::Create => migrations::create_private_file(path)?,
            OpenMode::Existing if !path.exists() => return Err(StoreError::Missing),
            OpenMode::Existing => {}
        }
        let mut first = migrations::connect(path)?;
        migrations::run(&mut first)?;
        let readers = (0..READERS).map(|_| migrations::connect(path)).collect::<Result<_, _>>()?;
        Ok(Self {
            writer: Lane::start("doorward-write", vec![first])?,
            readers: Lane::start("doorward-read", readers)?,
            poller: Lane::start("doorward-poll", vec![migrations::connect(path)?])?,
            last_poll: Arc::default(),
        })
    }

    /// Runs one write transaction; an error from `work` rolls it back.
    async fn write<T, Work>(&self, work: Work) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Work: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.run(move |connection| transact(connection, TransactionBehavior::Immediate, work)).await
    }

    /// Runs reads on one snapshot.
    async fn read<T, Work>(&self, work: Work) -> Result<T, StoreError>
    where
        T: Send + 'static,
        Work: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.run(move |connection| transact(connection, TransactionBehavior::Deferred, work)).await
    }
}

fn transact<T>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(behavior).map_err(unavailable)?;
    let done = work(&transaction)?;
    transaction.commit().map_err(unavailable)?;
    Ok(done)
}
