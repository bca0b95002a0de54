//! The record that the store keeps of itself, and the provenance of answers.

use std::time::Duration;

use doorward_store::{Doubt, Provenance, Sourced, StoreError, StoreIdentity};
use doorward_types::Incarnation;
use rusqlite::{Connection, Row};

use crate::error::{Failure, of_read};
use crate::{migrations, row};

/// Returns the store's record.
pub(crate) fn of(connection: &Connection) -> Result<StoreIdentity, StoreError> {
    record(connection).map(|(identity, _)| identity)
}

/// Returns the store's record, and the oldest version of the schema that a program must know.
fn record(connection: &Connection) -> Result<(StoreIdentity, u64), StoreError> {
    let record = |row: &Row<'_>| {
        let identity = StoreIdentity {
            id: row::parsed(row, 0)?,
            incarnation: Incarnation(row.get(1)?),
            prefix: row::parsed_option(row, 2)?,
            longest_lease: Duration::from_millis(row.get(3)?),
            sealing_key: row::parsed_option(row, 4)?,
        };
        Ok((identity, row.get(5)?))
    };
    let find =
        "SELECT identity, incarnation, prefix, longest_lease_ms, sealing_key, oldest_schema FROM store WHERE id = 1";
    connection.prepare_cached(find).and_then(|mut find| find.query_row([], record)).map_err(of_read)
}

/// Returns the incarnation that an event belongs to which is written now.
pub(crate) fn incarnation(connection: &Connection) -> Result<Incarnation, StoreError> {
    connection
        .prepare_cached("SELECT incarnation FROM store WHERE id = 1")
        .and_then(|mut find| find.query_row([], |row| row.get(0).map(Incarnation)))
        .map_err(of_read)
}

/// Joins a value to its provenance, which is read on the value's own snapshot.
pub(crate) fn sourced<T>(connection: &Connection, value: T) -> Result<Sourced<T>, StoreError> {
    let (identity, needs_schema) = record(connection)?;
    let provenance = Provenance {
        store: identity.id,
        incarnation: identity.incarnation,
        primary: true,
        writable: !connection.is_readonly("main").map_err(of_read)?,
        needs_schema,
        knows_schema: migrations::SUPPORTED.unsigned_abs(),
    };
    Ok(Sourced::new(provenance, value))
}

/// Fails if a newer program has brought the store to a schema that this program must not write.
pub(crate) fn knows_schema(connection: &Connection) -> Result<(), Failure> {
    let needs: i64 = connection
        .prepare_cached("SELECT oldest_schema FROM store WHERE id = 1")
        .and_then(|mut find| find.query_row([], |row| row.get(0)))?;
    if needs > migrations::SUPPORTED {
        return Err(Doubt::TooOld { needs: needs.unsigned_abs(), knows: migrations::SUPPORTED.unsigned_abs() }.into());
    }
    Ok(())
}
