//! Backups: one file that holds all that was committed when the backup began.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;

use doorward_store::{Revision, StoreError};
use doorward_types::Incarnation;
use futures_util::future::{Either, select};
use rusqlite::Connection;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::connection::connect_to;
use crate::error::{of_files, unavailable};
use crate::files::{create_private, with_suffix};
use crate::reader::Reader;
use crate::settings::FULL;
use crate::{SqliteStore, coherence, identity, migrations};

/// The number of SQLite's steps between two reports: about a millisecond.
const REPORT_EVERY: i32 = 10_000;

/// The progress of a backup.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BackupProgress {
    /// The bytes that are written.
    pub bytes: u64,
    /// The bytes that the store has; the backup may need fewer.
    pub of: u64,
}

/// A backup that is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BackedUp {
    /// The size of the file.
    pub bytes: u64,
    /// The newest change in the backup.
    pub revision: Revision,
    /// The incarnation of the store at that time.
    pub incarnation: Incarnation,
}

impl SqliteStore {
    /// Writes a backup of the store into a new file, while the store is in use. The file is complete from the moment that
    /// it stands at its path: it is checked first, and on the disk. Nobody but this user can read it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`], if the file exists, cannot be written, or does not pass SQLite's own check;
    /// [`StoreError::Unfinished`], if a copy into the store was not finished.
    pub async fn backup(
        &self,
        to: impl AsRef<Path>,
        report: &mut (dyn FnMut(BackupProgress) + Send),
    ) -> Result<BackedUp, StoreError> {
        let to = absolute(to.as_ref())?;
        let (told, mut progress) = unbounded_channel();
        let lane = self.engine.lane("doorward-backup", 1);
        let work = pin!(lane.run(move |reader| write(reader, &to, told)));
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
        return Err(unavailable(format!("{} exists: name a file that does not", to.display())));
    }
    reader.prove()?;
    reader.connection.pragma_update(None, "query_only", false).map_err(unavailable)?;
    let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let of = reader.connection.query_row(size, [], |row| row.get(0)).map_err(unavailable)?;
    let partial = Partial::begin(to)?;
    let path = partial.path.clone();
    let tell = move || {
        let bytes = std::fs::metadata(&path).map_or(0, |found| found.len());
        // If nobody listens, the backup was given up.
        told.send(BackupProgress { bytes, of }).is_err()
    };
    reader.connection.progress_handler(REPORT_EVERY, Some(tell.clone())).map_err(unavailable)?;
    partial.fill(&reader.connection)?;
    reader.prove()?;
    let mut copied = partial.connect()?;
    copied.progress_handler(REPORT_EVERY, Some(tell)).map_err(unavailable)?;
    is_sound(&copied, &partial.path)?;
    let (revision, incarnation) = (coherence::position(&copied)?.revision, identity::of(&copied)?.incarnation);
    drop(copied);
    let bytes = partial.sync()?;
    if to.exists() {
        return Err(unavailable(format!("{} was made by another program: name another file", to.display())));
    }
    partial.put_at(to)?;
    Ok(BackedUp { bytes, revision, incarnation })
}

/// Returns the path from the root on.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|error| of_files(&error, format!("the path {}", path.display())))
}

/// Fails if the file is not whole.
pub(crate) fn is_sound(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    migrations::check(connection, path)?;
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(unavailable)?;
    if found == "ok" {
        return Ok(());
    }
    Err(unavailable(format!("{} is damaged ({found}): use another backup", path.display())))
}

/// A file that is being written beside its place. Dropping it removes a file that did not come to its place.
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    is_placed: bool,
}

impl Partial {
    /// Makes an empty file beside `to`.
    pub(crate) fn begin(to: &Path) -> Result<Self, StoreError> {
        let path = with_suffix(to, ".partial");
        if create_private(&path)? {
            return Ok(Self { path, is_placed: false });
        }
        Err(unavailable(format!(
            "{} exists: another program writes it, or was ended while it did. If no program does, remove the file",
            path.display()
        )))
    }

    /// Writes all that the connection's snapshot holds into the file.
    pub(crate) fn fill(&self, from: &Connection) -> Result<(), StoreError> {
        let path = self.path.to_str().ok_or_else(|| unavailable("the path is not UTF-8: name another path"))?;
        from.execute("VACUUM INTO ?1", [path]).map(drop).map_err(unavailable)
    }

    pub(crate) fn connect(&self) -> Result<Connection, StoreError> {
        connect_to(&self.path, FULL)
    }

    /// Brings the file onto the disk; returns its size. No connection may be open on it.
    pub(crate) fn sync(&self) -> Result<u64, StoreError> {
        let sync = || {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.sync_all()?;
            file.metadata()
        };
        sync().map(|found| found.len()).map_err(|error| of_files(&error, self.path.display()))
    }

    /// Moves the file to its place. A file that is there is replaced.
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
                // If it stays, the next attempt says so.
                let _ = std::fs::remove_file(with_suffix(&self.path, suffix));
            }
        }
    }
}

/// Brings a new name in a folder onto the disk.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
