//! A store: a handle that reads and writes.

use std::path::Path;
use std::sync::Arc;

use doorward_store::{OpenMode, StoreError};
use doorward_store_sql::{FromRow, Statement};
use rusqlite::{Connection, Transaction};

use crate::control::Control;
use crate::engine::Engine;
use crate::lane::Lane;
use crate::queue::{Urgency, on_a_thread};
use crate::settings::Settings;
use crate::{opening, row};

/// The number of short reads that go on side by side.
const READERS: usize = 2;

/// A store in one SQLite file. Dropping it finishes what was begun and closes the file, unless a control handle still has
/// it open. [`doorward_store::KeyStore::close`] closes it for all handles, and does not block.
#[derive(Debug)]
pub struct SqliteStore {
    /// The lanes of requests, as the coherence protocol uses them if nobody asked for a control handle.
    pub(crate) requests: Control,
    /// Reads that may take long: they stand in each other's way, and in nobody else's.
    scans: Arc<Lane>,
    pub(crate) engine: Arc<Engine>,
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

    pub(crate) fn open_blocking(path: &Path, mode: OpenMode, settings: Settings) -> Result<Self, StoreError> {
        let (connection, files) = opening::open(path, mode, settings)?;
        let engine = Engine::start(connection, files);
        let readers = engine.lane("doorward-read", READERS);
        let scans = engine.lane("doorward-scan", 1);
        Ok(Self { requests: Control::new(&engine, Arc::clone(&readers), readers), scans, engine })
    }

    /// Runs a write of data in a transaction; an error from `work` takes back what it did.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.engine.writer.run(Urgency::Data, work).await
    }

    /// Runs a write that goes before those of data.
    pub(crate) async fn write_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.engine.writer.run(Urgency::Change, work).await
    }

    /// Runs reads on one snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.requests.reads.read(work).await
    }

    /// Writes any number of rows of data; returns how many.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        self.write(move |connection| row::write_some(connection, &statement)).await
    }

    /// Reads the first row, if there is one.
    pub(crate) async fn find<T: FromRow + Send + 'static>(
        &self,
        statement: Statement,
    ) -> Result<Option<T>, StoreError> {
        self.read(move |connection| row::find(connection, &statement)).await
    }

    /// Reads some rows.
    pub(crate) async fn list<T: FromRow + Send + 'static>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        self.read(move |connection| row::list(connection, &statement)).await
    }

    /// Reads rows, which may take long.
    pub(crate) async fn scan_all<T: FromRow + Send + 'static>(
        &self,
        statement: Statement,
    ) -> Result<Vec<T>, StoreError> {
        self.scan(move |connection| row::list(connection, &statement)).await
    }

    /// Runs reads on one snapshot that may take long.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.scans.read(work).await
    }
}
