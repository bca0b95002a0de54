//! Opening a store. Nothing is written before the file is known to be a store.

use std::path::Path;

use doorward_store::{OpenMode, Opening, SchemaState, StoreError};
use rusqlite::Connection;

use crate::connection::{connect_to, own, retry};
use crate::error::{is_busy, unavailable};
use crate::files::{FileId, Files, Place};
use crate::migrations;
use crate::settings::{FULL, Settings};

/// Opens the store's file for writing, and updates its schema if the caller allows it.
pub(crate) fn open(path: &Path, opening: Opening, settings: Settings) -> Result<(Connection, Files), StoreError> {
    migrations::warn_of_old_sqlite();
    let place = Place::find(path, opening.mode)?;
    let before = place.inspect()?;
    let mut connection = look(&place, settings.synchronous)?;
    own(&connection)?;
    // A process that waited for a restore has the old file open.
    if FileId::at(&place.real).ok() != Some(before) {
        return Err(unavailable(format!("{} was replaced while it was opened: try again", place.real.display())));
    }
    switch_to_wal(&connection)?;
    migrations::run(&mut connection, &place.real, opening)?;
    let files = Files::opened(place, before, settings)?;
    Ok((connection, files))
}

/// Returns the version of the schema of a store. Writes nothing.
pub(crate) fn schema(path: &Path) -> Result<SchemaState, StoreError> {
    let place = Place::find(path, OpenMode::Existing)?;
    place.inspect()?;
    let state = migrations::state(&look(&place, FULL)?, &place.real)?;
    if state.found == 0 { Err(StoreError::NotFound) } else { Ok(state) }
}

/// Connects to a file that is a store or empty. Writes nothing, not even when the connection is closed.
pub(crate) fn look(place: &Place, synchronous: &str) -> Result<Connection, StoreError> {
    let connection = connect_to(&place.real, synchronous)?;
    // Read on one snapshot: another process may be creating the schema.
    migrations::check(&*connection.unchecked_transaction().map_err(unavailable)?, &place.real)?;
    Ok(connection)
}

fn switch_to_wal(connection: &Connection) -> Result<(), StoreError> {
    let mut tries = 0;
    let mode: String = loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            // If two processes switch at once, SQLite refuses the second at once.
            Err(error) if is_busy(&error) && retry(tries) => tries += 1,
            mode => break mode.map_err(unavailable)?,
        }
    };
    if mode == "wal" {
        return Ok(());
    }
    Err(unavailable(format!(
        "the file system does not allow WAL mode (SQLite chose {mode}): keep the store on a local disk"
    )))
}
