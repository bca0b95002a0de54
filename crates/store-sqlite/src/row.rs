//! Statements on a connection, and their rows.

use doorward_store::StoreError;
use doorward_store::copy::Cell;
use doorward_store_sql::{Columns, Field, FromRow, Reader, Statement, Value};
use rusqlite::types::{FromSqlError, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, ToSql};

use crate::error::{of_read, of_write, unavailable};

/// A row, as the readers shared by the SQL engines see it.
struct Found<'a, 'stmt>(&'a Row<'stmt>);

impl Found<'_, '_> {
    /// Reads a value that may be NULL.
    fn read<'a, T>(
        &'a self,
        column: usize,
        read: impl FnOnce(ValueRef<'a>) -> Result<T, FromSqlError>,
    ) -> Result<Option<T>, StoreError> {
        match self.0.get_ref(column).map_err(of_read)? {
            ValueRef::Null => Ok(None),
            value => read(value).map(Some).map_err(|error| {
                StoreError::Corrupt(format!("column {} is {}: {error}", self.name(column), value.data_type()))
            }),
        }
    }
}

impl Columns for Found<'_, '_> {
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        self.read(column, |value| value.as_blob())
    }

    fn flag(&self, column: usize) -> Result<Option<bool>, StoreError> {
        Ok(self.number(column)?.map(|number| number != 0))
    }

    fn is_null(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.0.get_ref(column).map_err(of_read)? == ValueRef::Null)
    }

    fn name(&self, column: usize) -> &str {
        self.0.as_ref().column_name(column).unwrap_or("?")
    }

    fn number(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.read(column, |value| value.as_i64())
    }

    fn text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        self.read(column, |value| value.as_str())
    }
}

/// A cell that is bound without a copy.
pub(crate) struct Borrowed<'a>(pub(crate) &'a Cell);

impl ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Cell::Flag(flag) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*flag))),
            Cell::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Cell::Number(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// Prepares a statement and binds its parameters.
fn prepared<'a>(connection: &'a Connection, statement: &Statement) -> rusqlite::Result<CachedStatement<'a>> {
    let mut prepared = connection.prepare_cached(statement.as_str())?;
    for (value, place) in statement.values().iter().zip(1..) {
        // SQLite numbers parameters in the order in which they first appear.
        debug_assert_eq!(prepared.parameter_name(place), Some(&*format!("${place}")), "{}", statement.as_str());
        match value {
            Value::List(..) => return Err(rusqlite::Error::InvalidParameterCount(place, 0)),
            Value::One(_, cell) => prepared.raw_bind_parameter(place, Borrowed(cell))?,
        }
    }
    debug_assert_eq!(prepared.parameter_count(), statement.values().len(), "{}", statement.as_str());
    Ok(prepared)
}

/// Writes one row. Fails with [`StoreError::NotFound`] if the statement touched no row or several rows.
pub(crate) fn write(connection: &Connection, statement: &Statement) -> Result<(), StoreError> {
    if write_some(connection, statement)? == 1 { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Writes any number of rows and returns the number.
pub(crate) fn write_some(connection: &Connection, statement: &Statement) -> Result<u64, StoreError> {
    let written = prepared(connection, statement).and_then(|mut write| write.raw_execute());
    written.map(|rows| rows as u64).map_err(of_write)
}

/// Runs several writing statements.
pub(crate) fn write_all<'a>(
    connection: &Connection,
    statements: impl IntoIterator<Item = &'a Statement>,
) -> Result<(), StoreError> {
    statements.into_iter().try_for_each(|statement| write_some(connection, statement).map(drop))
}

/// Reads every row.
pub(crate) fn list<T: FromRow>(connection: &Connection, statement: &Statement) -> Result<Vec<T>, StoreError> {
    list_by(connection, statement, T::read)
}

/// Reads every row with a closure.
pub(crate) fn list_by<T>(
    connection: &Connection,
    statement: &Statement,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut list = prepared(connection, statement).map_err(unavailable)?;
    let (mut rows, mut found) = (list.raw_query(), Vec::new());
    while let Some(row) = rows.next().map_err(of_read)? {
        found.push(read(&mut Reader::at(&Found(row), 0))?);
    }
    Ok(found)
}

/// Reads the first row, if there is one.
pub(crate) fn find<T: FromRow>(connection: &Connection, statement: &Statement) -> Result<Option<T>, StoreError> {
    let mut find = prepared(connection, statement).map_err(unavailable)?;
    let mut rows = find.raw_query();
    let row = rows.next().map_err(of_read)?;
    row.map(|row| T::read(&mut Reader::at(&Found(row), 0))).transpose()
}

/// Reads the only column of the first row, if there is one.
pub(crate) fn value<F: Field>(connection: &Connection, statement: &Statement) -> Result<Option<F>, StoreError> {
    Ok(find(connection, statement)?.map(|(value,)| value))
}

/// Returns true if the statement finds a row.
pub(crate) fn exists(connection: &Connection, statement: &Statement) -> Result<bool, StoreError> {
    let mut find = prepared(connection, statement).map_err(unavailable)?;
    find.raw_query().next().map(|row| row.is_some()).map_err(of_read)
}
