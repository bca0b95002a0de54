//! The embedded engine: one SQLite file that several processes (servers, the command line) may share.
//!
//! One thread writes and several read. A node's control plane ([`doorward_store::Coherence::control`]) has threads and
//! connections of its own, so that no request stands in its way. `synchronous=FULL`, always: with `NORMAL`, a power loss
//! can undo a commit in WAL mode, and a dead key comes back.
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
//!
//! While the store is open, its files belong together: `-wal` and `-shm` beside the file itself. If one of them is moved,
//! removed, replaced or linked to, other programs see another store, and everything here ends with
//! [`doorward_store::Doubt::Moved`]. A store that was closed is one file. [`SqliteStore::backup`] and [`restore()`] copy a
//! store, and put a copy in its place, without a look at these files.

mod audit;
mod backup;
mod change;
mod coherence;
mod connection;
mod control;
mod copy;
mod error;
#[cfg(test)]
mod faults;
mod files;
#[cfg(test)]
mod floods;
mod identity;
mod keys;
mod lane;
mod links;
mod lost;
mod migrations;
mod opening;
mod operators;
mod outbox;
mod queue;
mod restore;
mod row;
mod sealing;
mod sign_ins;
mod tables;
mod tool_calls;
mod usage;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use doorward_store::{OpenMode, StoreError};
use doorward_store_sql::{FromRow, Statement};
use rusqlite::{Connection, Transaction};

pub use crate::backup::{BackedUp, BackupProgress};
pub use crate::restore::{Restored, restore};

use crate::connection::Settings;
use crate::control::Control;
use crate::files::Files;
use crate::lane::Lane;
use crate::queue::Urgency;
use crate::writer::Writer;

/// The number of short reads that go on side by side.
const READERS: usize = 2;

/// A store in one SQLite file. Dropping it finishes what was begun and closes the file, unless a control handle still has
/// it open. [`doorward_store::KeyStore::close`] closes it for all handles, and does not block.
#[derive(Debug)]
pub struct SqliteStore {
    /// The lanes of requests, as the coherence protocol uses them if nobody asked for a control handle.
    requests: Control,
    /// Reads that may take long: they stand in each other's way, and in nobody else's.
    scans: Arc<Lane>,
    engine: Arc<Engine>,
}

/// The open files, which all handles on a store share. They are closed with the last handle.
struct Engine {
    files: Arc<Files>,
    /// Every lane with connections; none once the store is closed.
    lanes: Mutex<Option<Vec<Weak<Lane>>>>,
    /// Its connection is closed last, and takes the files beside the store's away.
    writer: Writer,
}

impl SqliteStore {
    /// Opens a store, and brings its schema up to date.
    ///
    /// The process must not open the file by other means than SQLite: closing it would drop SQLite's locks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`], if there is no file and none is to be made; [`StoreError::UnsupportedSchema`], if only newer
    /// programs may use the store; [`StoreError::Unavailable`], if the file cannot be opened, is no store of Doorward's, has
    /// several names, or is mounted by itself.
    pub async fn open(path: impl AsRef<Path>, mode: OpenMode) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        on_a_thread(move || Self::open_blocking(&path, mode, Settings::default())).await
    }

    fn open_blocking(path: &Path, mode: OpenMode, settings: Settings) -> Result<Self, StoreError> {
        let (writer, files) = opening::open(path, mode, settings)?;
        let files = Arc::new(files);
        let writer = Writer::start(writer, &files);
        let engine = Arc::new(Engine { files, lanes: Mutex::new(Some(vec![])), writer });
        let readers = engine.lane("doorward-read", READERS);
        let scans = engine.lane("doorward-scan", 1);
        Ok(Self { requests: Control::new(&engine, Arc::clone(&readers), readers), scans, engine })
    }

    /// Runs a write of data in a transaction; an error from `work` takes back what it did.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.engine.writer.run(Urgency::Data, work).await
    }

    /// Runs a write that goes before those of data.
    async fn write_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.engine.writer.run(Urgency::Change, work).await
    }

    /// Runs reads on one snapshot.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.requests.reads.read(work).await
    }

    /// Writes any number of rows of data; returns how many.
    async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        self.write(move |connection| row::write_some(connection, &statement)).await
    }

    /// Reads the first row, if there is one.
    async fn find<T: FromRow + Send + 'static>(&self, statement: Statement) -> Result<Option<T>, StoreError> {
        self.read(move |connection| row::find(connection, &statement)).await
    }

    /// Reads some rows.
    async fn list<T: FromRow + Send + 'static>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        self.read(move |connection| row::list(connection, &statement)).await
    }

    /// Reads rows, which may take long.
    async fn scan_all<T: FromRow + Send + 'static>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        self.scan(move |connection| row::list(connection, &statement)).await
    }

    /// Runs reads on one snapshot that may take long.
    async fn scan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.scans.read(work).await
    }
}

impl Engine {
    /// Starts threads that read, each with a connection of its own.
    fn lane(&self, name: &str, threads: usize) -> Arc<Lane> {
        let lane = Arc::new(Lane::start(name, threads, &self.files));
        match &mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(lanes) => {
                lanes.retain(|lane| lane.strong_count() > 0);
                lanes.push(Arc::downgrade(&lane));
            }
            None => lane.close(),
        }
        lane
    }

    /// Ends what was begun, and closes all connections: the writer's last.
    fn close(&self) {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).take();
        for lane in lanes.iter().flatten().filter_map(Weak::upgrade) {
            lane.close();
        }
        self.writer.close();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.files.fmt(f)
    }
}

/// Runs what blocks for as long as a disk or another process takes.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(work()));
    answered.await.unwrap_or_else(|_| Err(lane::gave_up()))
}
