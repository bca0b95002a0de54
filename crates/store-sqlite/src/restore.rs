//! Restores: a backup takes the place of a store that no process has open.

use std::fs::File;
use std::path::{Path, PathBuf};

use doorward_audit::EventDraft;
use doorward_store::{Revision, StoreError, StoreIdentity};
use doorward_store_sql::sql;
use doorward_types::Incarnation;
use rusqlite::{Connection, TransactionBehavior};

use crate::backup::{Partial, absolute, is_sound, sync_folder_of};
use crate::error::{is_busy, is_damage, of_files, unavailable};
use crate::files::{FileId, Place, with_suffix};
use crate::queue::on_a_thread;
use crate::settings::FULL;
use crate::{coherence, identity, lost, migrations, opening, row};

/// A store that was restored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restored {
    /// The store's record of itself: its incarnation is a new one.
    pub identity: StoreIdentity,
    /// The newest change that the store has.
    pub revision: Revision,
    /// The new path of the file that was there before, if that file was damaged.
    pub damaged: Option<PathBuf>,
}

/// Puts the store of a backup at the path `to`, and writes the event that tells of it. What stood there is replaced, unless
/// it is damaged: then it is moved aside. If this fails, the old store stays.
///
/// The restored store begins an incarnation of its own, so that no node takes its history for the one from before. Nodes
/// have to register there, and operators to sign in.
///
/// # Errors
///
/// [`StoreError::Missing`], if there is no backup; [`StoreError::UnsupportedSchema`], if it is a newer program's;
/// [`StoreError::Unfinished`], if it is half a copy; [`StoreError::Unavailable`], if the backup is damaged or no store of
/// Doorward's, if any process has the store at `to` open, or if another program's file stands there.
pub async fn restore(from: impl AsRef<Path>, to: impl AsRef<Path>, event: EventDraft) -> Result<Restored, StoreError> {
    let (from, to) = (absolute(from.as_ref())?, absolute(to.as_ref())?);
    on_a_thread(move || restore_blocking(&from, &to, &event)).await
}

fn restore_blocking(from: &Path, to: &Path, event: &EventDraft) -> Result<Restored, StoreError> {
    let from = Place::existing(from)?.ok_or(StoreError::Missing)?;
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

/// Connects to a backup that is whole.
fn sound(backup: &Place) -> Result<Connection, StoreError> {
    let look = || {
        let source = opening::look(backup, FULL)?;
        is_sound(&source, &backup.real)?;
        Ok(source)
    };
    look().map_err(|error| match is_damage(&error) {
        true => unavailable(format!("{} is damaged, or no backup: use another one", backup.real.display())),
        false => error,
    })
}

/// Makes the copy a store that goes on by itself, in an incarnation after both of its forerunners'.
fn prepare(
    partial: &Partial,
    old: Option<Incarnation>,
    event: &EventDraft,
) -> Result<(StoreIdentity, Revision), StoreError> {
    let mut copy = partial.connect()?;
    migrations::run(&mut copy, &partial.path)?;
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

/// The store that gives way. The connection or the file has it locked, so that no process can open it meanwhile.
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

    /// Removes the files that would be read as the new store's; returns the new path of a damaged file. The lock lasts: a
    /// process that waited for the lock finds another file at the path, and does not go on.
    fn give_way(&self, to: &Path) -> Result<Option<PathBuf>, StoreError> {
        let beside = ["-wal", "-shm", "-journal"].map(|suffix| with_suffix(to, suffix));
        match self {
            Self::None | Self::Held(..) => {
                for path in beside {
                    // A log without a store is one that was left over.
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

    /// Lets go of the locks.
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

/// Locks a store that can be read, and reads its incarnation. Its write-ahead log goes into the file and is removed.
fn hold(place: &Place) -> Result<(Connection, Option<Incarnation>), StoreError> {
    let in_use = || {
        unavailable(format!(
            "a process has {} open: stop all programs that use the store, then restore it",
            place.real.display()
        ))
    };
    let connection = opening::look(place, FULL)?;
    // A process that has the store open does not let go of it soon.
    connection.busy_timeout(std::time::Duration::ZERO).map_err(unavailable)?;
    let knows_incarnation = migrations::check(&connection, &place.real)? >= migrations::FIRST_WITH_IDENTITY;
    let incarnation = knows_incarnation.then(|| identity::incarnation(&connection)).transpose()?;
    let mode = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    match mode("PRAGMA journal_mode = DELETE") {
        Ok(mode) if mode == "delete" => {}
        Err(error) if !is_busy(&error) => return Err(unavailable(error)),
        _ => return Err(in_use()),
    }
    // Only in this mode does a transaction keep everybody else out: somebody may have opened the store in between.
    connection.execute_batch("BEGIN EXCLUSIVE").map_err(|_| in_use())?;
    match mode("PRAGMA journal_mode") {
        Ok(mode) if mode == "delete" => Ok((connection, incarnation)),
        _ => Err(in_use()),
    }
}

/// Locks a file that SQLite cannot read, against every process that has it open through SQLite.
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

    /// Nobody can open the store between the last look and the swap.
    #[tokio::test]
    async fn a_store_that_gives_way_cannot_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.db");
        drop(crate::SqliteStore::open(&path, doorward_store::OpenMode::Create).await.unwrap());
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
