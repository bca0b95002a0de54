use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use doorward_store::StoreError;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::unavailable;

/// Each brings the schema from its place in the list to the next. One that was released is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
    include_str!("../migrations/0004.sql"),
    include_str!("../migrations/0005.sql"),
    include_str!("../migrations/0006.sql"),
    include_str!("../migrations/0007.sql"),
    include_str!("../migrations/0008.sql"),
    include_str!("../migrations/0009.sql"),
];

/// "DWRD": tells a store of ours from any other SQLite file.
const APPLICATION_ID: i64 = 0x4457_5244;

/// Below this version, a checkpoint that races a crash can corrupt a WAL-mode file.
const FIRST_SOUND_SQLITE: i32 = 3_051_003;

/// How long one process waits for another's write transaction, each of which takes well under a millisecond.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn warn_of_old_sqlite() {
    if rusqlite::version_number() < FIRST_SOUND_SQLITE {
        tracing::warn!(version = rusqlite::version(), "SQLite before 3.51.3 has a known fault in WAL mode: update it");
    }
}

/// Makes the file, if there is none, so that no one else can read it. SQLite gives the files beside it the same mode.
pub(crate) fn create_private_file(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| unavailable(format!("cannot open {}: {error}", path.display())))
}

pub(crate) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| unavailable(format!("cannot open {}: {error}", path.display())))
}

pub(crate) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    if version(connection)? == 0 && !is_ours_or_empty(connection)? {
        return Err(unavailable("the file is an SQLite database, but no store of Doorward's"));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(unavailable)?;
    if mode != "wal" {
        return Err(unavailable(format!("the file system does not allow WAL mode (SQLite chose {mode})")));
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
    let supported = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found = version(&transaction)?;
    if found > supported {
        return Err(StoreError::UnsupportedSchema { found, supported });
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration).map_err(unavailable)?;
    }
    if found < supported {
        transaction.pragma_update(None, "user_version", supported).map_err(unavailable)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(unavailable)?;
    }
    transaction.commit().map_err(unavailable)
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unavailable)
}

fn is_ours_or_empty(connection: &Connection) -> Result<bool, StoreError> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(unavailable)?;
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(unavailable)?;
    Ok(tables == 0 || application == APPLICATION_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With NORMAL (1), a power loss can undo a commit in WAL mode, and a dead key comes back.
    #[test]
    fn every_connection_syncs_in_full_and_checks_references() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.db");
        create_private_file(&path).unwrap();
        let connection = connect(&path).unwrap();
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("synchronous"), 2);
        assert_eq!(pragma("foreign_keys"), 1);
    }

    /// Events that were written before positions were kept get theirs, in the order of their times.
    #[test]
    fn events_of_an_older_store_have_positions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.db");
        create_private_file(&path).unwrap();
        let mut connection = connect(&path).unwrap();
        for migration in &MIGRATIONS[..4] {
            connection.execute_batch(migration).unwrap();
        }
        connection.pragma_update(None, "user_version", 4).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        for (log, sequence, time) in [("a", 1, 10), ("a", 2, 30), ("b", 1, 20), ("b", 2, 30)] {
            connection
                .execute(
                    "INSERT INTO audit_events (organization, environment, sequence, time, actor, action, subject, detail)
                     VALUES (?1, 'test', ?2, ?3, 'ada', 'access_key.created', 'key_1', '{}')",
                    rusqlite::params![log, sequence, time],
                )
                .unwrap();
        }
        run(&mut connection).unwrap();
        let sql = "SELECT organization, sequence FROM audit_events ORDER BY position";
        let mut order = connection.prepare(sql).unwrap();
        let order = order.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let order: Vec<(String, i64)> = order.map(Result::unwrap).collect();
        assert_eq!(order, [("a", 1), ("b", 1), ("a", 2), ("b", 2)].map(|(log, place)| (log.to_owned(), place)));
    }
}
