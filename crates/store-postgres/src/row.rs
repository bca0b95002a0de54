//! Rows, as the readers shared by the SQL engines see them.

use doorward_store::{BoxError, Provenance, StoreError};
use doorward_store_sql::{Columns, Field, FromRow, Reader};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::schema;

type Result<T> = std::result::Result<T, StoreError>;

struct Found<'a>(&'a Row);

impl Found<'_> {
    fn get<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<T> {
        let name = || self.name(column);
        self.0.try_get(column).map_err(|error| StoreError::Corrupt(format!("column {}: {error}", name())))
    }
}

impl Columns for Found<'_> {
    fn bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        self.get(column)
    }

    fn flag(&self, column: usize) -> Result<Option<bool>> {
        self.get(column)
    }

    fn is_null(&self, column: usize) -> Result<bool> {
        Ok(self.get::<Option<Anything>>(column)?.is_none())
    }

    fn name(&self, column: usize) -> &str {
        self.0.columns().get(column).map_or("?", tokio_postgres::Column::name)
    }

    fn number(&self, column: usize) -> Result<Option<i64>> {
        self.get(column)
    }

    fn text(&self, column: usize) -> Result<Option<&str>> {
        self.get(column)
    }
}

/// A value of any type, left unread.
struct Anything;

impl FromSql<'_> for Anything {
    fn from_sql(_: &Type, _: &[u8]) -> std::result::Result<Self, BoxError> {
        Ok(Self)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Reads a row, beginning at a column.
pub(crate) fn read<T>(row: &Row, at: usize, read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
    read(&mut Reader::at(&Found(row), at))
}

/// Reads the first row, if there is one.
pub(crate) fn first<T: FromRow>(rows: &[Row]) -> Result<Option<T>> {
    rows.first().map(|row| read(row, 0, T::read)).transpose()
}

/// Reads every row.
pub(crate) fn all<T: FromRow>(rows: &[Row]) -> Result<Vec<T>> {
    all_by(rows, T::read)
}

/// Reads every row with a closure.
pub(crate) fn all_by<T>(rows: &[Row], mut with: impl FnMut(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    rows.iter().map(|row| read(row, 0, &mut with)).collect()
}

/// Reads the only column of the first row, if there is one.
pub(crate) fn value<F: Field>(rows: &[Row]) -> Result<Option<F>> {
    Ok(first(rows)?.map(|(value,)| value))
}

/// The columns that [`provenance`] reads, of a table called `i`. They are part of the statement itself, so that the
/// provenance is of the same server and snapshot as the answer.
pub(crate) const PROVENANCE: &str =
    "i.identity, i.incarnation, i.oldest_schema, pg_is_in_recovery(), current_setting('transaction_read_only')";

/// The number of columns of [`PROVENANCE`].
pub(crate) const AFTER_PROVENANCE: usize = 5;

/// Reads the columns of [`PROVENANCE`] from the beginning of a row.
pub(crate) fn provenance(row: &Row) -> Result<Provenance> {
    read(row, 0, |row| {
        Ok(Provenance {
            store: row.take()?,
            incarnation: row.take()?,
            needs_schema: row.take()?,
            knows_schema: schema::known(),
            primary: !row.take::<bool>()?,
            writable: row.take::<String>()? == "off",
        })
    })
}

/// Reads the first row after its provenance.
pub(crate) fn behind<T: FromRow>(rows: &[Row]) -> Result<T> {
    read(rows.first().ok_or(StoreError::UnfinishedCopy)?, AFTER_PROVENANCE, T::read)
}
