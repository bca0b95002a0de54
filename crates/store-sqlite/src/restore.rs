//! Restores: a backup replaces a store that no process has open.

use std::fs::File;
use std::path::{Path, PathBuf};

use doorward_audit::EventDraft;
use doorward_store::{OpenMode, Revision, StoreError, StoreIdentity};
use doorward_store_sql::sql;
use doorward_types::Incarnation;
use rusqlite::{Connection, TransactionBehavior};

use crate::backup::{Partial, absolute, is_sound, sync_folder_of};
use crate::error::{is_busy, is_damage, of_files, unavailable};
use crate::files::{FileId, Place, with_suffix};
use crate::queue::on_a_thread;
use crate::settings::FULL;
use crate::{coherence, identity, lost, migrations, opening, row};

/// A restored store.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Restored {
    /// The store's own record, with a new incarnation.
    pub identity: StoreIdentity,
    /// The newest change in the store.
    pub revision: Revision,
    /// The new path of the replaced file, if that file was damaged.
    pub damaged: Option<PathBuf>,
}

/// Puts a backup's store at the path `to`, and writes the event of the restore. The old store is replaced, or moved
/// aside if it is damaged. If the restore fails, the old store stays.
///
/// The restored store begins a new incarnation, so that no node mistakes its history for the old one. Nodes must
/// register again, and operators must sign in again.
///
/// # Errors
///
/// [`StoreError::NotFound`] if there is no backup. [`StoreError::UnsupportedSchema`] if a newer program made the
/// backup. [`StoreError::UnfinishedCopy`] if the backup is an unfinished copy. [`StoreError::Unavailable`] if the
/// backup is damaged or not a Doorward store, if a process has the store at `to` open, or if `to` is another program's
/// file.
pub async fn restore(from: impl AsRef<Path>, to: impl AsRef<Path>, event: EventDraft) -> Result<Restored, StoreError> {
    let (from, to) = (absolute(from.as_ref())?, absolute(to.as_ref())?);
    on_a_thread(move || restore_blocking(&from, &to, &event)).await
}

fn restore_blocking(from: &Path, to: &Path, event: &EventDraft) -> Result<Restored, StoreError> {
    let from = Place::existing(from)?.ok_or(StoreError::NotFound)?;
    let old = Place::existing(to)?;
    if old.as_ref().is_some_and(|old| FileId::at(&old.real).ok() == FileId::at(&from.real).ok()) {
        return Err(unavailable("the backup and the store are the same file: name the backup's file"));
    }
    let source = sound(&from)?;
    let to = old.as_ref().map_or(to, |old| &old.real);
    let old = old.as_ref().map_or(Ok(Old::None), Old::hold)?;
    let partial = Partial::begin(to)?;
    partial.fill(&source)?;
    let (identity, revision) = prepare(&partial, old.incarnation(), event)?;
    partial.sync()?;
    let damaged = old.give_way(to)?;
    partial.put_at(to)?;
    old.let_go();
    Ok(Restored { identity, revision, damaged })
}

/// Connects to a backup. Fails if the backup is damaged.
fn sound(backup: &Place) -> Result<Connection, StoreError> {
    let look = || {
        let source = opening::look(backup, FULL)?;
        is_sound(&source, &backup.real)?;
        Ok(source)
    };
    look().map_err(|error| match is_damage(&error) {
        true => unavailable(format!("{} is damaged or not a backup: use another backup", backup.real.display())),
        false => error,
    })
}

/// Makes the copy a separate store. Its incarnation is higher than the backup's and the old store's.
fn prepare(
    partial: &Partial,
    old: Option<Incarnation>,
    event: &EventDraft,
) -> Result<(StoreIdentity, Revision), StoreError> {
    let mut copy = partial.connect()?;
    // Nobody uses the copy yet.
    migrations::run(&mut copy, &partial.path, OpenMode::Create.into())?;
    let transaction = copy.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
    for table in ["sessions", "sign_ins", "link_sessions"] {
        row::write_some(&transaction, &sql(format!("DELETE FROM {table}")))?;
    }
    lost::begin_incarnation(&transaction, old.unwrap_or_default(), event)?;
    lost::answer_for_all(&transaction)?;
    let prepared = (identity::of(&transaction)?, coherence::position(&transaction)?.revision);
    transaction.commit().map_err(unavailable)?;
    Ok(prepared)
}

/// The store that is replaced. The connection or the file locks it, so that no process can open it meanwhile.
enum Old {
    None,
    Held(Connection, Option<Incarnation>),
    Damaged(File),
}

