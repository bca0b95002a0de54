//! Connections, as every use of the store sets them up.

use std::path::Path;
use std::time::Duration;

use doorward_store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::unavailable;
use crate::files::{Files, has_log};

/// The time between two tries to get a lock that another process holds. A busy process leaves the lock free for at least
/// a tenth of a millisecond between two transactions.
const RETRY: Duration = Duration::from_micros(250);

/// The number of tries: ten seconds of them, while a transaction takes milliseconds.
const RETRIES: i32 = 40_000;

pub(crate) fn connect(files: &Files) -> Result<Connection, StoreError> {
    let connection = connect_to(&files.place.real, files.settings.synchronous)?;
    own(&connection)?;
    Ok(connection)
}

/// Lets the connection bring the write-ahead log into the store's file, if it is the last to close that file.
pub(crate) fn own(connection: &Connection) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop).map_err(unavailable)
}

/// Connects to a file of which nothing is known yet. If the file cannot be used, its write-ahead log stays as it is.
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

/// Waits between two tries; returns whether to try again.
pub(crate) fn retry(tries: i32) -> bool {
    std::thread::sleep(RETRY);
    tries < RETRIES
}
