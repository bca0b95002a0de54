//! Backups: one file with everything that was committed before the backup began.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;

use doorward_store::{Revision, StoreError};
use doorward_store_sql::sql;
use doorward_types::Incarnation;
use futures_util::future::{Either, select};
use rusqlite::Connection;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::connection::connect_to;
use crate::error::{of_files, unavailable};
use crate::files::{create_private, with_suffix};
use crate::reader::Reader;
use crate::settings::FULL;
use crate::{SqliteStore, migrations, row};

/// The number of SQLite's steps between two reports, which take about a millisecond.
const REPORT_EVERY: i32 = 10_000;

/// The progress of a backup.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BackupProgress {
    /// The bytes written so far.
    pub bytes: u64,
    /// The size of the store. The backup may need fewer bytes.
    pub of: u64,
}

/// A backup that is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BackedUp {
    /// The size of the file.
    pub bytes: u64,
    /// The newest change in the backup.
    pub revision: Revision,
    /// The incarnation of the store at that time.
    pub incarnation: Incarnation,
}

impl SqliteStore {
    /// Writes a backup of the store into a new file, while the store is in use. The file appears at its path only after
    /// it was checked and is on the disk. Only this user can read it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the file exists, cannot be written, or fails SQLite's own check.
    /// [`StoreError::UnfinishedCopy`] if a copy into the store was not finished.
    pub async fn backup(
        &self,
        to: impl AsRef<Path>,
        report: &mut (dyn FnMut(BackupProgress) + Send),
    ) -> Result<BackedUp, StoreError> {
        let to = absolute(to.as_ref())?;
        let (told, mut progress) = unbounded_channel();
        let connection_thread = self.engine.connection_thread("doorward-backup", 1);
        let work = pin!(connection_thread.run(move |reader| write(reader, &to, told)));
        let reports = pin!(async {
            while let Some(step) = progress.recv().await {
                report(step);
            }
        });
        match select(work, reports).await {
            Either::Left((done, _)) => done,
            Either::Right(((), work)) => work.await,
        }
    }
}

fn write(reader: &mut Reader, to: &Path, told: UnboundedSender<BackupProgress>) -> Result<BackedUp, StoreError> {
    if to.exists() {
        return Err(unavailable(format!("{} exists: name a new file", to.display())));
    }
    reader.prove()?;
    reader.connection.pragma_update(None, "query_only", false).map_err(unavailable)?;
    let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let of = reader.connection.query_row(size, [], |row| row.get(0)).map_err(unavailable)?;
    let partial = Partial::begin(to)?;
    let path = partial.path.clone();
    let tell = move || {
        let bytes = std::fs::metadata(&path).map_or(0, |found| found.len());
        // The backup was cancelled if its receiver is gone.
        told.send(BackupProgress { bytes, of }).is_err()
    };
    reader.connection.progress_handler(REPORT_EVERY, Some(tell.clone())).map_err(unavailable)?;
    partial.fill(&reader.connection)?;
    reader.prove()?;
    let mut copied = partial.connect()?;
    copied.progress_handler(REPORT_EVERY, Some(tell)).map_err(unavailable)?;
    is_sound(&copied, &partial.path)?;
    let (revision, incarnation) = state_of(&copied)?;
    drop(copied);
    let bytes = partial.sync()?;
    if to.exists() {
        return Err(unavailable(format!("{} was made by another program: name another file", to.display())));
    }
    partial.put_at(to)?;
    Ok(BackedUp { bytes, revision, incarnation })
}

/// Returns the newest change and the incarnation of a copy, whose schema may be older.
fn state_of(copied: &Connection) -> Result<(Revision, Incarnation), StoreError> {
    let revision = row::value(copied, &sql("SELECT value FROM revision WHERE id = 1"))?.unwrap_or_default();
    let version: i64 = copied.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unavailable)?;
    if version < migrations::FIRST_WITH_IDENTITY {
        return Ok((revision, Incarnation::FIRST));
    }
    let incarnation = row::value(copied, &sql("SELECT incarnation FROM store WHERE id = 1"))?;
    Ok((revision, incarnation.unwrap_or(Incarnation::FIRST)))
}

/// Returns the absolute path.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|error| of_files(&error, format!("the path {}", path.display())))
}

/// Fails if the file is damaged.
pub(crate) fn is_sound(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    migrations::check(connection, path)?;
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(unavailable)?;
    if found == "ok" {
        return Ok(());
    }
    Err(unavailable(format!("{} is damaged ({found}): use another backup", path.display())))
}

/// A file that is being written beside its final path. Dropping it removes the file, unless the file was moved to that
/// path.
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    is_placed: bool,
}

impl Partial {
    /// Creates an empty file beside `to`.
    pub(crate) fn begin(to: &Path) -> Result<Self, StoreError> {
        let path = with_suffix(to, ".partial");
        if create_private(&path)? {
            return Ok(Self { path, is_placed: false });
        }
        Err(unavailable(format!(
            "{} exists: a program is writing it, or was stopped while it wrote. If no program is running, remove the file",
            path.display()
        )))
    }

    /// Writes the connection's snapshot into the file.
    pub(crate) fn fill(&self, from: &Connection) -> Result<(), StoreError> {
        let path = self.path.to_str().ok_or_else(|| unavailable("the path is not UTF-8: name another path"))?;
        from.execute("VACUUM INTO ?1", [path]).map(drop).map_err(unavailable)
    }

    pub(crate) fn connect(&self) -> Result<Connection, StoreError> {
        connect_to(&self.path, FULL)
    }

    /// Syncs the file to the disk and returns its size. No connection may have the file open.
    pub(crate) fn sync(&self) -> Result<u64, StoreError> {
        let sync = || {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.sync_all()?;
            file.metadata()
        };
        sync().map(|found| found.len()).map_err(|error| of_files(&error, self.path.display()))
    }

    /// Moves the file to its final path, and replaces an existing file.
    pub(crate) fn put_at(mut self, to: &Path) -> Result<(), StoreError> {
        std::fs::rename(&self.path, to).map_err(|error| of_files(&error, to.display()))?;
        self.is_placed = true;
        sync_folder_of(to).map_err(|error| of_files(&error, to.display()))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_placed {
            for suffix in ["", "-journal"] {
                // If the file stays, the next attempt reports it.
                let _ = std::fs::remove_file(with_suffix(&self.path, suffix));
            }
        }
    }
}

/// Syncs a new name in a folder to the disk.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
