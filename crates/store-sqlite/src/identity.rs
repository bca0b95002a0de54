//! The store's own record, and the provenance of answers.

use doorward_store::{Doubt, Provenance, Sourced, StoreError, StoreIdentity};
use doorward_store_sql::coherence::IDENTITY;
use doorward_store_sql::{sql, text};
use doorward_types::Incarnation;
use rusqlite::Connection;

use crate::error::{SqliteFailure, of_read};
use crate::{migrations, row};

/// Returns the store's record.
pub(crate) fn of(connection: &Connection) -> Result<StoreIdentity, StoreError> {
    let find = sql(text!("SELECT {IDENTITY} FROM store i WHERE i.id = 1"));
    row::find(connection, &find)?.ok_or(StoreError::UnfinishedCopy)
}

/// Returns the current incarnation, for a new event.
pub(crate) fn incarnation(connection: &Connection) -> Result<Incarnation, StoreError> {
    row::value(connection, &sql("SELECT incarnation FROM store WHERE id = 1"))?.ok_or(StoreError::UnfinishedCopy)
}

/// Adds the provenance to a value. Call it on the snapshot of the value.
pub(crate) fn sourced<T>(connection: &Connection, value: T) -> Result<Sourced<T>, StoreError> {
    let find = sql("SELECT identity, incarnation, oldest_schema FROM store WHERE id = 1");
    let (store, incarnation, needs_schema) = row::find(connection, &find)?.ok_or(StoreError::UnfinishedCopy)?;
    let provenance = Provenance {
        store,
        incarnation,
        primary: true,
        writable: !connection.is_readonly("main").map_err(of_read)?,
        needs_schema,
        knows_schema: migrations::SUPPORTED.unsigned_abs(),
    };
    Ok(Sourced::new(provenance, value))
}

/// Fails if a newer program has brought the store to a schema that this program must not write.
pub(crate) fn knows_schema(connection: &Connection) -> Result<(), SqliteFailure> {
    let needs: i64 = connection
        .prepare_cached("SELECT oldest_schema FROM store WHERE id = 1")
        .and_then(|mut find| find.query_row([], |row| row.get(0)))?;
    if needs > migrations::SUPPORTED {
        return Err(Doubt::TooOld { needs: needs.unsigned_abs(), knows: migrations::SUPPORTED.unsigned_abs() }.into());
    }
    Ok(())
}
