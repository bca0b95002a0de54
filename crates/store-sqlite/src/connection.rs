//! Opening connections, with the same settings for every use.

use std::path::Path;
use std::time::Duration;

use doorward_store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::unavailable;
use crate::files::{Files, has_log};

/// The pause between two attempts to get a lock that another process holds. A busy process leaves the lock free for at
/// least 0.1 ms between two transactions.
const RETRY_INTERVAL: Duration = Duration::from_micros(250);

/// The maximum number of attempts: ten seconds in total. A transaction takes milliseconds.
const MAX_RETRIES: i32 = 40_000;

pub(crate) fn connect(files: &Files) -> Result<Connection, StoreError> {
    let connection = connect_to(&files.place.real, files.settings.synchronous)?;
    own(&connection)?;
    Ok(connection)
}

/// Lets the connection checkpoint the write-ahead log when it closes the store's file as the last connection.
pub(crate) fn own(connection: &Connection) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop).map_err(unavailable)
}

/// Connects to an unknown file. If the file is unusable, its write-ahead log stays unchanged.
pub(crate) fn connect_to(path: &Path, synchronous: &str) -> Result<Connection, StoreError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let has_log = has_log(path);
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)?;
        connection.busy_handler(Some(retry as fn(i32) -> bool))?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| unavailable(error))
}

/// Waits between two attempts. Returns false after the last attempt.
pub(crate) fn retry(tries: i32) -> bool {
    std::thread::sleep(RETRY_INTERVAL);
    tries < MAX_RETRIES
}