impl Old {
    fn hold(place: &Place) -> Result<Self, StoreError> {
        place.inspect()?;
        match hold(place) {
            Err(error) if is_damage(&error) => lock(&place.real).map(Self::Damaged),
            held => held.map(|(connection, incarnation)| Self::Held(connection, incarnation)),
        }
    }

    const fn incarnation(&self) -> Option<Incarnation> {
        match self {
            Self::Held(_, incarnation) => *incarnation,
            Self::None | Self::Damaged(_) => None,
        }
    }

    /// Removes the files that the new store would read as its own. Returns the new path of a damaged file. The lock
    /// stays: a process that waited for the lock finds another file at the path, and fails.
    fn give_way(&self, to: &Path) -> Result<Option<PathBuf>, StoreError> {
        let beside = ["-wal", "-shm", "-journal"].map(|suffix| with_suffix(to, suffix));
        match self {
            Self::None | Self::Held(..) => {
                for path in beside {
                    // A log without a store was left over.
                    remove(&path)?;
                }
                Ok(None)
            }
            Self::Damaged(_) => {
                let aside = with_suffix(to, ".damaged");
                if aside.exists() {
                    return Err(unavailable(format!("{} exists: move it elsewhere", aside.display())));
                }
                let [log, index, journal] = beside;
                remove(&index)?;
                let moves = [(log, "-wal"), (journal, "-journal"), (to.to_owned(), "")];
                for (path, suffix) in moves.into_iter().filter(|(path, _)| path.exists()) {
                    std::fs::rename(&path, with_suffix(&aside, suffix))
                        .map_err(|error| of_files(&error, path.display()))?;
                }
                sync_folder_of(to).map_err(|error| of_files(&error, to.display()))?;
                Ok(Some(aside))
            }
        }
    }

    /// Releases the locks.
    fn let_go(self) {
        match self {
            Self::None => {}
            Self::Held(connection, _) => drop(connection),
            Self::Damaged(lock) => drop(lock),
        }
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(of_files(&error, path.display())),
        _ => Ok(()),
    }
}

/// Locks a readable store and reads its incarnation. Checkpoints its write-ahead log into the file and removes the log.
fn hold(place: &Place) -> Result<(Connection, Option<Incarnation>), StoreError> {
    let in_use = || {
        unavailable(format!(
            "a process has {} open: stop all programs that use the store, then restore it",
            place.real.display()
        ))
    };
    let connection = opening::look(place, FULL)?;
    // Waiting is useless: a process that has the store open keeps it open.
    connection.busy_timeout(std::time::Duration::ZERO).map_err(unavailable)?;
    let knows_incarnation = migrations::check(&connection, &place.real)? >= migrations::FIRST_WITH_IDENTITY;
    let incarnation = knows_incarnation.then(|| identity::incarnation(&connection)).transpose()?;
    let mode = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    match mode("PRAGMA journal_mode = DELETE") {
        Ok(mode) if mode == "delete" => {}
        Err(error) if !is_busy(&error) => return Err(unavailable(error)),
        _ => return Err(in_use()),
    }
    // Only an exclusive transaction in this mode excludes every other process. A process may have opened the store
    // meanwhile.
    connection.execute_batch("BEGIN EXCLUSIVE").map_err(|_| in_use())?;
    match mode("PRAGMA journal_mode") {
        Ok(mode) if mode == "delete" => Ok((connection, incarnation)),
        _ => Err(in_use()),
    }
}

/// Locks a file that SQLite cannot read. Fails if a process has it open through SQLite.
fn lock(path: &Path) -> Result<File, StoreError> {
    let file = File::options().read(true).write(true).open(path);
    let file = file.map_err(|error| of_files(&error, path.display()))?;
    #[cfg(unix)]
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        unavailable(format!(
            "{} is damaged, and a process has it open: stop all programs that use the store, then restore it",
            path.display()
        ))
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No process can open the store between the last check and the swap.
    #[tokio::test]
    async fn a_store_that_gives_way_cannot_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.db");
        drop(crate::SqliteStore::open(&path, OpenMode::Create).await.unwrap());
        let read = || {
            let other = Connection::open(&path)?;
            other.busy_timeout(std::time::Duration::ZERO)?;
            other.query_row("SELECT count(*) FROM store", [], |row| row.get::<_, i64>(0))
        };
        let old = Old::hold(&Place::existing(&path).unwrap().unwrap()).unwrap();
        assert!(read().is_err_and(|error| is_busy(&error)));
        old.let_go();
        assert_eq!(read().unwrap(), 1);
    }
}
