//! A store: a handle that reads and writes.

use std::path::Path;
use std::sync::Arc;

use doorward_audit::EventDraft;
use doorward_store::{Opening, SchemaState, Sourced, StoreError};
use doorward_store_sql::{FromRow, Statement};
use rusqlite::{Connection, Transaction};

use crate::connection_thread::ConnectionThread;
use crate::engine::Engine;
use crate::queue::{Urgency, on_a_thread};
use crate::settings::Settings;
use crate::{identity, logs, opening, row};

/// The number of concurrent short reads.
const READERS: usize = 2;

/// A store in one SQLite file. Dropping the last handle finishes the jobs that were begun, and closes the file.
/// [`doorward_store::KeyStore::close`] closes it for all handles, and does not block.
#[derive(Debug)]
pub struct SqliteStore {
    /// The threads of short reads. They also run polls, unless a node owns this handle.
    reads: Arc<ConnectionThread>,
    pub(crate) polls: Arc<ConnectionThread>,
    /// The thread of long reads. Long reads delay only each other.
    scans: Arc<ConnectionThread>,
    pub(crate) engine: Arc<Engine>,
}

impl SqliteStore {
    /// Opens a store. With [`OpenMode::Create`](doorward_store::OpenMode::Create), brings its schema up to date.
    ///
    /// The process must open the file only through SQLite: closing another descriptor of the file drops SQLite's locks.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if the file is missing and `opening` does not create it. [`StoreError::OlderSchema`] if the
    /// schema is older, and `opening` does not migrate it. [`StoreError::UnsupportedSchema`]
    /// if only newer programs may use the store. [`StoreError::ForeignTables`] if the file is another program's database.
    /// [`StoreError::Unavailable`] if the file cannot be opened, has several names (hard links), or is mounted without its
    /// folder.
    pub async fn open(path: impl AsRef<Path>, opening: impl Into<Opening>) -> Result<Self, StoreError> {
        let (path, opening) = (path.as_ref().to_owned(), opening.into());
        on_a_thread(move || Self::open_blocking(&path, opening, Settings::default())).await
    }

    /// Returns the version of a store's schema. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if the file is missing. Otherwise as [`SqliteStore::open`].
    pub async fn schema(path: impl AsRef<Path>) -> Result<SchemaState, StoreError> {
        let path = path.as_ref().to_owned();
        on_a_thread(move || opening::schema(&path)).await
    }

    pub(crate) fn open_blocking(path: &Path, opening: Opening, settings: Settings) -> Result<Self, StoreError> {
        let (connection, files) = opening::open(path, opening, settings)?;
        let engine = Engine::start(connection, files);
        let reads = engine.connection_thread("doorward-read", READERS);
        let scans = engine.connection_thread("doorward-scan", 1);
        Ok(Self { polls: Arc::clone(&reads), reads, scans, engine })
    }

    /// Returns a handle with its own threads, for a node. Dropping the handle closes their connections.
    pub(crate) fn apart(&self) -> Self {
        let (polls, reads) =
            (self.engine.connection_thread("doorward-poll", 1), self.engine.connection_thread("doorward-control", 1));
        Self { reads, polls, scans: Arc::clone(&self.scans), engine: Arc::clone(&self.engine) }
    }

    pub(crate) async fn write_at<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.engine.writer.run(urgency, work).await
    }

    /// Runs a write of data in a transaction. An error from `work` undoes its writes.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_at(Urgency::Data, work).await
    }

    /// Runs a write that has precedence over writes of data.
    pub(crate) async fn write_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_at(Urgency::Change, work).await
    }

    /// Runs reads on one snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.reads.read(work).await
    }

    /// Runs reads on one snapshot, and adds the provenance to the result.
    pub(crate) async fn sourced<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Sourced<T>, StoreError> {
        self.read(move |connection| identity::sourced(connection, work(connection)?)).await
    }

    /// Writes one row and its event. Fails with [`StoreError::NotFound`] if there is no such row.
    pub(crate) async fn write_with_event(&self, statement: Statement, event: &EventDraft) -> Result<(), StoreError> {
        let event = event.clone();
        self.write_first(move |connection| {
            row::write(connection, &statement)?;
            logs::append(connection, &event)
        })
        .await
    }

    /// Writes any number of rows, and the event if a row was written. Returns the number of rows.
    pub(crate) async fn touch(&self, statement: Statement, event: EventDraft) -> Result<u64, StoreError> {
        self.write(move |connection| {
            let touched = row::write_some(connection, &statement)?;
            logs::append_if(connection, touched > 0, &event)?;
            Ok(touched)
        })
        .await
    }

    /// Writes one row of data. Fails with [`StoreError::NotFound`] if there is no such row.
    pub(crate) async fn write_one(&self, statement: Statement) -> Result<(), StoreError> {
        self.write(move |connection| row::write(connection, &statement)).await
    }

    /// Writes any number of rows of data and returns the number.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        self.write(move |connection| row::write_some(connection, &statement)).await
    }

    /// Writes rows of data together.
    pub(crate) async fn write_all(&self, statements: Vec<Statement>) -> Result<(), StoreError> {
        self.write(move |connection| row::write_all(connection, &statements)).await
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

    /// Reads rows by a read that may take long.
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
